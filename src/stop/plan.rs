//! When each phase of a stop is due.

use crate::clock::{Deadline, default_grace};
use std::time::{Duration, Instant};

/// How a pool is stopped: how long the stop may take, and what happens to the backlog. A
/// [`Duration`] or an [`Instant`] converts into a plan that drains.
///
/// | plan | the backlog | the tokens of running tasks are cancelled |
/// | --- | --- | --- |
/// | [`drain`](Self::drain) | runs until the grace period begins | when the grace period begins |
/// | [`finish_running`](Self::finish_running) | is handed back at once | when the grace period begins |
/// | [`cancel`](Self::cancel) | is handed back at once | at once |
///
/// The stop ends as soon as everything has ended, and at the deadline at the latest. Then the grace
/// period ends and the report is made.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, StopPlan};
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// pool.execute(|| ())?;
/// let plan = StopPlan::drain(Duration::from_secs(5)).grace(Duration::from_secs(1));
/// assert!(pool.stop(plan).is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopPlan {
    limit: Limit,
    manner: Manner,
    grace: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    In(Duration),
    At(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Drain,
    Finish,
    Cancel,
}

impl StopPlan {
    fn new(limit: Limit, manner: Manner) -> StopPlan {
        StopPlan {
            limit,
            manner,
            grace: None,
        }
    }

    /// Runs the backlog. When the grace period begins, the rest of the backlog is handed back, and
    /// the tokens of running tasks are cancelled. The report is made when everything has ended,
    /// after `limit` at the latest.
    ///
    /// A zero limit hands back and reports at once. [`Duration::MAX`] waits without limit and never
    /// cancels.
    pub fn drain(limit: Duration) -> StopPlan {
        StopPlan::new(Limit::In(limit), Manner::Drain)
    }

    /// Hands the backlog back at once, and lets running tasks finish. When the grace period begins,
    /// their tokens are cancelled. The report is made when everything has ended, after `limit` at
    /// the latest.
    ///
    /// [`Duration::MAX`] waits without limit and never cancels.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, StopPlan, TaskError};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// # let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// # pool.execute(move || gate.recv().unwrap_or_default())?;
    /// # while pool.running().is_empty() {}
    /// let waiting = pool.submit(|| ())?; // behind a task that runs
    /// pool.stop_handle().request_stop(StopPlan::finish_running(Duration::MAX));
    /// assert!(matches!(waiting.join(), Err(TaskError::Unstarted)));
    /// drop(open); // lets it finish
    /// assert_eq!(pool.stop(Duration::MAX).completed(), 1);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn finish_running(limit: Duration) -> StopPlan {
        StopPlan::new(Limit::In(limit), Manner::Finish)
    }

    /// Hands the backlog back and cancels the tokens of running tasks, both at once. The report is
    /// made when everything has ended, after `limit` at the latest.
    ///
    /// [`Duration::MAX`] waits without limit for tasks that do not react to their token.
    pub fn cancel(limit: Duration) -> StopPlan {
        StopPlan::new(Limit::In(limit), Manner::Cancel)
    }

    /// Sets the grace period: how long before the deadline the tasks' tokens are cancelled. A grace
    /// period longer than the whole stop is shortened to it. Has no effect on
    /// [`cancel`](Self::cancel).
    ///
    /// Defaults to a quarter of the limit, capped at 3 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use groundcrew::{Pool, StopPlan};
    /// # use std::time::Duration;
    /// # let pool = Pool::new(1)?;
    /// pool.execute_with(|ctx| ctx.token().wait())?;
    /// while pool.running().is_empty() {}
    /// let plan = StopPlan::drain(Duration::from_secs(5)).grace(Duration::from_secs(5));
    /// assert!(pool.stop(plan).is_clean()); // cancelled at once, not after 3.75 s
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> StopPlan {
        self.grace = Some(grace);
        self
    }

    /// Whether it would wait without limit.
    pub(crate) fn is_endless(self, now: Instant) -> bool {
        self.deadline(now) == Deadline::NEVER
    }

    /// When the report is due, for a stop that begins `now`.
    pub(super) fn deadline(self, now: Instant) -> Deadline {
        self.moments(now).deadline
    }

    /// When what is due, for a stop that begins `now`.
    pub(crate) fn moments(self, now: Instant) -> Moments {
        let (deadline, limit) = match self.limit {
            Limit::In(limit) => (Deadline::after_from(now, limit), limit),
            Limit::At(moment) => (
                Deadline::at(moment.max(now)),
                moment.saturating_duration_since(now),
            ),
        };
        let grace = self.grace.unwrap_or(default_grace(limit));
        let cancel = deadline.minus(grace, now);
        let at_once = Deadline::at(now);
        match self.manner {
            Manner::Drain => Moments {
                backlog_out: cancel,
                cancel,
                deadline,
            },
            Manner::Finish => Moments {
                backlog_out: at_once,
                cancel,
                deadline,
            },
            Manner::Cancel => Moments {
                backlog_out: at_once,
                cancel: at_once,
                deadline,
            },
        }
    }
}

