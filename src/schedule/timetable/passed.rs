//! Which runs have become due since the clock was looked at last.

use crate::clock::Now;
use crate::schedule::planned::{Planned, mono};
use crate::schedule::rule::{Kind, Schedule};
use crate::timer::Due;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// Runs that have become due together.
pub(in crate::schedule) struct Passed {
    /// The last of them, as many as can be run, the oldest first.
    pub(in crate::schedule) moments: VecDeque<Due>,
    /// How many there are.
    pub(in crate::schedule) count: u64,
    /// How late the last one is.
    pub(in crate::schedule) lateness: Duration,
    /// The last one, on the wall clock and without jitter; `None` on the monotonic clock.
    pub(in crate::schedule) latest: Option<SystemTime>,
    /// The one after them.
    pub(in crate::schedule) next: Option<Due>,
}

/// The number of missed runs of a cron entry that are counted one by one; of more only this
/// lower bound is known.
const MOST_COUNTED: usize = 1000;

impl Passed {
    /// All that are due by now: `first`, and those after it. At most `most` of them can be
    /// run.
    pub(super) fn by(schedule: &Schedule, first: Planned, now: Now, most: usize) -> Passed {
        match (first.nominal, schedule.kind()) {
            (
                start,
                Kind::Every {
                    period,
                    fixed_delay: false,
                },
            ) => {
                let since = first.lateness(now);
                let at = |passed| later(start, passed);
                let passed = Passed::of_period(*period, since, most, at);
                Passed {
                    next: passed.next.map(|next| match next {
                        Due::Mono(_) => next,
                        // Left by another process, whose monotonic clock is not known.
                        Due::Wall(at) => mono(at, now),
                    }),
                    ..passed
                }
            }
            (Due::Mono(_), _) | (_, Kind::Every { .. }) => Passed {
                moments: VecDeque::from([first.nominal]),
                count: 1,
                lateness: first.lateness(now),
                latest: None,
                next: None,
            },
            (Due::Wall(moment), _) => {
                Passed::on_wall(schedule, moment, first.jitter, now.wall, most)
            }
        }
    }

    /// The same for a moment of the wall clock that was kept somewhere. A period counts from it.
    #[cfg(feature = "jobs")]
    pub(in crate::schedule) fn since_kept(
        schedule: &Schedule,
        first: SystemTime,
        now: SystemTime,
        most: usize,
    ) -> Passed {
        match schedule.kind() {
            Kind::Every { period, .. } => {
                let since = now.duration_since(first).unwrap_or_default();
                let at = |passed| later(Due::Wall(first), passed);
                let passed = Passed::of_period(*period, since, most, at);
                let latest = passed.moments.back().copied();
                let latest = latest.and_then(on_wall_clock);
                Passed { latest, ..passed }
            }
            _ => Passed::on_wall(schedule, first, Duration::ZERO, now, most),
        }
    }

    /// `since` the first one; `at` is the moment at which so much has passed since then.
    fn of_period(
        period: Duration,
        since: Duration,
        most: usize,
        at: impl Fn(Duration) -> Option<Due>,
    ) -> Passed {
        let more = u64::try_from(since.as_nanos() / period.as_nanos());
        let more = more.unwrap_or(u64::MAX).min(u64::MAX - 1);
        let oldest = (more + 1).saturating_sub(most as u64);
        Passed {
            moments: (oldest..=more)
                .filter_map(|n| at(times(period, n)))
                .collect(),
            count: more + 1,
            lateness: since.saturating_sub(times(period, more)),
            latest: None,
            next: at(times(period, more + 1)),
        }
    }

    fn on_wall(
        schedule: &Schedule,
        first: SystemTime,
        jitter: Duration,
        now: SystemTime,
        most: usize,
    ) -> Passed {
        // What is due by now, without jitter.
        let until = now.checked_sub(jitter).unwrap_or(now).max(first);
        let mut latest = first;
        let mut moments = VecDeque::from([Due::Wall(first)]);
        let mut count = 1;
        let limit = MOST_COUNTED.max(most);
        let mut next = schedule.next_after(latest);
        while let Some(due) = next.filter(|due| *due <= until) {
            if count == limit {
                // Too many to be gone through: what can be run is looked for from the end.
                let last = last_until(schedule, until, first, most);
                latest = last.back().copied().unwrap_or(due);
                moments = last.into_iter().map(Due::Wall).collect();
                next = schedule.next_after(until);
                break;
            }
            count += 1;
            if moments.len() == most {
                moments.pop_front();
            }
            moments.push_back(Due::Wall(due));
            latest = due;
            next = schedule.next_after(due);
        }
        let due = latest.checked_add(jitter).unwrap_or(latest);
        Passed {
            moments,
            count: count as u64,
            lateness: now.duration_since(due).unwrap_or_default(),
            latest: Some(latest),
            next: next.map(Due::Wall),
        }
    }
}

/// The last `most` moments up to `until`, of those from `known` on. A schedule can only be
/// searched forward: so from ever further back, until there are enough.
fn last_until(
    schedule: &Schedule,
    until: SystemTime,
    known: SystemTime,
    most: usize,
) -> VecDeque<SystemTime> {
    let mut back = Duration::from_secs(1);
    loop {
        let from = until.checked_sub(back).filter(|from| *from > known);
        let mut next = match from {
            Some(from) => schedule.next_after(from),
            None => Some(known),
        };
        // At most as many as are in twice the span in which there are too few.
        let mut last = VecDeque::new();
        while let Some(due) = next.filter(|due| *due <= until) {
            if last.len() == most {
                last.pop_front();
            }
            last.push_back(due);
            next = schedule.next_after(due);
        }
        if last.len() == most || from.is_none() {
            return last;
        }
        back = back.saturating_mul(2);
    }
}

/// `None`: as late as no clock goes.
fn later(due: Due, by: Duration) -> Option<Due> {
    match due {
        Due::Mono(at) => at.checked_add(by).map(Due::Mono),
        Due::Wall(at) => at.checked_add(by).map(Due::Wall),
    }
}

/// `None` for a moment of the monotonic clock.
#[cfg(feature = "jobs")]
pub(in crate::schedule) fn on_wall_clock(due: Due) -> Option<SystemTime> {
    match due {
        Due::Wall(moment) => Some(moment),
        Due::Mono(_) => None,
    }
}

/// The time of this number of periods: of those that have passed, or one more.
fn times(period: Duration, count: u64) -> Duration {
    let nanos = period.as_nanos().saturating_mul(u128::from(count));
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, (nanos % 1_000_000_000) as u32)
}
