//! The order of jobs in a list, and of those to claim.

use crate::store::{Cursor, JobId, JobInfo, JobState};
use std::cmp::Reverse;
use std::time::{SystemTime, UNIX_EPOCH};

/// Sorts the jobs of one state as [`JobFilter`](crate::store::JobFilter) says: by priority, by a
/// moment in milliseconds, by id. The latter two are negative where the latest comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(Reverse<i32>, i64, i64);

impl Place {
    pub(super) fn of(job: &JobInfo) -> Place {
        Place::at(job.state, Cursor::of(job))
    }

    pub(super) fn at(state: JobState, cursor: Cursor) -> Place {
        let sign = if state.is_ended() { -1 } else { 1 };
        let at = sign * millis(cursor.at);
        Place(Reverse(cursor.priority), at, sign * cursor.id.get())
    }

    pub(super) fn id(self) -> JobId {
        JobId::new(self.2.abs())
    }
}

fn millis(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
