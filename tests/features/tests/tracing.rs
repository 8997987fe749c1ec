//! Spans and events for `tracing`: a subscriber that keeps them, with their parents and fields.

use groundcrew::host::Restart;
use groundcrew::jobs::{Job, JobContext, Jobs};
use groundcrew::store::MemoryStore;
use groundcrew::{Host, Pool, Retry, Schedule, Scheduler, channel};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, info, info_span};
use tracing_core::span::Current;

const LONG: Duration = Duration::from_secs(60);

/// What is known of a span: the fields as text.
#[derive(Clone, Debug)]
struct Seen {
    parent: Option<u64>,
    metadata: &'static Metadata<'static>,
    fields: HashMap<&'static str, String>,
}

#[derive(Default)]
struct Keeper {
    spans: Mutex<HashMap<u64, Seen>>,
    /// Target and message, with the span in which they came.
    events: Mutex<Vec<(String, String, Option<u64>)>>,
    last: AtomicU64,
}

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn innermost() -> Option<u64> {
    ENTERED.with_borrow(|entered| entered.last().copied())
}

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

struct Shared(&'static Keeper);

impl Subscriber for Shared {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // One of these is not wanted, to see what becomes of its child.
        metadata.target() != "groundcrew::schedule" || metadata.is_event()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.0.last.fetch_add(1, SeqCst) + 1;
        let parent = match attributes.is_contextual() {
            true => innermost(),
            false => attributes.parent().map(Id::into_u64),
        };
        let mut fields = HashMap::new();
        attributes.record(&mut Fields(&mut fields));
        assert_ne!(
            fields.get("name").map(String::as_str),
            Some("hated"),
            "expected"
        );
        let metadata = attributes.metadata();
        let seen = Seen {
            parent,
            metadata,
            fields,
        };
        self.0.spans.lock().unwrap().insert(id, seen);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut spans = self.0.spans.lock().unwrap();
        values.record(&mut Fields(
            &mut spans.get_mut(&id.into_u64()).unwrap().fields,
        ));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = HashMap::new();
        event.record(&mut Fields(&mut fields));
        let message = fields.remove("message").unwrap_or_default();
        let target = event.metadata().target().to_owned();
        let event = (target, message, innermost());
        self.0.events.lock().unwrap().push(event);
    }

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        let left = ENTERED.with_borrow_mut(Vec::pop);
        assert_eq!(left, Some(id.into_u64()));
    }

    fn current_span(&self) -> Current {
        match innermost() {
            None => Current::none(),
            Some(id) => {
                let metadata = self.0.spans.lock().unwrap()[&id].metadata;
                Current::new(Id::from_u64(id), metadata)
            }
        }
    }
}

fn keeper() -> &'static Keeper {
    static KEEPER: OnceLock<&Keeper> = OnceLock::new();
    KEEPER.get_or_init(|| {
        let keeper: &Keeper = Box::leak(Box::default());
        tracing::subscriber::set_global_default(Shared(keeper)).unwrap();
        keeper
    })
}

impl Keeper {
    /// The spans of this name whose field `name` is this, in the order in which they were made.
    fn spans(&self, span: &str, name: &str) -> Vec<(u64, Seen)> {
        let spans = self.spans.lock().unwrap();
        let named = spans.iter().filter(|(_, seen)| {
            seen.metadata.name() == span && seen.fields.get("name").is_some_and(|it| it == name)
        });
        let mut named: Vec<_> = named.map(|(id, seen)| (*id, seen.clone())).collect();
        named.sort_by_key(|(id, _)| *id);
        named
    }

    /// The spans of the attempts of a job, in the order in which they were made.
    fn job_spans(&self, kind: &str) -> Vec<(u64, Seen)> {
        let spans = self.spans.lock().unwrap();
        let of_kind = spans.iter().filter(|(_, seen)| {
            seen.metadata.name() == "job" && seen.fields.get("kind").is_some_and(|it| it == kind)
        });
        let mut of_kind: Vec<_> = of_kind.map(|(id, seen)| (*id, seen.clone())).collect();
        of_kind.sort_by_key(|(id, _)| *id);
        of_kind
    }

    fn event(&self, contains: &str) -> (String, Option<u64>) {
        let events = self.events.lock().unwrap();
        let mut found = events
            .iter()
            .filter(|(_, message, _)| message.contains(contains));
        let (target, _, inside) = found
            .next()
            .unwrap_or_else(|| panic!("no event {contains}"));
        (target.clone(), *inside)
    }
}

fn panics() -> ! {
    std::panic::resume_unwind(Box::new("expected"))
}

