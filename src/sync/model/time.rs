//! The clock of one execution: it stands still until a timer moves it.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// When the first model was run, from which all moments count.
static BASE: OnceLock<Instant> = OnceLock::new();

thread_local! {
    /// How far the clock has gone; one thread of the system runs a whole
    /// execution.
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// `read` reads the real clock, once.
pub(crate) fn now(read: impl FnOnce() -> Instant) -> Instant {
    *BASE.get_or_init(read) + PASSED.get()
}

/// Time passes, at least until `moment`.
pub(crate) fn pass_until(moment: Instant) {
    let passed = moment.saturating_duration_since(now(|| moment)) + PASSED.get();
    PASSED.set(passed);
}

pub(super) fn has_come(moment: Instant) -> bool {
    now(|| moment) >= moment
}

/// Time passes: what a task of this length does.
pub(crate) fn pass(duration: Duration) {
    PASSED.set(PASSED.get() + duration);
}

/// At the beginning of each execution.
pub(crate) fn reset() {
    PASSED.set(Duration::ZERO);
}
