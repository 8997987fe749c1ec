//! The rule for when a task is due.

#[cfg(feature = "cron")]
use super::cron::Cron;
use super::error::ScheduleError;
use super::shown::{span, utc};
#[cfg(feature = "cron")]
use crate::sync::Arc;
use std::fmt;
use std::iter;
use std::time::{Duration, SystemTime};

/// The rule for when a task is due.
///
/// | rule | due | clock |
/// | --- | --- | --- |
/// | [`every`](Self::every) | repeatedly, at a fixed period | monotonic |
/// | [`after`](Self::after) | once, after a delay | monotonic |
/// | [`at`](Self::at) | once, at a time | wall |
/// | `cron` | at times of the day, on days of the calendar, in a time zone | wall |
///
/// Changes of the wall clock do not affect monotonic schedules. Wall-clock schedules follow them.
///
/// A schedule is a plain value, without a thread or a timer. Creating one never fails.
/// [`check`](Self::check) returns the error if it is not valid.
///
/// # Examples
///
/// ```
/// use groundcrew::Schedule;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let schedule = Schedule::every(Duration::from_secs(90));
/// assert_eq!(schedule.check(), Ok(()));
/// assert_eq!(schedule.to_string(), "every 1m30s");
///
/// let schedule = Schedule::at(UNIX_EPOCH + Duration::from_secs(4_000_000_000));
/// assert_eq!(schedule.to_string(), "at 2096-10-02T07:06:40Z");
/// ```
#[derive(Clone)]
pub struct Schedule {
    kind: Kind,
    /// The first option that was given though the kind does not have it.
    misuse: Option<ScheduleError>,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Every {
        period: Duration,
        /// The period counts from the end of a run.
        fixed_delay: bool,
    },
    After(Duration),
    At(SystemTime),
    #[cfg(feature = "cron")]
    Cron(Arc<Cron>),
}

impl Schedule {
    /// Creates a schedule that is due every `period` on the monotonic clock, counted from start to
    /// start: a long run does not delay later ones. `Duration::MAX` means never. For zero,
    /// [`check`](Self::check) returns an error.
    pub fn every(period: Duration) -> Schedule {
        Schedule::new(Kind::Every {
            period,
            fixed_delay: false,
        })
    }

    /// Counts the period of [`every`](Self::every) from the end of one run to the start of the
    /// next. On a schedule of another kind, [`check`](Self::check) returns an error.
    pub fn fixed_delay(mut self) -> Schedule {
        match &mut self.kind {
            Kind::Every { fixed_delay, .. } => *fixed_delay = true,
            _ => self.refuse("fixed_delay", "every"),
        }
        self
    }

    /// Creates a schedule that is due once, `delay` after it was scheduled, on the monotonic clock.
    /// `Duration::MAX` means never.
    pub fn after(delay: Duration) -> Schedule {
        Schedule::new(Kind::After(delay))
    }

    /// Creates a schedule that is due once, at `time`, on the wall clock. A time that has passed is
    /// due at once. If it passed longer ago than the
    /// [threshold](crate::schedule::EntryBuilder::missed_after), it was missed, and the entry's
    /// [policy](crate::schedule::MisfirePolicy) decides whether it is made up for.
    pub fn at(time: impl Into<SystemTime>) -> Schedule {
        Schedule::new(Kind::At(time.into()))
    }

