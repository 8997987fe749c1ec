//! How far an entry has come in its plan, as the memory of its scheduler knows it: which is the
//! first run that has not ended.

use super::memory::Memory;
use super::planned::Left;
use crate::sync::{Arc, Weak};
use std::collections::BTreeMap;
use std::time::SystemTime;

pub(super) struct Progress {
    /// Held by the scheduler, and by the runs in the pool: not by a handle of the entry.
    memory: Weak<Memory>,
    name: Arc<str>,
    schedule: Arc<str>,
    /// When those runs of the plan were due that have been put into the pool, and have not ended;
    /// and how many of them were due then.
    begun: BTreeMap<SystemTime, u32>,
    /// The first moment of the plan that has not been put there. Stays as it is while nothing is
    /// planned, since the scheduler was stopped.
    planned: Option<SystemTime>,
    /// What was noted last, and when.
    noted: Option<(Option<SystemTime>, SystemTime)>,
}

impl Progress {
    pub(super) fn new(memory: &Arc<Memory>, name: Arc<str>, schedule: Arc<str>) -> Progress {
        Progress {
            memory: Arc::downgrade(memory),
            name,
            schedule,
            begun: BTreeMap::new(),
            planned: None,
            noted: None,
        }
    }

    /// What was left at the last stop: by this process, or by one before it. `None`: the entry is
    /// a new one.
    pub(super) fn left(&self) -> Option<Left> {
        match self.noted {
            Some((_, noted)) => Some(Left {
                next: self.planned,
                noted,
                is_same: true,
            }),
            None => self.memory()?.recall(&self.name, &self.schedule),
        }
    }

    pub(super) fn plan(&mut self, next: Option<SystemTime>) {
        self.planned = next;
    }

    /// A run that was due then is in the pool.
    pub(super) fn begin(&mut self, due: SystemTime) {
        *self.begun.entry(due).or_default() += 1;
    }

    /// It has ended, and is not to be repeated.
    pub(super) fn end(&mut self, due: SystemTime) {
        if let Some(count) = self.begun.get_mut(&due) {
            *count -= 1;
            if *count == 0 {
                self.begun.remove(&due);
            }
        }
    }

    /// The first run that has not ended.
    fn next(&self) -> Option<SystemTime> {
        let begun = self.begun.keys().next().copied();
        begun.into_iter().chain(self.planned).min()
    }

    /// Notes that, if it is another one than before. Never blocks.
    pub(super) fn note(&mut self, now: SystemTime) {
        let next = self.next();
        if self.noted.is_none_or(|(noted, _)| noted != next) {
            self.noted = Some((next, now));
            if let Some(memory) = self.memory() {
                memory.note(&self.name, &self.schedule, next);
            }
        }
    }

    pub(super) fn memory(&self) -> Option<Arc<Memory>> {
        self.memory.upgrade()
    }
}
