//! The items that wait for their next attempt, and those for which it is due.

use super::item::Item;
use crate::clock::{Clock, Deadline};
use crate::sync::{Arc, Weak};
use crate::timer::{Alarm, Due, Key, Timer};
use std::collections::{BTreeMap, VecDeque};

/// Has no lock of its own: the store's is held. Drops no item.
pub(super) struct Retrying<T> {
    /// By their numbers, which are what rings.
    waiting: BTreeMap<u64, Waiting<T>>,
    /// In the order in which they became due.
    due: VecDeque<Item<T>>,
    /// From this number on, the workers begin no other item.
    most: usize,
    /// An attempt that is due later, or never, is not made.
    last_moment: Option<Deadline>,
    /// There from the first start of a service that retries until the store is sealed.
    timer: Option<QueueTimer>,
}

/// The timer of the service that works on the queue, and the clock by which it rings.
pub(super) type QueueTimer = (Arc<Timer>, Clock);

struct Waiting<T> {
    item: Item<T>,
    due: Deadline,
    key: Option<Key>,
}

impl<T> Retrying<T> {
    pub(super) fn new() -> Retrying<T> {
        Retrying {
            waiting: BTreeMap::new(),
            due: VecDeque::new(),
            most: usize::MAX,
            last_moment: None,
            timer: None,
        }
    }

    /// A service begins that retries by this clock. At most `most` items wait, and one more for
    /// each further worker. Returns what it had before, to be dropped without the lock: the last
    /// holder of a timer joins its thread.
    pub(super) fn begin(
        &mut self,
        most: usize,
        timer: Arc<Timer>,
        clock: &Clock,
    ) -> Option<QueueTimer> {
        self.most = most;
        self.timer.replace((timer, clock.clone()))
    }

    /// How many items wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many are due.
    pub(super) fn due(&self) -> usize {
        self.due.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.due.is_empty()
    }

    /// Whether there may be one more that waits.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < self.most
    }

    pub(super) fn take_due(&mut self) -> Option<Item<T>> {
        self.due.pop_front()
    }

    /// Lets an item wait until then; gives it back if that is too late.
    pub(super) fn add(
        &mut self,
        item: Item<T>,
        due: Deadline,
        alarm: impl FnOnce() -> Weak<dyn Alarm>,
    ) -> Option<Item<T>> {
        let timer = self.timer.as_ref().filter(|_| !self.is_too_late(due));
        let Some((timer, clock)) = timer else {
            return Some(item);
        };
        let key = due
            .moment()
            .map(|due| timer.set(Due::Mono(due), &alarm(), item.number));
        clock.count_waiting(true);
        self.waiting.insert(item.number, Waiting { item, due, key });
        None
    }

    fn is_too_late(&self, due: Deadline) -> bool {
        self.last_moment
            .is_some_and(|last| due == Deadline::NEVER || due.earlier(last) != due)
    }

    /// The next attempt of this item is due. `false`: it was taken out.
    pub(super) fn ring(&mut self, number: u64) -> bool {
        let item = self.remove(number);
        let is_here = item.is_some();
        self.due.extend(item);
        is_here
    }

    /// No attempt is made later than this. Returns the items for which that is too early.
    pub(super) fn end_at(&mut self, last_moment: Deadline) -> Vec<Item<T>> {
        self.last_moment = Some(last_moment);
        let late = self
            .waiting
            .iter()
            .filter(|(_, it)| self.is_too_late(it.due));
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        late.into_iter()
            .filter_map(|number| self.take(number))
            .collect()
    }

    /// No attempt is made any more. Returns all items, and the timer.
    pub(super) fn end(&mut self) -> (Vec<Item<T>>, Option<QueueTimer>) {
        let mut items = Vec::from(std::mem::take(&mut self.due));
        let waiting: Vec<u64> = self.waiting.keys().copied().collect();
        items.extend(waiting.into_iter().filter_map(|number| self.take(number)));
        (items, self.timer.take())
    }

    /// Takes one out that waits.
    fn take(&mut self, number: u64) -> Option<Item<T>> {
        if let Some((key, (timer, _))) = self.waiting.get(&number)?.key.zip(self.timer.as_ref()) {
            timer.clear(key);
        }
        self.remove(number)
    }

    fn remove(&mut self, number: u64) -> Option<Item<T>> {
        let waiting = self.waiting.remove(&number)?;
        if let Some((_, clock)) = &self.timer {
            clock.count_waiting(false);
        }
        Some(waiting.item)
    }
}
