//! Time zones by their names, and that of the system.

use crate::schedule::error::ScheduleError;
use crate::table::cut;
use jiff::tz::{TimeZone, db};
use std::env;

/// How much is shown of a name that is too long.
pub(super) const SHOWN: usize = 40;

pub(super) fn system_zone() -> Result<TimeZone, ScheduleError> {
    let error = match TimeZone::try_system() {
        Ok(zone) if !zone.is_unknown() => return Ok(zone),
        Ok(_) => "the system says that it is unknown".to_owned(),
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

pub(super) fn zone(name: &str) -> Result<TimeZone, ScheduleError> {
    // jiff would look it up in the database, which there may not be.
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
