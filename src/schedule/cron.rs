//! The rules of cron: `croner` reads the text and knows the calendar, `jiff` knows the
//! zones, and what happens when the clocks change is decided in `next`.
//!
//! (croner 4 has a rule of its own for that: it takes lists such as `0,30 2` for intervals,
//! so that they are skipped in a gap and run twice in an overlap; it gives up in gaps of
//! more than two hours, and drops a time whose gap ends on another day.)

mod next;
mod text;
mod zone;

use super::error::ScheduleError;
use crate::clock::Clock;
use crate::sync::Arc;
use crate::table::cut;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use text::Pattern;

/// A cron expression and its zone.
#[derive(Clone)]
pub(crate) struct Cron {
    expression: String,
    pattern: Result<Arc<Pattern>, ScheduleError>,
    zone: Result<TimeZone, ScheduleError>,
}

impl Cron {
    pub(super) fn new(expression: &str) -> Cron {
        Cron {
            expression: match expression.len() > text::LONGEST {
                true => cut(expression, zone::SHOWN),
                false => expression.to_owned(),
            },
            pattern: text::parse(expression).map(Arc::new),
            zone: zone::system_zone(),
        }
    }

    pub(super) fn set_zone(&mut self, name: &str) {
        self.zone = zone::zone(name);
    }

    pub(super) fn check(&self) -> Result<(), ScheduleError> {
        self.pattern.as_ref().map_err(Clone::clone)?;
        let zone = self.zone.as_ref().map_err(Clone::clone)?;
        // It matches dates, but all its times may be in gaps.
        match self.next_after(Clock::default().read().wall) {
            Some(_) => Ok(()),
            None => Err(ScheduleError::NeverDue {
                expression: self.expression.clone(),
                zone: zone.iana_name().unwrap_or("this zone").to_owned(),
            }),
        }
    }

    /// Whether the second, the minute or the hour has a `*`, a range or a step.
    pub(crate) fn is_interval(&self) -> bool {
        self.pattern
            .as_ref()
            .is_ok_and(|pattern| pattern.is_interval)
    }

    pub(super) fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        let (Ok(pattern), Ok(zone)) = (&self.pattern, &self.zone) else {
            return None;
        };
        let next = pattern.next(zone, timestamp(time)?)?;
        Some(next.into())
    }
}

/// A time before the first year counts as its beginning; `None`: beyond the last year.
fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let first = DateTime::constant(1, 1, 2, 0, 0, 0, 0);
    let first = Offset::UTC.to_timestamp(first).ok()?;
    match Timestamp::try_from(time) {
        Ok(time) => Some(time.max(first)),
        Err(_) if time < UNIX_EPOCH => Some(first),
        Err(_) => None,
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cron {:?} in ", self.expression)?;
        match &self.zone {
            Ok(zone) => f.write_str(zone.iana_name().unwrap_or("the system's time zone")),
            Err(ScheduleError::UnknownZone { zone } | ScheduleError::NoZoneDatabase { zone }) => {
                write!(f, "{zone:?}")
            }
            Err(_) => f.write_str("an unknown time zone"),
        }
    }
}
