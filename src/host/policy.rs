//! How a host reacts to a failure of a service. Pure.

use crate::retry::Backoff;
use std::time::{Duration, Instant};

/// How the host reacts when a service fails.
///
/// A service fails when its `run` returns an error or panics, or returns before its stop was
/// requested and it is not [one-shot](super::ServiceBuilder::one_shot). It also fails when its
/// `start` fails in a restart, or when a heartbeat is missed and that is [declared a
/// failure](super::ServiceBuilder::fail_on_missed_heartbeat).
///
/// The policy applies after the service was up for the first time. A start that fails before that
/// always stops the host.
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::{FailurePolicy, Restart};
///
/// let mut host = Host::builder();
/// host.background("cache", |ctx| ctx.wait()).on_failure(Restart::new());
/// host.background("metrics", |ctx| ctx.wait()).on_failure(FailurePolicy::Ignore);
/// assert!(host.build()?.start()?.stop().is_clean());
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum FailurePolicy {
    /// The host stops, and its report names the service. This is the default.
    #[default]
    StopHost,
    /// The service is started again, after a pause and within a limit: see [`Restart`].
    Restart(Restart),
    /// The failure is logged and reported, and the others go on without the service. The exit code
    /// is 1.
    Ignore,
}

impl From<Restart> for FailurePolicy {
    fn from(restart: Restart) -> FailurePolicy {
        FailurePolicy::Restart(restart)
    }
}

/// How a failed service is restarted: the pauses, and the number of tolerated failures.
///
/// Each failure adds 1 to a count that decays exponentially: it halves in every half-life. The
/// rounded count is the attempt number from which the [`Backoff`] computes the pause. A service
/// that ran well for a long time is therefore restarted after a short pause. When a failure raises
/// the count above the limit, the host gives up on the service and stops. With
/// [`pause_when_exhausted`](Self::pause_when_exhausted), it makes a longer pause instead, and
/// resets the count. (The supervisor library [suture](https://github.com/thejerf/suture) counts in
/// the same way.)
///
/// Until the service is up again, the host is not ready. The services that need it go on;
/// [`wait_for`](super::ServiceContext::wait_for) waits until it is up again.
///
/// # Examples
///
/// ```
/// use groundcrew::host::Restart;
/// use groundcrew::retry::Backoff;
/// use std::time::Duration;
///
/// let restart = Restart::new()
///     .backoff(Backoff::exponential(Duration::from_millis(100)).cap(Duration::from_secs(5)))
///     .limit(3, Duration::from_secs(60))
///     .pause_when_exhausted(Duration::from_secs(120));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Restart {
    backoff: Backoff,
    limit: u32,
    half_life: Duration,
    pause: Option<Duration>,
}

impl Restart {
    /// Returns a policy with pauses of 0.1 s, 0.2 s, 0.4 s and so on up to 30 s, each shortened at
    /// random by up to a half. It tolerates five failures, with a half-life of 30 s. The next one
    /// stops the host.
    pub fn new() -> Restart {
        let backoff = Backoff::exponential(Duration::from_millis(100));
        Restart {
            backoff: backoff.cap(Duration::from_secs(30)),
            limit: 5,
            half_life: Duration::from_secs(30),
            pause: None,
        }
    }

    /// Sets the pauses before each restart.
    pub fn backoff(mut self, backoff: Backoff) -> Restart {
        self.backoff = backoff;
        self
    }

    /// Sets the number of tolerated failures, whose count decays exponentially with `half_life`.
    /// The host gives up on the service at the next failure. With 0, no failure is tolerated. With
    /// a half-life of zero, each failure is forgotten before the next one, so there is no limit.
    pub fn limit(mut self, failures: u32, half_life: Duration) -> Restart {
        self.limit = failures;
        self.half_life = half_life;
        self
    }

    /// Restarts the service even after too many failures, instead of giving up. The pause before
    /// that restart is `pause`, lengthened at random by up to a half.
    pub fn pause_when_exhausted(mut self, pause: Duration) -> Restart {
        self.pause = Some(pause);
        self
    }
}

impl Default for Restart {
    /// Returns the policy of [`Restart::new`].
    fn default() -> Restart {
        Restart::new()
    }
}

