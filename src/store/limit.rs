//! How many jobs with the same key may be available or run. Pure.
//!
//! # Invariants
//!
//! 1. Of a key with the limit n, no more than n jobs are available or run; the rest of those that
//!    are due is blocked. If n was lowered, what runs already may be more.
//! 2. A blocked job has no place only as long as n others have one, or its queue is paused. What is
//!    available in a paused queue leaves its place to a blocked job of another queue.
//! 3. The jobs are counted, each time that one has come or left: there is no counter that could
//!    differ from them.

use super::ids::JobId;
use super::place::Place;

/// A limit on the number of jobs with the same key that are available or run at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// The key, for all queues and kinds.
    pub key: String,
    /// The number. It belongs to the key: that of the job that was enqueued last counts for all.
    pub max: u32,
}

/// A job that is available or runs.
pub(super) struct Holder {
    pub(super) place: Place,
    pub(super) is_running: bool,
    /// Its queue is paused.
    pub(super) is_paused: bool,
}

/// What has to be changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// These available jobs are blocked.
    pub(super) block: Vec<JobId>,
    /// As many of the blocked jobs of other queues are available, the best ones.
    pub(super) admit: usize,
}

/// How many blocked jobs there may be a place for.
pub(super) fn most_admitted(max: u32, holders: &[Holder]) -> usize {
    let free = (max as usize).saturating_sub(holders.len());
    free + holders.iter().filter(|holder| may_yield(holder)).count()
}

fn may_yield(holder: &Holder) -> bool {
    holder.is_paused && !holder.is_running
}

/// `blocked` is the number of blocked jobs in queues that are not paused, as far as it matters.
pub(super) fn share(max: u32, holders: Vec<Holder>, blocked: usize) -> Share {
    let (max, held) = (max as usize, holders.len());
    let free = max.saturating_sub(held);
    let most = most_admitted(max as u32, &holders);
    let mut available: Vec<Holder> = holders;
    available.retain(|holder| !holder.is_running);
    // Those of paused queues first, then the last in order.
    available.sort_unstable_by_key(|holder| (!holder.is_paused, std::cmp::Reverse(holder.place)));
    let yielding = available.iter().filter(|holder| holder.is_paused).count();
    let over = held.saturating_sub(max).min(available.len());
    let admit = blocked.min(most.saturating_sub(over.min(yielding)));
    let leave = over + admit.saturating_sub(free);
    let block = available.iter().take(leave);
    Share {
        block: block.map(|holder| holder.place.id()).collect(),
        admit,
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::Cursor;
    use super::super::state::JobState;
    use super::*;
    use std::time::UNIX_EPOCH;

    fn holder(id: i64, priority: i32, is_running: bool, is_paused: bool) -> Holder {
        let cursor = Cursor {
            priority,
            at: UNIX_EPOCH,
            id: JobId::new(id),
        };
        Holder {
            place: Place::at(JobState::Available, cursor),
            is_running,
            is_paused,
        }
    }

    fn shared(max: u32, holders: Vec<Holder>, blocked: usize) -> (Vec<i64>, usize) {
        let share = share(max, holders, blocked);
        let ids = share.block.iter().map(|id| id.get());
        (ids.collect(), share.admit)
    }

    #[test]
    fn blocked_jobs_get_the_places_that_are_free() {
        let holders = || vec![holder(1, 0, true, false), holder(2, 0, false, false)];
        assert_eq!(shared(2, holders(), 9), (vec![], 0));
        assert_eq!(shared(5, holders(), 9), (vec![], 3));
        assert_eq!(shared(5, holders(), 1), (vec![], 1));
        assert_eq!(shared(1, vec![], 9), (vec![], 1));
    }

    #[test]
    fn an_available_job_of_a_paused_queue_leaves_its_place_if_another_wants_it() {
        let holders = || {
            vec![
                holder(1, 5, false, true),
                holder(2, 0, false, true),
                holder(3, 0, true, true),
                holder(4, 0, false, false),
            ]
        };
        assert_eq!(most_admitted(4, &holders()), 2);
        assert_eq!(shared(4, holders(), 0), (vec![], 0));
        assert_eq!(shared(4, holders(), 1), (vec![2], 1));
        assert_eq!(shared(4, holders(), 9), (vec![2, 1], 2));
        assert_eq!(shared(5, holders(), 2), (vec![2], 2));
    }

    #[test]
    fn after_the_limit_was_lowered_the_last_available_ones_are_blocked_and_none_that_runs() {
        let holders = || {
            vec![
                holder(1, 5, false, false),
                holder(2, 0, false, false),
                holder(3, 0, true, false),
                holder(4, 9, false, true),
            ]
        };
        assert_eq!(shared(3, holders(), 0), (vec![4], 0));
        assert_eq!(shared(2, holders(), 9), (vec![4, 2], 0));
        assert_eq!(shared(1, holders(), 9), (vec![4, 2, 1], 0));
        let running = vec![holder(1, 0, true, false), holder(2, 0, true, false)];
        assert_eq!(shared(1, running, 9), (vec![], 0));
    }
}
