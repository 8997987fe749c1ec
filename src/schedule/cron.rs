//! The rules of cron: `croner` reads the text and knows the calendar, `jiff` knows the
//! zones, and what happens when the clocks change is decided here.
//!
//! (croner 4 has a rule of its own for that. It takes lists such as `0,30 2` for intervals,
//! so that they are skipped in a gap and run twice in an overlap; it gives up in gaps of
//! more than two hours, and drops a time whose gap ends on another day.)

mod text;

use super::error::ScheduleError;
use crate::clock::Clock;
use crate::sync::Arc;
use crate::table::cut;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, db};
use jiff::{Timestamp, ToSpan};
use std::env;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use text::Pattern;

/// How many changes of the clock in a row an expression may fall into. An interval that
/// does so each time, as `*/5 2` on the days on which 2:00 is left out, is never due.
const GAPS: usize = 100;

/// What is left of a text that is too long.
const SHOWN: usize = 40;

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
                true => cut(expression, SHOWN),
                false => expression.to_owned(),
            },
            pattern: text::parse(expression).map(Arc::new),
            zone: system_zone(),
        }
    }

    pub(super) fn set_zone(&mut self, name: &str) {
        self.zone = zone(name);
    }

    pub(super) fn check(&self) -> Result<(), ScheduleError> {
        self.pattern.as_ref().map_err(Clone::clone)?;
        let zone = self.zone.as_ref().map_err(Clone::clone)?;
        // It matches dates, but they may all be in what the clocks leave out.
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

fn system_zone() -> Result<TimeZone, ScheduleError> {
    let error = match TimeZone::try_system() {
        Ok(zone) if !zone.is_unknown() => return Ok(zone),
        Ok(_) => "it is said to be unknown".to_owned(),
        Err(error) => error.to_string(),
    };
    match env::var("TZ") {
        Ok(name) => zone(&name).map_err(|error| match error {
            ScheduleError::UnknownZone { zone } => ScheduleError::NoSystemZone {
                reason: format!("TZ is {zone:?}"),
            },
            other => other,
        }),
        Err(_) => Err(ScheduleError::NoSystemZone {
            reason: error.escape_debug().to_string(),
        }),
    }
}

fn zone(name: &str) -> Result<TimeZone, ScheduleError> {
    // jiff looks even this one up.
    if name.eq_ignore_ascii_case("UTC") {
        return Ok(TimeZone::UTC);
    }
    match TimeZone::get(name) {
        // jiff has a zone for "not known", `Etc/Unknown`, which behaves like UTC.
        Ok(zone) if !zone.is_unknown() => Ok(zone),
        found => {
            let zone = cut(name, SHOWN);
            match found.is_err() && db().is_definitively_empty() {
                true => Err(ScheduleError::NoZoneDatabase { zone }),
                false => Err(ScheduleError::UnknownZone { zone }),
            }
        }
    }
}

/// What is before the first year counts as its beginning, `None` is beyond the last one.
fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let first = DateTime::constant(1, 1, 2, 0, 0, 0, 0);
    let first = Offset::UTC.to_timestamp(first).ok()?;
    match Timestamp::try_from(time) {
        Ok(time) => Some(time.max(first)),
        Err(_) if time < UNIX_EPOCH => Some(first),
        Err(_) => None,
    }
}

impl Pattern {
    /// The first moment strictly later than `after`.
    fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut found = self.first_to_try(zone, after)?;
        for _ in 0..GAPS {
            let moment = match zone.to_ambiguous_timestamp(found).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(found).ok()?,
                AmbiguousOffset::Gap { after: new, .. } => {
                    // With the offset of after the gap this is before it.
                    let end = change(zone, new.to_timestamp(found).ok()?, new)?;
                    if self.is_interval {
                        found = self.search(new.to_datetime(end))?;
                        continue;
                    }
                    end
                }
                AmbiguousOffset::Fold { before, after: new } => {
                    let first = before.to_timestamp(found).ok()?;
                    match (first > after, self.is_interval) {
                        (true, _) => first,
                        (false, true) => new.to_timestamp(found).ok()?,
                        // The rest of what comes twice had its turn, too.
                        (false, false) => {
                            let end = change(zone, first, new)?;
                            found = self.search(before.to_datetime(end))?;
                            continue;
                        }
                    }
                }
            };
            if moment > after {
                return Some(moment);
            }
            found = self.search(second_after(found)?)?;
        }
        None
    }

    /// The first time on the zone's clocks that can be the next one.
    fn first_to_try(&self, zone: &TimeZone, after: Timestamp) -> Option<DateTime> {
        let local = zone.to_datetime(after);
        let found = self.search(second_after(local)?)?;
        let AmbiguousOffset::Fold { before, after: new } =
            zone.to_ambiguous_timestamp(local).offset()
        else {
            return Some(found);
        };
        if !self.is_interval || zone.to_offset(after) != before {
            return Some(found);
        }
        // In the first pass of what comes twice an interval goes on to its end, and begins
        // again where the second pass does.
        let back = change(zone, after, new)?;
        match found < before.to_datetime(back) {
            true => Some(found),
            false => self.search(new.to_datetime(back)),
        }
    }
}

/// The first moment later than `from` from which on `offset` is in use.
fn change(zone: &TimeZone, from: Timestamp, offset: Offset) -> Option<Timestamp> {
    zone.following(from)
        .find(|change| change.offset() == offset)
        .map(|change| change.timestamp())
}

/// The whole second that follows.
fn second_after(time: DateTime) -> Option<DateTime> {
    let whole = time.with().subsec_nanosecond(0).build().ok()?;
    whole.checked_add(1.second()).ok()
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
