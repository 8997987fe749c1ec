//! Moments of a store's wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When a job is due, by the wall clock of its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Due {
    /// At once.
    #[default]
    Now,
    /// After this, from the moment at which the store takes the job. The store keeps the moment,
    /// not the delay: setting its clock moves what waits.
    After(Duration),
    /// At this moment; at once if it has passed.
    At(SystemTime),
}

impl Due {
    /// The moment, if the store's clock shows `now`. Stores keep whole milliseconds since 1970.
    /// They read their clock [rounded down](Due::reading), and the moment is rounded up, so that
    /// nothing is due early. A moment after the year 9999 is
    /// the end of that year.
    pub fn resolve(self, now: SystemTime) -> SystemTime {
        let moment = match self {
            Due::Now => Some(now),
            Due::After(delay) => now.checked_add(delay),
            Due::At(moment) => Some(moment),
        };
        let last = UNIX_EPOCH + LAST;
        let moment = moment.unwrap_or(last).min(last);
        let nanos = since_1970(moment).as_nanos();
        at_millis(nanos.div_ceil(NANOS_IN_MILLI))
    }

    /// What a store reads from a clock that shows `now`: whole milliseconds, rounded down.
    pub fn reading(now: SystemTime) -> SystemTime {
        at_millis(since_1970(now).as_nanos() / NANOS_IN_MILLI)
    }
}

const NANOS_IN_MILLI: u128 = 1_000_000;

/// Before 1970 it is 1970.
fn since_1970(moment: SystemTime) -> Duration {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn at_millis(millis: u128) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// The last moment of the year 9999.
const LAST: Duration = Duration::from_millis(253_402_300_799_999);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rounded_up_to_the_millisecond_and_is_never_early() {
        let now = UNIX_EPOCH + Duration::from_nanos(5_000_001);
        let six = UNIX_EPOCH + Duration::from_millis(6);
        assert_eq!(Due::Now.resolve(now), six);
        assert_eq!(Due::At(six).resolve(now), six);
        assert_eq!(Due::reading(now), UNIX_EPOCH + Duration::from_millis(5));
        let eight = UNIX_EPOCH + Duration::from_millis(8);
        assert_eq!(Due::After(Duration::from_millis(2)).resolve(now), eight);
    }

    #[test]
    fn a_moment_that_no_calendar_shows_is_the_end_of_the_year_9999() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(Due::After(Duration::MAX).resolve(now), UNIX_EPOCH + LAST);
        assert_eq!(Due::At(now + 2 * LAST).resolve(now), UNIX_EPOCH + LAST);
    }

    #[test]
    fn a_moment_before_1970_is_the_beginning_of_1970() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Due::At(before).resolve(UNIX_EPOCH), UNIX_EPOCH);
    }
}
