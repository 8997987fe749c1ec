//! When the runs of one entry are due. Pure: the clock is read by others.
//!
//! # Invariants
//!
//! 1. A planned run whose time has come is due, whatever the clocks did since it was planned.
//!    It is due once: a look gives it to be run, or as missed, and plans the next one.
//! 2. The next run is strictly later than the last, by the clock that it goes by, unless
//!    that clock was set back (see [`Timetable::next_of_cron`]).
//! 3. Whether the wall clock was set is asked of `planned_at` alone, which moves on only where
//!    a run is planned, or where the answer was yes: so small corrections add up until they
//!    are noticed, and none is noticed twice. The timer asks the same of the same moment.

#[cfg(feature = "cron")]
use super::cron::Cron;
use super::policy::MisfirePolicy;
use super::rule::{Kind, Schedule};
use crate::clock::Now;
use crate::timer::Due;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

pub(super) struct Timetable {
    schedule: Schedule,
    missed: MisfirePolicy,
    threshold: Duration,
    jitter: Duration,
    next: Option<Planned>,
    /// The wall-clock time of the last one that was due, without jitter: not due again at once.
    last: Option<SystemTime>,
    /// Fixed times up to this one were due, and are not again, unless the clock is set back
    /// by more than [`CORRECTION`].
    had_until: Option<SystemTime>,
    /// It is due once only, and was.
    is_spent: bool,
    /// What the clocks showed when the next one was planned, or when it was last noticed that
    /// the wall clock was set.
    planned_at: Option<Now>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Planned {
    /// As the schedule has it.
    pub(super) nominal: Due,
    /// How much later it is due.
    pub(super) jitter: Duration,
}

/// The result of reading the clock.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tick {
    /// The moments of those that are to be run, the oldest first.
    pub(super) runs: Vec<Due>,
    /// How much later they were planned for.
    pub(super) jitter: Duration,
    /// How many were due and are not run.
    pub(super) missed: u64,
}

/// The number of missed runs of a cron entry that are gone through one by one; of more only
/// this lower bound is known.
const MOST_COUNTED: usize = 1000;
/// A rule that asks for more than this at once does not get them: they are gone through
/// one by one, and kept.
const MOST_MADE_UP: u32 = 10_000;
/// More is as good as never, and may be too much for a clock.
const MOST_JITTER: Duration = Duration::from_secs(100 * 366 * 86_400);
/// A wall clock that was set back by more than this was wrong before, and is right now; up
/// to this it is a change as in autumn. (The limit of Vixie's cron.)
#[cfg(feature = "cron")]
const CORRECTION: Duration = Duration::from_secs(3 * 3600);

