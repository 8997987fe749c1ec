//! What runs when.

use groundcrew::Schedule;
use jiff::tz::TimeZone;

pub(crate) struct Job {
    pub(crate) name: &'static str,
    expression: &'static str,
    /// Without one it goes by the zone of the command line.
    zone: Option<&'static str>,
    /// It also runs when the program starts.
    pub(crate) at_start: bool,
}

pub(crate) const JOBS: [Job; 6] = [
    Job::new("back up", "30 1 * * *"),
    Job::new("clean up", "0 2 * * *"),
    Job {
        zone: Some("Europe/London"),
        ..Job::new("newsletter", "0 17 * * *")
    },
    Job {
        at_start: true,
        ..Job::new("warm the cache", "*/5 * * * *")
    },
    Job::new("weekly report", "0 9 * * MON"),
    Job::new("close the month", "45 23 L * *"),
];

impl Job {
    const fn new(name: &'static str, expression: &'static str) -> Job {
        Job {
            name,
            expression,
            zone: None,
            at_start: false,
        }
    }

    pub(crate) fn schedule(&self, zone: &TimeZone) -> Schedule {
        let zone = self.zone.or(zone.iana_name()).unwrap_or("UTC");
        Schedule::cron(self.expression).in_tz(zone)
    }
}
