//! How much to claim. Pure.

use std::time::Duration;

/// What is claimed is expected to begin within this.
pub(super) const SOON: Duration = Duration::from_millis(50);
/// The number of jobs that are claimed and have not begun.
pub(super) const MOST: usize = 100;

/// What a thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    Idle,
    /// It runs a job, and its kind is expected to take as long as that; `None`: not known.
    Busy {
        expected: Option<Duration>,
        age: Duration,
    },
}

impl Load {
    /// How much of the next moments the thread is expected to be free for.
    fn free(self) -> Duration {
        match self {
            Load::Idle => SOON,
            // It takes longer than expected: who knows how long.
            Load::Busy { age, .. } if age > SOON => Duration::ZERO,
            Load::Busy { expected, .. } => SOON.saturating_sub(expected.unwrap_or(SOON)),
        }
    }
}

/// What is to be claimed: jobs whose expected times add up to `budget`, and `most` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) budget: Duration,
    pub(super) most: usize,
}

/// What there is room for, if `waiting` jobs that were claimed before have not begun, and are
/// expected to take `waiting_time`. `None`: nothing is claimed now. More is claimed when half of it
/// has begun, so that the threads need not wait for the claim.
pub(super) fn room(
    loads: impl Iterator<Item = Load>,
    waiting: usize,
    waiting_time: Duration,
) -> Option<Room> {
    let free: Duration = loads.map(Load::free).sum();
    if free.is_zero() || waiting_time > free / 2 || waiting > MOST / 2 {
        return None;
    }
    Some(Room {
        budget: free - waiting_time,
        most: MOST - waiting,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SHORT: Load = Load::Busy {
        expected: Some(MS),
        age: Duration::ZERO,
    };
    const UNKNOWN: Load = Load::Busy {
        expected: None,
        age: Duration::ZERO,
    };

    fn look(loads: &[Load], waiting: usize, time: Duration) -> Option<(Duration, usize)> {
        let room = room(loads.iter().copied(), waiting, time)?;
        Some((room.budget, room.most))
    }

    #[test]
    fn each_idle_thread_has_room_for_what_begins_within_fifty_milliseconds() {
        let idle = [Load::Idle; 3];
        assert_eq!(look(&idle, 0, Duration::ZERO), Some((150 * MS, 100)));
        assert_eq!(look(&[], 0, Duration::ZERO), None);
    }

    #[test]
    fn a_busy_thread_has_room_only_if_its_job_is_expected_to_be_short_and_is() {
        assert_eq!(look(&[SHORT], 0, Duration::ZERO), Some((49 * MS, 100)));
        assert_eq!(look(&[UNKNOWN], 0, Duration::ZERO), None);
        let long = Load::Busy {
            expected: Some(80 * MS),
            age: Duration::ZERO,
        };
        let late = Load::Busy {
            expected: Some(MS),
            age: 51 * MS,
        };
        assert_eq!(look(&[long, late], 0, Duration::ZERO), None);
    }

    #[test]
    fn more_is_claimed_when_half_of_what_was_claimed_has_begun() {
        assert_eq!(look(&[Load::Idle], 60, MS), None);
        assert_eq!(look(&[Load::Idle], 50, MS), Some((49 * MS, 50)));
        assert_eq!(look(&[Load::Idle], 1, 26 * MS), None);
        assert_eq!(look(&[Load::Idle], 1, 25 * MS), Some((25 * MS, 99)));
    }
}
