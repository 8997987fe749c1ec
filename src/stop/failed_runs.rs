//! What a report says of runs of schedules.

use super::report::StopReport;
use crate::queue::FailedSchedule;
use crate::table::{COLUMNS, INDENT, Row, cut};

impl StopReport {
    /// Which entries of [schedulers](crate::Scheduler) had runs that failed on this pool,
    /// how often, and the last error of each, by name; of the first thousand entries that
    /// failed. The tasks of those runs are among the [`completed`](Self::completed), or the
    /// [`panicked`](Self::panicked) ones, and leave nothing behind, so the stop may still
    /// be clean.
    pub fn failed_schedules(&self) -> &[FailedSchedule] {
        &self.facts().failed_schedules
    }
}

pub(super) fn row(failed: &FailedSchedule) -> Row {
    let runs = match failed.failures() {
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    };
    let error = failed.last_error().escape_debug();
    Row {
        name: format!("{:?}", failed.name()),
        middle: runs,
        more: cut(&format!("last error: {error}"), COLUMNS - INDENT),
        ..Row::default()
    }
}
