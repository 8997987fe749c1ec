//! The thread that sends the ends of attempts to the store.

use super::beat;
use super::core::{Core, End};
use super::health::Part;
use crate::clock::Deadline;
use crate::store::{Answer, Finish, StoreError};
use crate::sync::channel::{self, Receiver};
use std::time::Duration;

/// What has come while the store was at the last batch is the next one.
const MOST: usize = 256;

/// This number of ends at once are those of short jobs, and more will come.
const MANY: usize = 16;
/// For how long they are waited for: a sync may take as long, and then covers them too.
const PATIENCE: Duration = Duration::from_millis(2);

/// With their pauses these take some 20 s.
const TRIES: u32 = 12;

/// Sends ends until everything is over. What the store has not answered then stays unacknowledged.
pub(super) fn acknowledge(core: &Core) {
    let closed = core.closed.receiver();
    loop {
        let first = channel::select! {
            recv(core.to_finish) -> end => end,
            recv(closed) -> _ => return,
        };
        let Ok(first) = first else { return };
        let ends = gather(&core.to_finish, first);
        if !finish(core, ends, 0) {
            return;
        }
    }
}

/// The first end and, if many have come with it, those that come soon. Otherwise each claim of short
/// jobs would wait for a sync of its own, that of the ends of the claim before it.
fn gather(to_finish: &Receiver<End>, first: End) -> Vec<End> {
    let mut ends = vec![first];
    ends.extend(to_finish.try_iter().take(MOST - 1));
    if ends.len() < MANY {
        return ends;
    }
    let deadline = Deadline::after(PATIENCE);
    while ends.len() < MOST {
        let Ok(end) = deadline.receive(to_finish) else {
            break;
        };
        ends.push(end);
    }
    ends
}

/// Repeats the same call, which changes nothing a second time, until the store answers; `false`: it
/// is over before. What it can never answer, since a row is damaged, say, is sent apart from the
/// rest, and given up when it is alone. `tries`: how often these have failed.
fn finish(core: &Core, mut ends: Vec<End>, mut tries: u32) -> bool {
    let finishes: Vec<Finish> = ends.iter().map(|end| end.finish.clone()).collect();
    loop {
        match core.store().finish(&finishes) {
            Ok(answers) => {
                core.succeeded(Part::Finish);
                // What is refused when it is sent again was accepted the first time, unless another
                // process has the lease: its job was claimed again since.
                let may_be_accepted = tries > 0 && answers.contains(&Answer::Lost);
                core.answered(ends, &answers, may_be_accepted && beat::holds_lease(core));
                return true;
            }
            Err(error) if is_lasting(&error, tries) && ends.len() > 1 => {
                let rest = ends.split_off(ends.len() / 2);
                return finish(core, ends, tries) && finish(core, rest, tries);
            }
            // It is not the whole store: that can be written to.
            Err(error) if is_lasting(&error, tries) && beat::holds_lease(core) => {
                core.succeeded(Part::Finish);
                core.unrecorded(ends, &error);
                return true;
            }
            Err(error) => {
                tries += 1;
                let pause = core.failed(Part::Finish, error);
                if core.closed.wait_timeout(pause) {
                    return false;
                }
            }
        }
    }
}

/// Whether it may be an error of a job rather than of the store: it will not pass, or it has not
/// passed for some 20 s, as that of a bad sector.
fn is_lasting(error: &StoreError, tries: u32) -> bool {
    match error {
        StoreError::Unavailable { .. } => tries >= TRIES,
        other => !other.is_temporary(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{AttemptId, Fence, JobId, Outcome};

    fn end(job: i64) -> End {
        let attempt = AttemptId {
            job: JobId::new(job),
            fence: Fence::new(1),
        };
        End {
            finish: Finish {
                attempt,
                outcome: Outcome::Completed,
            },
            dead: None,
        }
    }

    #[test]
    fn ends_are_sent_in_order_all_that_have_come_and_no_more_than_fit() {
        for (count, sent) in [(1, 1), (15, 15), (16, 16), (256, 256), (300, 256)] {
            let (sender, to_finish) = channel::unbounded();
            (1..count).for_each(|job| sender.send(end(job)).unwrap());
            let gathered = gather(&to_finish, end(0));
            let jobs: Vec<i64> = gathered
                .iter()
                .map(|end| end.finish.attempt.job.get())
                .collect();
            assert_eq!(jobs, (0..sent).collect::<Vec<_>>());
            assert_eq!(to_finish.len() as i64, count - sent);
        }
    }

    #[test]
    fn an_error_is_that_of_a_job_at_once_or_when_it_does_not_pass_but_never_that_of_the_disk() {
        let detail = String::new;
        let refused = StoreError::Unsupported { detail: detail() };
        assert!(is_lasting(&refused, 0));
        let unavailable = StoreError::Unavailable { detail: detail() };
        assert!(!is_lasting(&unavailable, TRIES - 1) && is_lasting(&unavailable, TRIES));
        assert!(!is_lasting(&StoreError::Full { detail: detail() }, TRIES));
    }
}
