//! What is due of a schedule whose next instant is kept outside of the process, so that it outlives
//! it. Pure. All instants are on the wall clock; a fixed period counts from the kept one.

use super::error::ScheduleError;
use super::policy::MisfirePolicy;
use super::rule::{Kind, Schedule};
use super::timetable::passed::{Passed, on_wall_clock};
use std::time::{Duration, SystemTime};

/// The instants of a schedule that have come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Instants {
    /// Those that are to be run by the policy, the earliest first.
    pub(crate) runs: Vec<SystemTime>,
    /// How many have come.
    pub(crate) count: u64,
    /// The last of them.
    pub(crate) latest: SystemTime,
    /// The first that has not come.
    pub(crate) next: Option<SystemTime>,
}

impl Schedule {
    /// As [`check`](Schedule::check), of a schedule that outlives the process.
    pub(crate) fn check_kept(&self) -> Result<(), ScheduleError> {
        self.check()?;
        match self.kind() {
            Kind::After(_) => Err(ScheduleError::NotKept {
                schedule: self.to_string(),
                instead: "`Schedule::at`, or a delay of the job",
            }),
            Kind::Every {
                fixed_delay: true, ..
            } => Err(ScheduleError::NotKept {
                schedule: self.to_string(),
                instead: "a period without `fixed_delay`",
            }),
            _ => Ok(()),
        }
    }

    /// The first instant of a schedule that begins now. One of [`at`](Schedule::at) may have passed.
    pub(crate) fn first_instant(&self, now: SystemTime) -> Option<SystemTime> {
        match self.kind() {
            Kind::At(at) => Some(*at),
            _ => self.first_after(now),
        }
    }

    /// The first instant after `time` of a schedule that counts from then on.
    pub(crate) fn first_after(&self, time: SystemTime) -> Option<SystemTime> {
        match self.kind() {
            Kind::Every { period, .. } => time.checked_add(*period),
            _ => self.next_after(time),
        }
    }

    /// The instants from the kept one, `first`, up to now.
    pub(crate) fn instants(
        &self,
        first: SystemTime,
        now: SystemTime,
        missed: MisfirePolicy,
        threshold: Duration,
    ) -> Instants {
        let passed = Passed::since_kept(self, first, now, missed.most());
        let many = missed.made_up(passed.moments.len(), passed.lateness, threshold);
        let from = passed.moments.len() - many;
        let runs = passed.moments.into_iter().skip(from);
        Instants {
            runs: runs.filter_map(on_wall_clock).collect(),
            count: passed.count,
            latest: passed.latest.unwrap_or(first),
            next: passed.next.and_then(on_wall_clock),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn look(schedule: &Schedule, missed: MisfirePolicy, minutes: u32) -> Instants {
        schedule.instants(start(), start() + minutes * MINUTE, missed, MINUTE)
    }

    #[test]
    fn a_period_counts_from_the_instant_that_was_kept() {
        let schedule = Schedule::every(10 * MINUTE);
        let first = schedule.first_instant(start());
        assert_eq!(first, Some(start() + 10 * MINUTE));
        let instants = look(&schedule, MisfirePolicy::All(2), 47);
        assert_eq!(
            instants.runs,
            [start() + 30 * MINUTE, start() + 40 * MINUTE]
        );
        assert_eq!(
            (instants.count, instants.latest),
            (5, start() + 40 * MINUTE)
        );
        assert_eq!(instants.next, Some(start() + 50 * MINUTE));
    }

    #[test]
    fn of_instants_that_have_passed_the_policy_says_which_are_made_up_for() {
        let schedule = Schedule::every(10 * MINUTE);
        let many = |missed, minutes| look(&schedule, missed, minutes).runs.len();
        assert_eq!(many(MisfirePolicy::Once, 47), 1);
        assert_eq!(many(MisfirePolicy::All(9), 47), 5);
        assert_eq!(many(MisfirePolicy::Skip, 47), 0);
        assert_eq!(many(MisfirePolicy::Skip, 41), 1);
    }

    #[test]
    fn a_schedule_that_is_due_once_has_no_instant_after_that() {
        let schedule = Schedule::at(start());
        assert_eq!(schedule.first_instant(start() + MINUTE), Some(start()));
        assert_eq!(schedule.first_after(start()), None);
        let instants = look(&schedule, MisfirePolicy::Once, 5);
        assert_eq!((instants.runs, instants.next), (vec![start()], None));
    }

    #[test]
    fn what_counts_from_the_start_of_a_process_or_the_end_of_a_run_cannot_be_kept() {
        assert_eq!(Schedule::at(start()).check_kept(), Ok(()));
        let error = Schedule::after(MINUTE).check_kept().unwrap_err();
        let text = "a schedule that outlives the process cannot be `after 1m`; write \
                    `Schedule::at`, or a delay of the job";
        assert_eq!(error.to_string(), text);
        let delay = Schedule::every(MINUTE).fixed_delay();
        assert!(delay.check_kept().is_err());
        assert!(Schedule::every(Duration::ZERO).check_kept().is_err());
    }
}