    /// Creates a schedule that is due when the wall clock of a time zone shows a time that a cron
    /// expression matches. The zone is the current one of the system (the environment variable `TZ`
    /// takes precedence), unless [`in_tz`](Self::in_tz) sets another. Reads the system's time zone
    /// files.
    ///
    /// # The expression
    ///
    /// An expression has five fields: minute, hour, day of month, month, weekday. With six fields,
    /// the first one is the second. There is no field for the year.
    ///
    /// | field | numbers | names | more |
    /// | --- | --- | --- | --- |
    /// | second, minute | 0 to 59 | | |
    /// | hour | 0 to 23 | | |
    /// | day of month | 1 to 31 | | `L` the last day, `15W` the working day nearest to the 15th in its month, `LW` the last working day |
    /// | month | 1 to 12 | `JAN` to `DEC` | |
    /// | weekday | 0 to 7, 0 and 7 are Sunday | `SUN` to `SAT` | `FRI#2` the second Friday of the month, `FRIL` the last one |
    ///
    /// In each field, `*` matches all values, `1,5` is a list, `1-5` is an ascending range, and
    /// `*/5` and `1-30/5` are steps. In the fields for days, `?` is the same as `*`.
    ///
    /// The two fields for days are combined as in Vixie's cron: if one of them begins with a `*`
    /// (or `?`), as in `*` and `*/2`, a day must match both fields. If neither does, a day must
    /// match one of them. With a `+` before the weekday, a day must always match both.
    ///
    /// | expression | days |
    /// | --- | --- |
    /// | `0 0 13 * FRI` | each 13th, and each Friday |
    /// | `0 0 13 * +FRI` | each Friday the 13th |
    /// | `0 0 * * FRI` | each Friday |
    /// | `0 0 */2 * FRI` | each Friday with an odd date |
    /// | `0 0 1-31/2 * FRI` | each odd date, and each Friday |
    ///
    /// Case is ignored.
    ///
    /// The names `@hourly`, `@daily` (`@midnight`), `@weekly` (Sunday), `@monthly` and `@yearly`
    /// (`@annually`) are accepted as well.
    ///
    /// # When the clocks change
    ///
    /// An expression is an *interval* if the second, the minute or the hour has a `*`, a range or a
    /// step. Otherwise, its times are *fixed*.
    ///
    /// | | fixed times | interval |
    /// | --- | --- | --- |
    /// | due in the gap when clocks go forward | once, at the end of the gap | not at all |
    /// | due in the overlap when clocks go back | once, in the first pass | in both passes |
    ///
    /// A daily run therefore happens once a day, and a run every few minutes keeps its period.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::Schedule;
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// let schedule = Schedule::cron("0 17 * * MON-FRI").in_tz("Europe/London");
    /// assert_eq!(schedule.check(), Ok(()));
    /// assert_eq!(schedule.to_string(), r#"cron "0 17 * * MON-FRI" in Europe/London"#);
    ///
    /// // Friday, 2026-03-27, 12:00 UTC. On Sunday summer begins.
    /// let friday = UNIX_EPOCH + Duration::from_secs(1_774_612_800);
    /// let hours: Vec<u64> = schedule
    ///     .upcoming(friday)
    ///     .take(2)
    ///     .map(|time| time.duration_since(friday).unwrap().as_secs() / 3600)
    ///     .collect();
    /// assert_eq!(hours, [5, 24 * 3 + 4]);
    ///
    /// let error = Schedule::cron("61 * * * *").in_tz("UTC").check().unwrap_err();
    /// assert!(error.to_string().contains(r#"the minute field "61" is wrong"#));
    /// ```
    #[cfg(feature = "cron")]
    pub fn cron(expression: &str) -> Schedule {
        Schedule::new(Kind::Cron(Arc::new(Cron::new(expression))))
    }

    /// Sets the time zone of a [`cron`](Self::cron) schedule: a name of the IANA database, such as
    /// `"Europe/London"`, or `"UTC"`. On a schedule of another kind, [`check`](Self::check) returns
    /// an error. Reads the system's time zone files.
    #[cfg(feature = "cron")]
    pub fn in_tz(mut self, zone: &str) -> Schedule {
        match &mut self.kind {
            Kind::Cron(cron) => Arc::make_mut(cron).set_zone(zone),
            _ => self.refuse("in_tz", "cron"),
        }
        self
    }

