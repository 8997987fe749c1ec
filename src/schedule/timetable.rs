//! When the runs of one entry are due. Pure: others read the clock.
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

pub(super) mod passed;

#[cfg(feature = "cron")]
use super::cron::Cron;
use super::planned::{Left, Planned};
use super::policy::MisfirePolicy;
use super::rule::{Kind, Schedule};
use crate::clock::Now;
use crate::timer::Due;
use passed::Passed;
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

/// The upper limit of jitter: more means never, and may be too much for a clock.
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

    /// The same, without jitter.
    pub(super) fn next_nominal(&self) -> Option<Due> {
        self.next.map(|next| next.nominal)
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

    /// Plans from what an earlier start has left: from its first run that has not ended, as if there
    /// had only been a suspension. If that was planned by another schedule, it is due all the same,
    /// and comes back if it is to be run or was missed; the new schedule counts from now on.
    pub(super) fn resume(&mut self, left: &Left, now: Now, random: f64) -> Tick {
        self.start(now, random);
        let Some(next) = left.next else {
            self.is_spent |= left.is_same && self.is_at();
            if self.is_spent {
                self.next = None;
            }
            return Tick::default();
        };
        if !left.is_same {
            return self.overdue(next, now);
        }
        let nominal = match self.schedule.kind() {
            Kind::After(_) => return Tick::default(),
            Kind::At(at) => {
                // It became due, and waited, when it was stopped.
                self.is_spent = false;
                Some(Due::Wall(*at))
            }
            Kind::Every { period, .. } => match next.duration_since(now.wall) {
                // By a clock that was set back it may be far away.
                Ok(wait) => now.mono.checked_add(wait.min(*period)).map(Due::Mono),
                Err(_) => Some(Due::Wall(next)),
            },
            #[cfg(feature = "cron")]
            Kind::Cron(cron) => {
                let back = left.noted.duration_since(now.wall).unwrap_or_default();
                if back > CORRECTION {
                    return Tick::default();
                }
                if next > now.wall {
                    // What is before it was had.
                    self.had_until = next.checked_sub(Duration::from_nanos(1));
                    self.next_of_cron(cron, now).map(Due::Wall)
                } else {
                    Some(Due::Wall(next))
                }
            }
        };
        self.plan(nominal, random);
        Tick::default()
    }

    /// A moment of a schedule that has been replaced.
    fn overdue(&self, due: SystemTime, now: Now) -> Tick {
        let Ok(late) = now.wall.duration_since(due) else {
            return Tick::default();
        };
        match self.missed {
            MisfirePolicy::Skip if late > self.threshold => Tick {
                missed: 1,
                ..Tick::default()
            },
            _ => Tick {
                runs: vec![Due::Wall(due)],
                ..Tick::default()
            },
        }
    }

    /// It is due once, at a time of day.
    pub(super) fn is_at(&self) -> bool {
        matches!(self.schedule.kind(), Kind::At(_))
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
            Planned {
                nominal,
                jitter,
                on_wall: None,
            }
        });
    }

    /// The time from this moment to the one after it, which jitter must not exceed: it would
    /// make that one late.
    fn gap_after(&self, nominal: Due) -> Duration {
        match (nominal, self.schedule.kind()) {
            (
                _,
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
        if let Some(next) = self.after_delay(now) {
            self.plan(Some(next), random);
        }
    }

    /// When a fixed delay is over that counts from now.
    pub(super) fn after_delay(&self, now: Now) -> Option<Due> {
        match self.schedule.kind() {
            Kind::Every {
                period,
                fixed_delay: true,
            } => now.mono.checked_add(*period).map(Due::Mono),
            _ => None,
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
        let passed = Passed::by(&self.schedule, planned, now, self.missed.most());
        if let Some(latest) = passed.latest {
            self.last = Some(latest);
            self.had_until = Some(latest);
        }
        self.plan(passed.next, random);
        self.is_spent = matches!(self.schedule.kind(), Kind::After(_) | Kind::At(_));
        let late = match self.missed {
            MisfirePolicy::Skip if passed.lateness > self.threshold => {
                let forgiven = frozen(passed.lateness).min(self.threshold);
                passed.lateness.saturating_sub(forgiven)
            }
            _ => passed.lateness,
        };
        let many = self
            .missed
            .made_up(passed.moments.len(), late, self.threshold);
        if many == 0 {
            // There is no run from whose end a fixed delay could count.
            self.run_ended(now, random);
        }
        let from = passed.moments.len() - many;
        Tick {
            runs: passed.moments.into_iter().skip(from).collect(),
            jitter: planned.jitter,
            missed: passed.count - many as u64,
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

#[cfg(test)]
mod tests;
