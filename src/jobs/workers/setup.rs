//! What the workers of a service are declared with.

use super::super::dead_job::DeadJob;
use super::super::job::{Job, JobResult};
use super::super::recurring::Declared;
use super::ending::default_policy;
use super::handler::{Around, Handler, MakeHandler};
use crate::causes::BoxError;
use crate::retry::Retry;
use crate::store::JobSpec;
use crate::sync::Arc;
use crate::unwind;
use std::collections::{HashMap, HashSet};

pub(super) type DeadLetters = Arc<dyn Fn(&DeadJob) + Send + Sync>;

/// The declaration, as far as it has come.
pub(super) struct Draft {
    pub(super) threads: usize,
    pub(super) queues: Vec<(String, u32)>,
    kinds: Vec<Kind>,
    retries: Vec<(&'static str, Retry<BoxError>)>,
    pub(super) around: Vec<Around>,
    pub(super) dead_letter: Option<DeadLetters>,
    pub(super) max_interruptions: u32,
    /// Each with what is wrong with it.
    pub(super) recurring: Vec<Result<Declared, String>>,
}

#[derive(Clone)]
struct Kind {
    names: Vec<&'static str>,
    make: MakeHandler,
    policy: Retry<BoxError>,
}

/// The declaration, checked.
pub(super) struct Setup {
    pub(super) threads: usize,
    pub(super) queues: Vec<(String, u32)>,
    kinds: Vec<Kind>,
    /// The place of each kind by its names.
    places: HashMap<&'static str, usize>,
    pub(super) around: Vec<Around>,
    pub(super) dead_letter: Option<DeadLetters>,
    pub(super) max_interruptions: u32,
    pub(super) recurring: Vec<Declared>,
}

impl Draft {
    pub(super) fn new() -> Draft {
        Draft {
            threads: 1,
            queues: vec![(JobSpec::DEFAULT_QUEUE.to_owned(), 1)],
            kinds: Vec::new(),
            retries: Vec::new(),
            around: Vec::new(),
            dead_letter: None,
            max_interruptions: 100,
            recurring: Vec::new(),
        }
    }

    pub(super) fn add_handler<J: Job>(&mut self, make: MakeHandler) {
        let names = std::iter::once(J::KIND).chain(J::ALIASES.iter().copied());
        self.kinds.push(Kind {
            names: names.collect(),
            make,
            policy: default_policy(),
        });
    }

    pub(super) fn add_retry<J: Job>(&mut self, retry: Retry<BoxError>) {
        self.retries.push((J::KIND, retry));
    }

    /// # Errors
    ///
    /// What is wrong, and what to write instead.
    pub(super) fn check(&self) -> Result<Setup, String> {
        if self.threads == 0 {
            return Err("they have no threads; give them at least 1".to_owned());
        }
        self.check_queues()?;
        let mut kinds = self.kinds.clone();
        let mut places = HashMap::new();
        for (place, kind) in kinds.iter().enumerate() {
            for name in &kind.names {
                if places.insert(*name, place).is_some() {
                    return Err(format!("kind {name:?} has two handlers; leave one out"));
                }
            }
        }
        if kinds.is_empty() {
            return Err("they have no handler; add one with `.on(..)`".to_owned());
        }
        for (kind, retry) in &self.retries {
            let Some(place) = places.get(kind) else {
                return Err(format!(
                    "kind {kind:?} has a `.retry(..)` and no handler; add one with `.on(..)`"
                ));
            };
            kinds[*place].policy = retry.clone();
        }
        Ok(Setup {
            threads: self.threads,
            queues: self.queues.clone(),
            kinds,
            places,
            around: self.around.clone(),
            dead_letter: self.dead_letter.clone(),
            max_interruptions: self.max_interruptions.max(1),
            recurring: self.check_recurring()?,
        })
    }

    fn check_recurring(&self) -> Result<Vec<Declared>, String> {
        let mut keys = HashSet::new();
        let checked = self.recurring.iter().map(|one| {
            let one = one.clone()?;
            match keys.insert(one.key.clone()) {
                true => Ok(one),
                false => Err(format!(
                    "recurring job {:?} is declared twice; leave one out",
                    one.key
                )),
            }
        });
        checked.collect()
    }

