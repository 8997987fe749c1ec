//! The moments that are set, in their order. Pure: others read the clock.

use crate::clock::{Deadline, Now, Offset};
use crate::sync::{Arc, Weak};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

/// The moment at which an alarm rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Mono(Instant),
    Wall(SystemTime),
}

impl Due {
    pub(crate) fn has_come(self, now: Now) -> bool {
        match self {
            Due::Mono(at) => at <= now.mono,
            Due::Wall(at) => at <= now.wall,
        }
    }

    /// The time until then.
    pub(crate) fn left(self, now: Now) -> Duration {
        match self {
            Due::Mono(at) => at.saturating_duration_since(now.mono),
            Due::Wall(at) => at.duration_since(now.wall).unwrap_or_default(),
        }
    }
}

/// What is called when a moment has come.
pub(crate) trait Alarm: Send + Sync {
    /// The moment that was set for `what` has come; or it is one of the wall clock, which was
    /// set since it was planned: to be planned again as of `now`. May not wait, nor call or
    /// drop the program's code; may set and clear.
    fn ring(self: Arc<Self>, what: u64, now: Now);
}

/// What was set, with which it can be cleared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    due: Due,
    number: u64,
}

/// The alarm is not kept by what waits for it.
pub(super) struct Waiting {
    pub(super) alarm: Weak<dyn Alarm>,
    pub(super) what: u64,
    /// The offset of the clocks when a moment of the wall clock was planned.
    pub(super) planned: Option<Offset>,
}

/// The longest wait while there is something to wait for.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct Moments {
    /// From where the offsets of the clocks are counted.
    beginning: Instant,
    pub(super) mono: BTreeMap<(Instant, u64), Waiting>,
    pub(super) wall: BTreeMap<(SystemTime, u64), Waiting>,
    /// When those in `wall` are due, by the offset of the clocks at which they were planned.
    pub(super) planned: BTreeMap<(Offset, u64), SystemTime>,
    next: u64,
}

impl Moments {
    pub(super) fn new(beginning: Instant) -> Moments {
        Moments {
            beginning,
            mono: BTreeMap::new(),
            wall: BTreeMap::new(),
            planned: BTreeMap::new(),
            next: 0,
        }
    }

    pub(super) fn offset(&self, now: Now) -> Offset {
        now.offset(self.beginning)
    }

    pub(super) fn insert(
        &mut self,
        due: Due,
        planned: Option<Offset>,
        alarm: &Weak<dyn Alarm>,
        what: u64,
    ) -> Key {
        let number = self.next;
        self.next += 1;
        let waiting = Waiting {
            alarm: alarm.clone(),
            what,
            planned,
        };
        match due {
            Due::Mono(due) => {
                self.mono.insert((due, number), waiting);
            }
            Due::Wall(due) => {
                self.wall.insert((due, number), waiting);
                if let Some(planned) = planned {
                    self.planned.insert((planned, number), due);
                }
            }
        }
        Key { due, number }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Waiting> {
        match key.due {
            Due::Mono(due) => self.mono.remove(&(due, key.number)),
            Due::Wall(due) => self.take_wall(due, key.number),
        }
    }

    /// Takes out everything that is due, and everything that waits for the wall clock and was
    /// planned before that was set: the alarms decide what that means.
    pub(super) fn take_due(&mut self, now: Now) -> Vec<Waiting> {
        let mut due = Vec::new();
        while let Some(first) = self.mono.first_entry().filter(|e| e.key().0 <= now.mono) {
            due.push(first.remove());
        }
        while let Some((at, number)) = self.wall.keys().next().copied() {
            if at > now.wall {
                break;
            }
            due.extend(self.take_wall(at, number));
        }
        let offset = self.offset(now);
        while let Some(waiting) = self.take_planned_before_set(offset) {
            due.push(waiting);
        }
        due
    }

    /// One whose offset is not that of now: those that differ most are at the ends.
    fn take_planned_before_set(&mut self, now: Offset) -> Option<Waiting> {
        let (first, last) = (
            self.planned.first_key_value()?,
            self.planned.last_key_value()?,
        );
        let ends = [first, last].map(|((planned, number), due)| (*planned, *number, *due));
        let (_, number, due) = ends
            .into_iter()
            .find(|(planned, ..)| now.was_set(*planned))?;
        self.take_wall(due, number)
    }

    fn take_wall(&mut self, due: SystemTime, number: u64) -> Option<Waiting> {
        let waiting = self.wall.remove(&(due, number))?;
        if let Some(planned) = waiting.planned {
            self.planned.remove(&(planned, number));
        }
        Some(waiting)
    }

    /// When to look again (Invariant 3 of the timer).
    pub(super) fn wake(&self, now: Now) -> Deadline {
        let mono = self.mono.keys().next().map(|(due, _)| *due);
        let wall = self.wall.keys().next().map(|(due, _)| {
            let left = due.duration_since(now.wall).unwrap_or_default();
            now.mono + left.min(LOOK_AGAIN)
        });
        match mono.into_iter().chain(wall).min() {
            Some(first) => Deadline::at(first.min(now.mono + LOOK_AGAIN)),
            None => Deadline::NEVER,
        }
    }
}

/// Whether one that sleeps `until` then would sleep past `due`.
pub(super) fn is_earlier(until: Deadline, due: Due, now: impl FnOnce() -> Now) -> bool {
    let Some(until) = until.moment() else {
        return true;
    };
    match due {
        Due::Mono(due) => due < until,
        Due::Wall(due) => {
            let now = now();
            let left = due.duration_since(now.wall).unwrap_or_default();
            now.mono.checked_add(left).is_some_and(|due| due < until)
        }
    }
}