/// The failures of one service, counted with decay.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::host) struct FailureCounter {
    count: f64,
    last: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::host) enum Decision {
    Restart(Duration),
    GiveUp,
}

impl FailureCounter {
    /// One more failure, at `now`. `random`: from 0 to 1.
    pub(in crate::host) fn decide(
        &mut self,
        restart: &Restart,
        now: Instant,
        random: f64,
    ) -> Decision {
        let passed = self
            .last
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        self.count = match restart.half_life.is_zero() {
            // No quotient of two zeros.
            true => 1.0,
            false => {
                let halvings = passed.as_secs_f64() / restart.half_life.as_secs_f64();
                self.count * 0.5_f64.powf(halvings) + 1.0
            }
        };
        let is_too_much = self.count > f64::from(restart.limit);
        match restart.pause {
            _ if !is_too_much => {
                let attempt = self.count.round() as u32;
                Decision::Restart(restart.backoff.delay(attempt, random))
            }
            Some(pause) => {
                self.count = 0.0;
                // Longer at random, never shorter: `pause` is what the other side needs, and
                // services that failed together should not come back together.
                let longer = pause.as_secs_f64() * (1.0 + random / 2.0);
                Decision::Restart(Duration::try_from_secs_f64(longer).unwrap_or(pause))
            }
            None => Decision::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::retry::Jitter;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn restart() -> Restart {
        let backoff = Backoff::exponential(seconds(1)).jitter(Jitter::None);
        Restart::new().backoff(backoff).limit(3, seconds(30))
    }

    #[test]
    fn failures_in_a_row_wait_longer_each_time_and_then_it_is_given_up() {
        let (mut count, now) = (FailureCounter::default(), clock::now());
        let mut fail = |after| count.decide(&restart(), now + seconds(after), 0.0);
        assert_eq!(fail(0), Decision::Restart(seconds(1)));
        assert_eq!(fail(0), Decision::Restart(seconds(2)));
        assert_eq!(fail(0), Decision::Restart(seconds(4)));
        assert_eq!(fail(0), Decision::GiveUp);
    }

    #[test]
    fn a_service_that_fails_rarely_is_restarted_forever_after_the_shortest_pause() {
        let (mut count, now) = (FailureCounter::default(), clock::now());
        for day in 0..1000 {
            let at = now + seconds(day * 86_400);
            assert_eq!(
                count.decide(&restart(), at, 0.0),
                Decision::Restart(seconds(1))
            );
        }
    }

    #[test]
    fn what_was_counted_halves_in_a_half_life() {
        let (mut count, now) = (FailureCounter::default(), clock::now());
        for _ in 0..3 {
            count.decide(&restart(), now, 0.0);
        }
        // 3 / 2 + 1 = 2.5, and as near to 3 as to 2.
        let decision = count.decide(&restart(), now + seconds(30), 0.0);
        assert_eq!(decision, Decision::Restart(seconds(4)));
        assert_eq!(
            count.decide(&restart(), now + seconds(30), 0.0),
            Decision::GiveUp
        );
    }

    #[test]
    fn too_many_failures_pause_and_the_count_starts_again_where_that_is_declared() {
        let (mut count, now) = (FailureCounter::default(), clock::now());
        let restart = restart().pause_when_exhausted(seconds(100));
        for _ in 0..3 {
            count.decide(&restart, now, 0.0);
        }
        assert_eq!(
            count.decide(&restart, now, 1.0),
            Decision::Restart(seconds(150))
        );
        assert_eq!(
            count.decide(&restart, now, 0.0),
            Decision::Restart(seconds(1))
        );
    }

    #[test]
    fn no_failure_is_tolerated_with_a_limit_of_zero_and_each_with_no_half_life() {
        let now = clock::now();
        let never = restart().limit(0, seconds(30));
        assert_eq!(
            FailureCounter::default().decide(&never, now, 0.0),
            Decision::GiveUp
        );
        let (mut count, always) = (
            FailureCounter::default(),
            restart().limit(1, Duration::ZERO),
        );
        for _ in 0..100 {
            assert_eq!(
                count.decide(&always, now, 0.0),
                Decision::Restart(seconds(1))
            );
        }
    }
}