impl From<Duration> for StopPlan {
    /// Drains within this time: the same as [`StopPlan::drain`].
    fn from(limit: Duration) -> StopPlan {
        StopPlan::drain(limit)
    }
}

impl From<Instant> for StopPlan {
    /// Drains until this moment; a moment in the past is now.
    fn from(deadline: Instant) -> StopPlan {
        StopPlan::new(Limit::At(deadline), Manner::Drain)
    }
}

/// When what is due in a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moments {
    pub(crate) backlog_out: Deadline,
    pub(crate) cancel: Deadline,
    pub(crate) deadline: Deadline,
}

impl Moments {
    /// Nothing is ever due.
    pub(super) const NEVER: Moments = Moments {
        backlog_out: Deadline::NEVER,
        cancel: Deadline::NEVER,
        deadline: Deadline::NEVER,
    };

    /// The earlier of each: a stop is only ever tightened.
    pub(super) fn merge(self, other: Moments) -> Moments {
        Moments {
            backlog_out: self.backlog_out.earlier(other.backlog_out),
            cancel: self.cancel.earlier(other.cancel),
            deadline: self.deadline.earlier(other.deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_grace_is_a_quarter_and_three_seconds_at_most() {
        let now = clock::now();
        let cancel = |plan: StopPlan| plan.moments(now).cancel;
        assert_eq!(
            cancel(StopPlan::drain(SECOND * 4)),
            Deadline::at(now + SECOND * 3)
        );
        assert_eq!(
            cancel(StopPlan::drain(SECOND * 60)),
            Deadline::at(now + SECOND * 57)
        );
        assert_eq!(
            cancel(StopPlan::drain(SECOND).grace(SECOND * 9)),
            Deadline::at(now)
        );
        assert_eq!(cancel(StopPlan::drain(Duration::MAX)), Deadline::NEVER);
        assert_eq!(cancel(StopPlan::drain(Duration::ZERO)), Deadline::at(now));
        assert_eq!(cancel(StopPlan::cancel(Duration::MAX)), Deadline::at(now));
    }

    #[test]
    fn a_moment_in_the_past_is_now_and_no_duration_overflows() {
        let now = clock::now();
        let past = now.checked_sub(SECOND).unwrap();
        assert_eq!(
            StopPlan::from(past).moments(now).deadline,
            Deadline::at(now)
        );
        for manner in [StopPlan::drain, StopPlan::finish_running, StopPlan::cancel] {
            let plan = manner(Duration::MAX).grace(Duration::MAX);
            assert_eq!(plan.moments(now).deadline, Deadline::NEVER);
        }
    }

    #[test]
    fn merging_takes_the_earlier_of_each_moment() {
        let now = clock::now();
        let drain = StopPlan::drain(SECOND).moments(now);
        let cancel = StopPlan::cancel(SECOND * 60).moments(now);
        assert_eq!(
            drain.merge(cancel),
            Moments {
                backlog_out: Deadline::at(now),
                cancel: Deadline::at(now),
                deadline: Deadline::at(now + SECOND),
            }
        );
        assert_eq!(Moments::NEVER.merge(drain), drain);
    }
}