#[test]
fn a_task_is_a_child_of_the_span_in_which_it_was_submitted_wherever_it_runs() {
    let keeper = keeper();
    let pool = Pool::new(1).unwrap();
    let request = info_span!("request");
    let handle = request.in_scope(|| {
        pool.task("outer").submit({
            let submitter = pool.submitter();
            move || {
                info!("in outer");
                submitter
                    .task("inner")
                    .submit(|| ())
                    .unwrap()
                    .join()
                    .unwrap();
            }
        })
    });
    handle.unwrap().join().unwrap();
    pool.task("alone").execute(|| ()).unwrap();
    pool.wait_idle();

    let outer = keeper.spans("task", "outer").remove(0);
    assert_eq!(outer.1.parent, request.id().map(|id| id.into_u64()));
    let inner = keeper.spans("task", "inner").remove(0);
    assert_eq!(inner.1.parent, Some(outer.0));
    assert_eq!(keeper.spans("task", "alone")[0].1.parent, None);
    let fields = &outer.1.fields;
    assert_eq!(
        (&*fields["outcome"], &*fields["attempt"]),
        ("completed", "1")
    );
    assert!(fields["location"].contains("tracing.rs:"), "{fields:?}");
    assert!(fields["id"].parse::<u64>().is_ok(), "{fields:?}");
    assert_eq!(*outer.1.metadata.level(), Level::INFO);
    assert_eq!(outer.1.metadata.target(), "groundcrew::pool");
    assert_eq!(keeper.event("in outer").1, Some(outer.0));
    assert_eq!(innermost(), None);
}

#[test]
fn a_panic_is_an_outcome_and_its_record_is_an_event_in_the_span_of_the_task() {
    let keeper = keeper();
    let pool = Pool::builder()
        .threads(1)
        .name("panicking")
        .build()
        .unwrap();
    assert!(
        pool.task("panics")
            .submit(|| panics())
            .unwrap()
            .join()
            .is_err()
    );
    pool.task("bare").execute(|| panics()).unwrap();
    pool.wait_idle();
    for name in ["panics", "bare"] {
        let task = keeper.spans("task", name).remove(0);
        assert_eq!(task.1.fields["outcome"], "panicked");
    }
    let task = keeper.spans("task", "panics").remove(0);
    let (target, inside) = keeper.event("\"panics\"");
    assert_eq!((&*target, inside), ("groundcrew::pool", Some(task.0)));
}

#[test]
fn each_attempt_is_a_span_of_its_own_below_the_same_parent() {
    let keeper = keeper();
    let pool = Pool::new(1).unwrap();
    let request = info_span!("retried request");
    let retry = Retry::fixed(Duration::ZERO).attempts(3);
    let handle = request.in_scope(|| {
        let task = pool.task("retried").retry(retry);
        task.submit(|attempt| (attempt == 2).then_some(()).ok_or("not yet"))
    });
    assert!(handle.unwrap().join().unwrap().is_ok());
    pool.wait_idle();
    let attempts = keeper.spans("task", "retried");
    let of = |field: &'static str| attempts.iter().map(move |it| &*it.1.fields[field]);
    assert!(of("attempt").eq(["1", "2"]));
    assert!(of("outcome").eq(["failed", "completed"]));
    let parent = request.id().map(|id| id.into_u64());
    assert!(attempts.iter().all(|it| it.1.parent == parent));
}

#[test]
fn loops_streams_and_scopes_are_below_the_span_that_called_them() {
    let keeper = keeper();
    let pool = Pool::new(2).unwrap();
    let request = info_span!("looping request");
    request.in_scope(|| {
        pool.parallel("loop").for_each(0..100, |_| ()).unwrap();
        let stream = pool.parallel("stream").stream(0..100, |n| n);
        assert_eq!(stream.flatten().count(), 100);
        pool.scope(|s| s.task("scoped").execute(|| ()));
    });
    pool.wait_idle();
    let parent = request.id().map(|id| id.into_u64());
    for name in ["loop", "stream", "scoped"] {
        let spans = keeper.spans("task", name);
        assert!(!spans.is_empty(), "{name}");
        assert!(spans.iter().all(|it| it.1.parent == parent), "{name}");
    }
}

