//! When a recurring job is due.

use crate::schedule::{MisfirePolicy, Schedule, ScheduleError};
use std::fmt;
use std::time::{Duration, SystemTime};

/// When a recurring job is due, and what becomes of the instants that were missed. A [`Schedule`] is
/// one with the default policy.
///
/// # Examples
///
/// ```
/// use groundcrew::Schedule;
/// use groundcrew::jobs::Recurrence;
/// use groundcrew::schedule::MisfirePolicy;
/// use std::time::Duration;
///
/// let hourly = Schedule::every(Duration::from_secs(3600));
/// let recurrence = Recurrence::new(hourly).misfire(MisfirePolicy::Skip);
/// assert_eq!(recurrence.to_string(), "every 1h, skip what is late by more than 60s");
/// ```
#[derive(Clone, Debug)]
pub struct Recurrence {
    schedule: Schedule,
    missed: MisfirePolicy,
    threshold: Duration,
}

impl Recurrence {
    /// A recurrence with the policy [`MisfirePolicy::Once`].
    pub fn new(schedule: Schedule) -> Recurrence {
        Recurrence {
            schedule,
            missed: MisfirePolicy::default(),
            threshold: Duration::from_secs(60),
        }
    }

    /// Sets the policy for instants that came while no process was there to enqueue the job. Those
    /// that are made up for are enqueued with their true [due time](crate::jobs::JobContext::due).
    #[must_use]
    pub fn misfire(mut self, policy: MisfirePolicy) -> Recurrence {
        self.missed = policy;
        self
    }

    /// Sets how late an instant has to be to count as missed for [`MisfirePolicy::Skip`]. The other
    /// policies do not use it. Defaults to 60 s.
    #[must_use]
    pub fn missed_after(mut self, threshold: Duration) -> Recurrence {
        self.threshold = threshold;
        self
    }

    /// The schedule as text.
    pub(super) fn schedule_text(&self) -> String {
        self.schedule.to_string()
    }

    /// The policy as text.
    pub(super) fn missed_text(&self) -> String {
        match self.missed {
            MisfirePolicy::Once => "once".to_owned(),
            MisfirePolicy::All(most) => format!("all, {most} at most"),
            MisfirePolicy::Skip => format!("skip what is late by more than {:?}", self.threshold),
        }
    }

    pub(super) fn check(&self, key: &str) -> Result<(), ScheduleError> {
        match self.missed {
            MisfirePolicy::All(0) => Err(ScheduleError::NoRuns {
                entry: key.to_owned(),
            }),
            _ => self.schedule.check_kept(),
        }
    }

    /// The first instant of a recurring job that is new.
    pub(super) fn first(&self, now: SystemTime) -> Option<SystemTime> {
        self.schedule.first_instant(now)
    }

    /// The first instant after `time`, for one that counts from then on.
    pub(super) fn first_after(&self, time: SystemTime) -> Option<SystemTime> {
        self.schedule.first_after(time)
    }

    /// The instants from `next` up to now.
    pub(super) fn instants(&self, next: SystemTime, now: SystemTime) -> crate::schedule::Instants {
        self.schedule
            .instants(next, now, self.missed, self.threshold)
    }

    /// Whether the policy makes up for a single instant.
    pub(super) fn makes_up_for(&self, instant: SystemTime, now: SystemTime) -> bool {
        let late = now.duration_since(instant).unwrap_or_default();
        self.missed != MisfirePolicy::Skip || late <= self.threshold
    }
}

impl From<Schedule> for Recurrence {
    fn from(schedule: Schedule) -> Recurrence {
        Recurrence::new(schedule)
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.schedule_text(), self.missed_text())
    }
}
