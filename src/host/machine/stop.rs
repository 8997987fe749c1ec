//! The stop of a host: its reason and its moments.

use crate::clock::Deadline;
use crate::host::reason::StopReason;
use std::time::{Duration, Instant};

/// What a stop may take, as set at the build.
#[derive(Clone, Copy, Debug)]
pub(in crate::host) struct StopLimits {
    /// The whole stop, the delay included.
    pub(in crate::host) total: Duration,
    /// Between readiness going off and the first service's stop.
    pub(in crate::host) delay: Duration,
}

impl StopLimits {
    /// What the services have, after the delay.
    fn for_services(&self) -> Duration {
        self.total.saturating_sub(self.delay)
    }
}

pub(in crate::host) struct Stop {
    pub(in crate::host) began: Instant,
    pub(in crate::host) reason: StopReason,
    /// No service's stop is requested before this moment.
    pub(in crate::host) delay_until: Deadline,
    pub(in crate::host) by: Deadline,
    pub(in crate::host) limit: Duration,
    /// The fraction of their planned time that services have: 1, unless a request shortens
    /// the stop.
    scale: f64,
}

impl Stop {
    /// A stop that begins now and may take `limit`, at most the total. Only a host that was
    /// ready waits for the delay, and only where the stop has its whole time.
    pub(super) fn new(
        reason: StopReason,
        limit: Option<Duration>,
        limits: &StopLimits,
        was_ready: bool,
        now: Instant,
    ) -> Stop {
        let limit = limit.unwrap_or(limits.total).min(limits.total);
        let delay = match was_ready && limit == limits.total {
            true => limits.delay,
            false => Duration::ZERO,
        };
        Stop {
            began: now,
            reason,
            delay_until: Deadline::after_from(now, delay),
            by: Deadline::after_from(now, limit),
            limit,
            scale: scale(limit, limits.for_services()),
        }
    }

    /// The stop may take `limit` from now on, if that is less than it has.
    pub(super) fn tighten(&mut self, limit: Option<Duration>, limits: &StopLimits, now: Instant) {
        let limit = limit.unwrap_or(limits.total).min(limits.total);
        let by = Deadline::after_from(now, limit);
        if by.earlier(self.by) == self.by {
            return;
        }
        // A shortened stop has no time for the rest of a delay.
        (self.by, self.delay_until) = (by, Deadline::at(now));
        let passed = now.saturating_duration_since(self.began);
        self.limit = passed.saturating_add(limit);
        self.scale = scale(limit, limits.for_services());
    }

    /// What is left of a planned time in this stop.
    pub(super) fn scaled(&self, planned: Duration) -> Duration {
        match self.scale < 1.0 {
            true => planned.mul_f64(self.scale),
            false => planned,
        }
    }
}

fn scale(limit: Duration, whole: Duration) -> f64 {
    match limit < whole {
        true => limit.as_secs_f64() / whole.as_secs_f64(),
        false => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn limits() -> StopLimits {
        StopLimits {
            total: seconds(10),
            delay: seconds(2),
        }
    }

    fn stop(limit: Option<Duration>, was_ready: bool, now: Instant) -> Stop {
        Stop::new(StopReason::Stopped, limit, &limits(), was_ready, now)
    }

    #[test]
    fn only_a_ready_host_whose_stop_has_its_whole_time_waits_for_the_delay() {
        let now = clock::now();
        let delay_until = |limit, was_ready| stop(limit, was_ready, now).delay_until;
        assert_eq!(delay_until(None, true), Deadline::at(now + seconds(2)));
        assert_eq!(delay_until(None, false), Deadline::at(now));
        assert_eq!(delay_until(Some(seconds(9)), true), Deadline::at(now));
        assert_eq!(stop(Some(seconds(99)), true, now).limit, seconds(10));
    }

    #[test]
    fn a_shorter_stop_scales_the_time_of_each_service_and_ends_the_delay() {
        let now = clock::now();
        let mut stop = stop(None, true, now);
        assert_eq!(stop.scaled(seconds(8)), seconds(8));
        stop.tighten(Some(seconds(4)), &limits(), now + seconds(1));
        assert_eq!(stop.scaled(seconds(8)), seconds(4));
        assert_eq!(stop.by, Deadline::at(now + seconds(5)));
        assert_eq!(
            (stop.limit, stop.delay_until),
            (seconds(5), Deadline::at(now + seconds(1)))
        );
    }

    #[test]
    fn a_later_deadline_changes_nothing() {
        let now = clock::now();
        let mut stop = stop(Some(seconds(1)), true, now);
        stop.tighten(Some(seconds(3)), &limits(), now);
        stop.tighten(None, &limits(), now);
        assert_eq!(
            (stop.limit, stop.by),
            (seconds(1), Deadline::at(now + seconds(1)))
        );
    }
}
