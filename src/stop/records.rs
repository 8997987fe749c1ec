//! The log records of a stop. The logger is the program's code and may be stuck, so no thread
//! waits for it without a deadline.

use super::report::StopReport;
use crate::async_log::{self, LOG_TIMEOUT};
use crate::clock::Deadline;
use crate::queue::PoolCore;
use crate::record::{self, record};
use crate::sync::Arc;
use crate::threads;

/// Whether it is worthwhile to start a thread for a record of that level.
pub(super) fn logs_infos() -> bool {
    record::is_wanted(log::Level::Info)
}

/// Calls the program's code on a thread of its own, and waits for it until `deadline`.
pub(super) fn run_until(pool: &PoolCore, deadline: Deadline, call: impl FnOnce() + Send + 'static) {
    threads::run_until(&format!("{}-end", pool.name), deadline, call);
}

/// The record of a close, if this one closed the pool: `queued` is how many tasks had not
/// started then.
pub(super) fn closed(pool: &PoolCore, queued: Option<usize>) {
    if let Some(queued) = queued {
        let name = &pool.name;
        record!(Info, POOL, "pool {name}: closed, {queued} queued");
    }
}

/// As [`closed`], with a limit for the time that it takes.
pub(super) fn closed_in_time(pool: &Arc<PoolCore>, queued: Option<usize>) {
    if logs_infos() && queued.is_some() {
        let core = pool.clone();
        run_until(pool, Deadline::after(LOG_TIMEOUT), move || {
            closed(&core, queued);
        });
    }
}

/// The record of a stop whose report a caller receives.
pub(super) fn stopped(pool: &PoolCore, report: &StopReport) {
    let name = &pool.name;
    pool.log_unlogged_panics();
    match report.is_clean() {
        true => record!(Info, POOL, "pool {name}: {report}"),
        false => record!(Warn, POOL, "pool {name}: {report}"),
    }
}

/// The record of a dropped pool, whose report no caller receives.
pub(super) fn dropped(pool: &PoolCore, report: &StopReport) {
    if report.is_clean() {
        return stopped(pool, report);
    }
    pool.log_unlogged_panics();
    let name = &pool.name;
    let text = format!("pool {name} was dropped: {report}");
    async_log::log_or_stderr(record::POOL, log::Level::Error, &text);
}
