//! A change of a breaker's state, and its log record.

use crate::table::trimmed;
use std::fmt;
use std::time::Duration;

/// A breaker went from one state to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Opened { why: Why, pause: Duration },
    HalfOpened,
    Closed(Cure),
}

/// What opened it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Why {
    InARow(u32),
    Share { failures: u64, calls: u64 },
    Trial,
    Tripped,
}

/// What closed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cure {
    Trials(u32),
    Reset,
}

impl Change {
    pub(super) fn level(&self) -> log::Level {
        match self {
            Change::Opened { .. } => log::Level::Warn,
            Change::HalfOpened | Change::Closed(_) => log::Level::Info,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Opened { why, pause } => {
                match *pause {
                    Duration::MAX => f.write_str("open until it is reset")?,
                    pause => write!(f, "open for {}", trimmed(pause))?,
                }
                write!(f, ", {why}")
            }
            Change::HalfOpened => f.write_str("half-open, a call is tried"),
            Change::Closed(Cure::Trials(1)) => f.write_str("closed, the call succeeded"),
            Change::Closed(Cure::Trials(calls)) => write!(f, "closed, {calls} calls succeeded"),
            Change::Closed(Cure::Reset) => f.write_str("closed, it was reset"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::InARow(1) => f.write_str("after a failure"),
            Why::InARow(failures) => write!(f, "after {failures} failures in a row"),
            Why::Share { failures, calls } => write!(f, "as {failures} of {calls} calls failed"),
            Why::Trial => f.write_str("since it failed again"),
            Why::Tripped => f.write_str("since `trip` was called"),
        }
    }
}