    fn check_queues(&self) -> Result<(), String> {
        if self.queues.is_empty() {
            return Err("they have no queue; name one, or leave `.queues(..)` out".to_owned());
        }
        for (index, (name, weight)) in self.queues.iter().enumerate() {
            if name.is_empty() {
                return Err("a queue has an empty name; give it one".to_owned());
            }
            if *weight == 0 {
                return Err(format!(
                    "queue {name:?} has the weight 0; give it at least 1, or leave it out"
                ));
            }
            if self.queues[..index].iter().any(|(other, _)| other == name) {
                return Err(format!("queue {name:?} is named twice; leave one out"));
            }
        }
        Ok(())
    }
}

impl Setup {
    /// The handlers of one thread, in the order of the kinds.
    pub(super) fn make_handlers(&self) -> JobResult<Vec<Handler>> {
        self.kinds.iter().map(|kind| make(&kind.make)).collect()
    }

    /// A new one in the place of one that panicked.
    pub(super) fn make_handler(&self, place: usize) -> JobResult<Handler> {
        make(&self.kinds[place].make)
    }

    /// Where the handler of a kind is; `None`: it has none.
    pub(super) fn place_of(&self, kind: &str) -> Option<usize> {
        self.places.get(kind).copied()
    }

    pub(super) fn policy(&self, place: usize) -> &Retry<BoxError> {
        &self.kinds[place].policy
    }

    /// All names of kinds, with the maximum number of attempts.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.kinds.iter().flat_map(|kind| {
            let attempts = kind.policy.max_attempts();
            kind.names.iter().map(move |name| (*name, attempts))
        })
    }
}

/// The factory is the program's code.
fn make(factory: &MakeHandler) -> JobResult<Handler> {
    unwind::catch(|| factory()).unwrap_or_else(|payload| {
        let text = unwind::text(payload.as_ref()).to_owned();
        unwind::drop_payload(payload);
        Err(format!("the factory of its handlers panicked: {text}").into())
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::context::JobContext;
    use super::super::handler::shared;
    use super::*;
    use crate::retry::IntoRetry;
    use std::time::Duration;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Send;

    impl Job for Send {
        const KIND: &'static str = "send";
        const ALIASES: &'static [&'static str] = &["mail"];
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Mail;

    impl Job for Mail {
        const KIND: &'static str = "mail";
    }

    fn draft() -> Draft {
        let mut draft = Draft::new();
        draft.add_handler::<Send>(shared(|_: Send, _: &JobContext| ()));
        draft
    }

    fn problem(set: impl FnOnce(&mut Draft)) -> String {
        let mut draft = draft();
        set(&mut draft);
        draft.check().err().unwrap()
    }

    #[test]
    fn a_kind_is_known_by_its_name_and_its_aliases() {
        let mut draft = draft();
        let retry = Retry::fixed(Duration::ZERO).attempts(7);
        draft.add_retry::<Send>(retry.into_retry());
        let setup = draft.check().ok().unwrap();
        let kinds: Vec<_> = setup.kinds().collect();
        assert_eq!(kinds, [("send", 7), ("mail", 7)]);
        assert_eq!(
            (setup.place_of("mail"), setup.place_of("other")),
            (Some(0), None)
        );
    }

    #[test]
    fn a_declaration_that_makes_no_sense_is_refused_with_what_to_write() {
        type Case = (&'static str, fn(&mut Draft));
        let cases: [Case; 7] = [
            ("no threads; give them at least 1", |draft| {
                draft.threads = 0
            }),
            ("no handler; add one", |draft| *draft = Draft::new()),
            ("kind \"mail\" has two handlers", |draft| {
                draft.add_handler::<Mail>(shared(|_: Mail, _: &JobContext| ()));
            }),
            ("kind \"mail\" has a `.retry(..)` and no handler", |draft| {
                *draft = Draft::new();
                draft.kinds.push(self::draft().kinds.remove(0));
                draft.kinds[0].names.pop();
                draft.add_retry::<Mail>(default_policy());
            }),
            ("no queue; name one", |draft| draft.queues.clear()),
            ("queue \"a\" has the weight 0", |draft| {
                draft.queues = vec![("a".to_owned(), 0)];
            }),
            ("queue \"a\" is named twice", |draft| {
                draft.queues = vec![
                    ("a".to_owned(), 1),
                    ("b".to_owned(), 1),
                    ("a".to_owned(), 2),
                ];
            }),
        ];
        for (part, set) in cases {
            let problem = problem(set);
            assert!(problem.contains(part), "{problem}");
        }
    }
}
