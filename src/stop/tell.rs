//! The log records of a stop. The logger is the program's code and may be stuck, so it is
//! never waited for without limit.

use super::display;
use super::report::StopReport;
use super::stopper::Stopper;
use crate::async_log::TIME_TO_TELL;
use crate::clock::Deadline;
use crate::sync::Arc;
use crate::threads;
use crate::unwind;

/// Whether it is worth while to start a thread for a record of that level.
pub(super) fn logs_infos() -> bool {
    log::max_level() >= log::LevelFilter::Info
}

impl Stopper {
    /// Calls the program's code, but does not wait for it beyond `deadline`.
    pub(super) fn run_until(&self, deadline: Deadline, call: impl FnOnce() + Send + 'static) {
        threads::run_until(&format!("{}-end", self.queue.name), deadline, call);
    }

    pub(super) fn tell_closed(self: &Arc<Self>, closed: Option<usize>) {
        if logs_infos() && closed.is_some() {
            let stopper = self.clone();
            self.run_until(Deadline::after(TIME_TO_TELL), move || {
                stopper.log_closed(closed);
            });
        }
    }

    pub(super) fn log_closed(&self, closed: Option<usize>) {
        if let Some(queued) = closed {
            let name = &self.queue.name;
            unwind::log_guarded(|| log::info!("pool {name}: closed, {queued} queued"));
        }
    }

    pub(super) fn log_report(&self, report: &StopReport) {
        let name = &self.queue.name;
        self.queue.tell_unlogged_panics();
        unwind::log_guarded(|| log::info!("pool {name}: {report}"));
    }

    /// Logs the report of a dropped pool, which no caller receives.
    pub(super) fn tell_of_drop(&self, report: &StopReport) {
        if report.is_clean() {
            return self.log_report(report);
        }
        self.queue.tell_unlogged_panics();
        let name = &self.queue.name;
        let text = format!("pool {name} was dropped: {report}");
        display::say(log::Level::Error, &text);
    }
}