impl Timetable {
    pub(super) fn new(
        schedule: Schedule,
        missed: MisfirePolicy,
        threshold: Duration,
        jitter: Duration,
    ) -> Timetable {
        let missed = match missed {
            MisfirePolicy::All(cap) => MisfirePolicy::All(cap.min(MOST_MADE_UP)),
            other => other,
        };
        Timetable {
            schedule,
            missed,
            threshold,
            jitter,
            next: None,
            last: None,
            had_until: None,
            is_spent: false,
            planned_at: None,
        }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Due> {
        self.next.map(Planned::due)
    }

    /// As of when that was planned.
    pub(super) fn planned_at(&self) -> Option<Now> {
        self.planned_at
    }

    /// Plans from now on; what was missed before is ignored.
    pub(super) fn start(&mut self, now: Now, random: f64) {
        let nominal = match self.schedule.kind() {
            Kind::After(_) | Kind::At(_) if self.is_spent => None,
            Kind::Every { period, .. } | Kind::After(period) => {
                now.mono.checked_add(*period).map(Due::Mono)
            }
            // One that is past has been missed, and is made up for as the rule says.
            Kind::At(at) => Some(Due::Wall(*at)),
            #[cfg(feature = "cron")]
            Kind::Cron(cron) => {
                // What the clocks did while nothing was planned is not known.
                let ahead = |had: SystemTime| had.duration_since(now.wall).unwrap_or_default();
                if self.had_until.is_some_and(|had| ahead(had) > CORRECTION) {
                    self.had_until = None;
                }
                self.next_of_cron(cron, now).map(Due::Wall)
            }
        };
        self.planned_at = Some(now);
        self.plan(nominal, random);
    }

    /// Plans no more.
    pub(super) fn halt(&mut self) {
        self.next = None;
    }

    fn plan(&mut self, nominal: Option<Due>, random: f64) {
        self.next = nominal.map(|nominal| {
            let most = self.jitter.min(self.gap_after(nominal)).min(MOST_JITTER);
            let jitter = most.as_secs_f64() * random.clamp(0.0, 1.0);
            let jitter = Duration::try_from_secs_f64(jitter).unwrap_or(most);
            Planned { nominal, jitter }
        });
    }

    /// The time from this moment to the one after it, which jitter must not exceed: it would
    /// make that one late.
    fn gap_after(&self, nominal: Due) -> Duration {
        match (nominal, self.schedule.kind()) {
            (
                Due::Mono(_),
                Kind::Every {
                    period,
                    fixed_delay: false,
                },
            ) => *period,
            (Due::Wall(at), _) if !self.jitter.is_zero() => {
                let next = self.schedule.next_after(at);
                let gap = next.and_then(|next| next.duration_since(at).ok());
                gap.unwrap_or(Duration::MAX)
            }
            _ => Duration::MAX,
        }
    }

    fn is_fixed_delay(&self) -> bool {
        matches!(
            self.schedule.kind(),
            Kind::Every {
                fixed_delay: true,
                ..
            }
        )
    }

    /// A run begins: a fixed delay does not count any more.
    pub(super) fn run_begins(&mut self) {
        if self.is_fixed_delay() {
            self.next = None;
        }
    }

    /// The runs have ended: from now on a fixed delay counts.
    pub(super) fn run_ended(&mut self, now: Now, random: f64) {
        if let Kind::Every {
            period,
            fixed_delay: true,
        } = self.schedule.kind()
        {
            let next = now.mono.checked_add(*period).map(Due::Mono);
            self.plan(next, random);
        }
    }

    /// As judged by an observer that was never frozen.
    #[cfg(test)]
    pub(super) fn look(&mut self, now: Now, random: f64) -> Tick {
        self.look_from(now, random, |_| Duration::ZERO)
    }

    /// What has become due by now. Plans the next one. Of the time by which a run is late,
    /// `frozen` is the part for which the observer itself was frozen: that much is
    /// forgiven, but no more than the threshold.
    pub(super) fn look_from(
        &mut self,
        now: Now,
        random: f64,
        frozen: impl FnOnce(Duration) -> Duration,
    ) -> Tick {
        let was_set = self.planned_at.is_some_and(|then| now.was_set(then));
        let Some(planned) = self.next.filter(|next| next.has_come(now)) else {
            if was_set {
                self.clock_was_set(now, random);
            }
            return Tick::default();
        };
        self.planned_at = Some(now);
        let due = self.pass(planned, now, random);
        self.is_spent = matches!(self.schedule.kind(), Kind::After(_) | Kind::At(_));
        let many = match self.missed {
            MisfirePolicy::All(cap) => (cap as usize).min(due.moments.len()),
            MisfirePolicy::Once => 1,
            MisfirePolicy::Skip if due.lateness <= self.threshold => 1,
            MisfirePolicy::Skip => {
                let forgiven = frozen(due.lateness).min(self.threshold);
                usize::from(due.lateness <= self.threshold.saturating_add(forgiven))
            }
        };
        if many == 0 {
            // There is no run from whose end a fixed delay could count.
            self.run_ended(now, random);
        }
        let from = due.moments.len() - many;
        Tick {
            runs: due.moments.into_iter().skip(from).collect(),
            jitter: planned.jitter,
            missed: due.count - many as u64,
        }
    }

    /// Takes everything that is due by now, `first` at first, and plans what follows.
    fn pass(&mut self, first: Planned, now: Now, random: f64) -> Passed {
        let most = match self.missed {
            MisfirePolicy::All(cap) => cap as usize,
            MisfirePolicy::Once | MisfirePolicy::Skip => 1,
        };
        match (first.nominal, self.schedule.kind()) {
            (
                Due::Mono(start),
                Kind::Every {
                    period,
                    fixed_delay: false,
                },
            ) => {
                let period = *period;
                let since = first.late(now);
                let more = u64::try_from(since.as_nanos() / period.as_nanos());
                let more = more.unwrap_or(u64::MAX).min(u64::MAX - 1);
                let nth = |n: u64| Due::Mono(start + times(period, n));
                let oldest = (more + 1).saturating_sub(most as u64);
                let next = start.checked_add(times(period, more + 1)).map(Due::Mono);
                self.plan(next, random);
                Passed {
                    moments: (oldest..=more).map(nth).collect(),
                    count: more + 1,
                    lateness: since.saturating_sub(times(period, more)),
                }
            }
            (Due::Mono(_), _) => {
                self.next = None;
                Passed {
                    moments: VecDeque::from([first.nominal]),
                    count: 1,
                    lateness: first.late(now),
                }
            }
            (Due::Wall(moment), _) => self.pass_wall(moment, first.jitter, now, most, random),
        }
    }

    fn pass_wall(
        &mut self,
        first: SystemTime,
        jitter: Duration,
        now: Now,
        most: usize,
        random: f64,
    ) -> Passed {
        // What is due by now, without jitter.
        let until = now.wall.checked_sub(jitter).unwrap_or(now.wall).max(first);
        let mut latest = first;
        let mut moments = VecDeque::from([Due::Wall(first)]);
        let mut count = 1;
        let limit = MOST_COUNTED.max(most);
        let mut next = self.schedule.next_after(latest);
        while let Some(due) = next.filter(|due| *due <= until) {
            if count == limit {
                let last = self.last_until(until, first, most);
                latest = last.back().copied().unwrap_or(due);
                moments = last.into_iter().map(Due::Wall).collect();
                next = self.schedule.next_after(until);
                break;
            }
            count += 1;
            if moments.len() == most {
                moments.pop_front();
            }
            moments.push_back(Due::Wall(due));
            latest = due;
            next = self.schedule.next_after(due);
        }
        self.last = Some(latest);
        self.had_until = self.last;
        self.plan(next.map(Due::Wall), random);
        let due = latest.checked_add(jitter).unwrap_or(latest);
        Passed {
            moments,
            count: count as u64,
            lateness: now.wall.duration_since(due).unwrap_or_default(),
        }
    }

    /// The last ones up to `until`, of those from `known` on: searched from ever further
    /// back.
    fn last_until(
        &self,
        until: SystemTime,
        known: SystemTime,
        most: usize,
    ) -> VecDeque<SystemTime> {
        let mut back = Duration::from_secs(1);
        loop {
            let from = until.checked_sub(back).filter(|from| *from > known);
            let mut next = match from {
                Some(from) => self.schedule.next_after(from),
                None => Some(known),
            };
            // At most as many as are in twice the span in which there are too few.
            let mut last = VecDeque::new();
            while let Some(due) = next.filter(|due| *due <= until) {
                if last.len() == most {
                    last.pop_front();
                }
                last.push_back(due);
                next = self.schedule.next_after(due);
            }
            if last.len() == most || from.is_none() {
                return last;
            }
            back = back.saturating_mul(2);
        }
    }

    /// Plans again where the wall clock was set back. (Where it was set forward, what is
    /// between has become due, and otherwise nothing changes.)
    fn clock_was_set(&mut self, now: Now, random: f64) {
        let Some(then) = self.planned_at.replace(now) else {
            return;
        };
        let back = now.set_back(then);
        if !back.is_zero() {
            self.went_back(back, now, random);
        }
    }

    #[cfg_attr(not(feature = "cron"), allow(unused_variables, clippy::unused_self))]
    fn went_back(&mut self, back: Duration, now: Now, random: f64) {
        #[cfg(feature = "cron")]
        if let (Kind::Cron(cron), Some(planned)) = (self.schedule.kind(), self.next) {
            if planned.nominal.has_come(now) {
                return; // it waits for its jitter only
            }
            if back > CORRECTION {
                self.had_until = None;
            }
            let next = self.next_of_cron(cron, now).map(Due::Wall);
            // The same one is put off by as much as before.
            if next != Some(planned.nominal) {
                self.plan(next, random);
            }
        }
    }

    /// The next one of a cron, also on a clock that was set back. As in autumn an interval
    /// goes on in its own time, though that comes twice, and a fixed time that was had is not
    /// due again. The last moment itself is never due twice.
    #[cfg(feature = "cron")]
    fn next_of_cron(&self, cron: &Cron, now: Now) -> Option<SystemTime> {
        let from = match self.had_until {
            Some(had) if !cron.is_interval() => had.max(now.wall),
            _ => now.wall,
        };
        let next = self.schedule.next_after(from);
        match next.is_some() && next == self.last {
            true => next.and_then(|last| self.schedule.next_after(last)),
            false => next,
        }
    }
}

/// What was due.
struct Passed {
    /// The last of them, as many as could be run, the oldest first.
    moments: VecDeque<Due>,
    count: u64,
    /// So late is the last one.
    lateness: Duration,
}

impl Planned {
    fn due(self) -> Due {
        match self.nominal {
            Due::Mono(at) => Due::Mono(at.checked_add(self.jitter).unwrap_or(at)),
            Due::Wall(at) => Due::Wall(at.checked_add(self.jitter).unwrap_or(at)),
        }
    }

    /// By how much it is late.
    pub(super) fn late(self, now: Now) -> Duration {
        match self.due() {
            Due::Mono(at) => now.mono.saturating_duration_since(at),
            Due::Wall(at) => now.wall.duration_since(at).unwrap_or_default(),
        }
    }

    fn has_come(self, now: Now) -> bool {
        self.due().has_come(now)
    }
}

/// This number of periods, which have passed, or one more.
fn times(period: Duration, count: u64) -> Duration {
    let nanos = period.as_nanos().saturating_mul(u128::from(count));
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, (nanos % 1_000_000_000) as u32)
}

#[cfg(test)]
mod tests;