    /// Checks whether the schedule is valid. For a cron expression, this takes a few milliseconds
    /// at most, and reads the clock.
    ///
    /// # Errors
    ///
    /// Returns a [`ScheduleError`] if the period is zero, if an option does not apply to this kind
    /// of schedule, if a cron expression is wrong, matches no date or is never due, or if a time
    /// zone is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Schedule;
    /// # use std::time::Duration;
    /// assert!(Schedule::every(Duration::MAX).check().is_ok());
    /// assert!(Schedule::every(Duration::ZERO).check().is_err());
    /// assert!(Schedule::after(Duration::ZERO).fixed_delay().check().is_err());
    /// ```
    pub fn check(&self) -> Result<(), ScheduleError> {
        match &self.kind {
            Kind::Every { period, .. } if period.is_zero() => {
                return Err(ScheduleError::ZeroPeriod);
            }
            #[cfg(feature = "cron")]
            Kind::Cron(cron) => cron.check()?,
            _ => {}
        }
        self.misuse.clone().map_or(Ok(()), Err)
    }

    /// Returns the first moment strictly later than `time` at which an `at` or `cron` schedule is
    /// due. Returns `None` if there is none up to the year 9999, if the schedule is not valid, or
    /// if it is not on the wall clock. Does not read the clock.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::Schedule;
    /// # use std::time::{Duration, UNIX_EPOCH};
    /// let noon = UNIX_EPOCH + Duration::from_secs(12 * 3600);
    /// let schedule = Schedule::at(noon);
    /// assert_eq!(schedule.next_after(UNIX_EPOCH), Some(noon));
    /// assert_eq!(schedule.next_after(noon), None);
    /// ```
    pub fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        if self.misuse.is_some() {
            return None;
        }
        match &self.kind {
            Kind::At(at) => Some(*at).filter(|at| *at > time),
            #[cfg(feature = "cron")]
            Kind::Cron(cron) => cron.next_after(time),
            Kind::Every { .. } | Kind::After(_) => None,
        }
    }

    /// Returns an iterator over all moments later than `from` at which it is due, in order, as by
    /// [`next_after`](Self::next_after). For a cron expression, limit the iterator with `take`: it
    /// is practically endless. Does not read the clock.
    pub fn upcoming(&self, from: SystemTime) -> impl Iterator<Item = SystemTime> + use<> {
        let schedule = self.clone();
        iter::successors(self.next_after(from), move |last| {
            schedule.next_after(*last)
        })
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    fn new(kind: Kind) -> Schedule {
        Schedule { kind, misuse: None }
    }

    fn refuse(&mut self, method: &'static str, belongs_to: &'static str) {
        let schedule = self.to_string();
        self.misuse.get_or_insert(ScheduleError::NoSuchOption {
            method,
            belongs_to,
            schedule,
        });
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Every {
                period,
                fixed_delay,
            } => {
                let counted = if *fixed_delay {
                    " after the last run"
                } else {
                    ""
                };
                write!(f, "every {}{counted}", span(*period))
            }
            Kind::After(delay) => write!(f, "after {}", span(*delay)),
            Kind::At(time) => write!(f, "at {}", utc(*time)),
            #[cfg(feature = "cron")]
            Kind::Cron(cron) => cron.fmt(f),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schedule")
            .field(&format_args!("{self}"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_schedule_and_its_error_go_to_any_thread() {
        fn is_free<T: Send + Sync + 'static>() {}
        is_free::<Schedule>();
        is_free::<ScheduleError>();
    }

    #[test]
    fn the_first_error_is_the_one_that_is_returned() {
        let schedule = Schedule::after(Duration::from_secs(10)).fixed_delay();
        assert_eq!(
            schedule.check().unwrap_err().to_string(),
            "`fixed_delay` is for `Schedule::every`, and means nothing to `after 10s`; leave it out"
        );
        assert_eq!(schedule.next_after(UNIX_EPOCH), None);
        let schedule = Schedule::at(UNIX_EPOCH).fixed_delay();
        assert!(schedule.check().is_err());
        assert_eq!(
            schedule.next_after(UNIX_EPOCH - Duration::from_secs(1)),
            None
        );
    }

    #[test]
    fn what_is_on_the_monotonic_clock_has_no_time_of_day() {
        for schedule in [
            Schedule::every(Duration::from_secs(1)),
            Schedule::after(Duration::from_secs(1)),
        ] {
            assert_eq!(schedule.upcoming(UNIX_EPOCH).count(), 0);
        }
    }
}