#[test]
fn a_service_is_below_the_span_that_registered_it_and_each_incarnation_is_one() {
    let keeper = keeper();
    let mut host = Host::builder();
    host.name("traced");
    let setup = info_span!("setup");
    let mut runs = 0;
    setup.in_scope(|| {
        host.background("flaky", move |ctx| {
            runs += 1;
            info!("in flaky {runs}");
            if runs == 1 {
                return Err("not yet".into());
            }
            ctx.request_stop("done");
            Ok(())
        })
        .on_failure(Restart::new());
    });
    let report = host.build().unwrap().run();
    assert_eq!(report.services()[0].restarts(), 1, "{report}");
    let incarnations = keeper.spans("service", "flaky");
    let outcomes = incarnations.iter().map(|it| &*it.1.fields["outcome"]);
    assert!(outcomes.eq(["failed", "completed"]), "{incarnations:?}");
    let parent = setup.id().map(|id| id.into_u64());
    assert!(incarnations.iter().all(|it| it.1.parent == parent));
    assert!(
        incarnations
            .iter()
            .all(|it| it.1.fields["host"] == "traced")
    );
    assert_eq!(keeper.event("in flaky 2").1, Some(incarnations[1].0));
    // The host logs by another thread.
    let is_there = |text: &str| {
        keeper
            .events
            .lock()
            .unwrap()
            .iter()
            .any(|it| it.1.contains(text))
    };
    while !is_there("host traced: service \"flaky\"") {
        std::thread::yield_now();
    }
    assert_eq!(
        keeper.event("host traced: service \"flaky\"").0,
        "groundcrew::host"
    );
}

#[test]
fn where_a_span_is_not_wanted_events_are_in_the_one_above() {
    let keeper = keeper();
    let pool = Pool::new(1).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let setup = info_span!("schedules");
    let entry = setup.in_scope(|| {
        scheduler
            .entry("traced", Schedule::every(LONG))
            .run(|_| {
                info!("in the run");
                Err("full")?
            })
            .unwrap()
    });
    assert!(entry.trigger());
    pool.wait_idle();
    let task = keeper.spans("task", "traced").remove(0);
    assert_eq!(task.1.parent, setup.id().map(|id| id.into_u64()));
    assert!(keeper.spans("schedule", "traced").is_empty());
    assert_eq!(keeper.event("in the run").1, Some(task.0));
    let failed = keeper.event("schedule \"traced\" failed: full");
    assert_eq!(failed, ("groundcrew::schedule".to_owned(), Some(task.0)));
}

#[derive(Serialize, Deserialize)]
struct Import {
    fails: u32,
}

impl Job for Import {
    const KIND: &'static str = "traced-import";
}

#[test]
fn each_attempt_of_a_job_is_below_the_span_in_which_the_job_was_enqueued() {
    let keeper = keeper();
    let jobs = Jobs::open(MemoryStore::new()).unwrap();
    let (sender, begun) = channel::unbounded();
    let mut host = Host::builder();
    drop(
        host.jobs("traced jobs", &jobs)
            .on(move |job: Import, ctx: &JobContext| {
                info!("in attempt {}", ctx.attempt());
                sender.send(ctx.attempt())?;
                match ctx.attempt() <= job.fails {
                    true => Err("not yet")?,
                    false => Ok(()),
                }
            })
            .retry::<Import>(Retry::fixed(Duration::ZERO)),
    );
    let host = host.build().unwrap().start().unwrap();
    // An idle worker may begin it before `enqueue` has returned.
    let request = info_span!("import request");
    let id = request.in_scope(|| jobs.enqueue(&Import { fails: 1 }).unwrap());
    assert!(begun.iter().take(2).eq([1, 2]));
    jobs.enqueue(&Import { fails: 0 }).unwrap();
    assert_eq!(begun.recv().unwrap(), 1);
    assert!(host.stop().is_clean());

    let attempts = keeper.job_spans("traced-import");
    let of = |field: &'static str| attempts.iter().map(move |it| &*it.1.fields[field]);
    assert!(of("attempt").eq(["1", "2", "1"]));
    assert!(of("outcome").eq(["failed", "completed", "completed"]));
    assert!(of("queue").eq(["default"; 3]));
    assert_eq!(attempts[0].1.fields["id"], id.to_string());
    assert_eq!(attempts[0].1.metadata.target(), "groundcrew::jobs");
    let parent = request.id().map(|id| id.into_u64());
    let parents = attempts.iter().map(|it| it.1.parent);
    assert!(parents.eq([parent, parent, None]));
    assert_eq!(keeper.event("in attempt 2").1, Some(attempts[1].0));
}

#[test]
fn a_subscriber_that_panics_costs_its_span_and_nothing_else() {
    let keeper = keeper();
    let pool = Pool::new(1).unwrap();
    let (send, receive) = channel::bounded(1);
    let handle = pool
        .task("hated")
        .submit(move || send.send(7).unwrap())
        .unwrap();
    handle.join().unwrap();
    assert_eq!(receive.recv().unwrap(), 7);
    assert!(pool.stop(LONG).is_clean());
    assert!(keeper.spans("task", "hated").is_empty());
}
