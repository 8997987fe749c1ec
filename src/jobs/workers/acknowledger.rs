//! The thread that sends the ends of attempts to the store.

use super::beat;
use super::core::{Core, End};
use super::health::Part;
use crate::clock::Deadline;
use crate::store::{Answer, Finish};
use crate::sync::channel;
use std::time::Duration;

/// What has come while the store was at the last batch is the next one.
const MOST: usize = 256;

/// This number of ends at once are those of short jobs, and more will come.
const MANY: usize = 16;
/// For how long they are waited for: a sync may take as long, and then covers them too.
const PATIENCE: Duration = Duration::from_millis(2);

/// Sends ends until everything is over. What the store has not answered then stays unacknowledged.
pub(super) fn acknowledge(core: &Core) {
    let closed = core.closed.receiver();
    loop {
        let first = channel::select! {
            recv(core.to_finish) -> end => end,
            recv(closed) -> _ => return,
        };
        let Ok(first) = first else { return };
        let ends = gather(core, first);
        if !finish(core, ends, false) {
            return;
        }
    }
}

/// The first end and, if many have come with it, those that come soon. Otherwise each claim of short
/// jobs would wait for a sync of its own, that of the ends of the claim before it.
fn gather(core: &Core, first: End) -> Vec<End> {
    let mut ends = vec![first];
    ends.extend(core.to_finish.try_iter().take(MOST - 1));
    if ends.len() < MANY {
        return ends;
    }
    let deadline = Deadline::after(PATIENCE);
    while ends.len() < MOST {
        let Ok(end) = deadline.receive(&core.to_finish) else {
            break;
        };
        ends.push(end);
    }
    ends
}

/// Repeats the same call, which changes nothing a second time, until the store answers; `false`: it
/// is over before. What it can never answer, since a row is damaged, say, is sent apart from the
/// rest, and given up when it is alone.
fn finish(core: &Core, mut ends: Vec<End>, mut is_repeated: bool) -> bool {
    let finishes: Vec<Finish> = ends.iter().map(|end| end.finish.clone()).collect();
    loop {
        match core.store().finish(&finishes) {
            Ok(answers) => {
                core.succeeded(Part::Finish);
                let may_be_accepted = is_repeated && answers.contains(&Answer::Lost);
                core.answered(ends, &answers, may_be_accepted && holds_lease(core));
                return true;
            }
            Err(error) if !error.is_temporary() && ends.len() > 1 => {
                let rest = ends.split_off(ends.len() / 2);
                return finish(core, ends, is_repeated) && finish(core, rest, is_repeated);
            }
            // It is not the whole store: that can be written to.
            Err(error) if !error.is_temporary() && holds_lease(core) => {
                core.succeeded(Part::Finish);
                core.unrecorded(ends, &error);
                return true;
            }
            Err(error) => {
                is_repeated = true;
                let pause = core.failed(Part::Finish, error);
                if core.closed.wait_timeout(pause) {
                    return false;
                }
            }
        }
    }
}

/// Whether no other process has taken the jobs of this one over. Then an end that is refused when it
/// is sent again was accepted the first time, and its job was claimed again since.
fn holds_lease(core: &Core) -> bool {
    let Some(worker) = core.lease() else {
        return false;
    };
    beat::renew(core, worker).is_ok()
}
