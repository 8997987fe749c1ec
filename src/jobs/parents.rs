//! In which spans of `tracing` jobs were enqueued, for the spans of their attempts in this process.
//! Where there is no subscriber it is empty.

use crate::clock::Deadline;
use crate::record;
use crate::store::{Enqueued, JobId};
use crate::sync::{Arc, Condvar, Mutex};
use crate::trace::Parent;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// What is known of the last [`MOST`] jobs. A parent is the subscriber's code: it is made and dropped
/// without the lock.
#[derive(Default)]
pub(super) struct Parents {
    state: Mutex<State>,
    /// An enqueue is over.
    known: Condvar,
}

#[derive(Default)]
struct State {
    parents: HashMap<JobId, Arc<Parent>>,
    /// In the order in which they came; some may be forgotten.
    ids: VecDeque<JobId>,
    /// The enqueues whose ids are not known yet, by their numbers; with the highest id that was known
    /// when each began. Its own are higher: ids grow in the order of enqueuing.
    under_way: BTreeMap<u64, Option<JobId>>,
    last: u64,
    /// Of the jobs that were enqueued or run here.
    highest: Option<JobId>,
}

impl State {
    /// Whether one of the enqueues up to `last` may be that of the job.
    fn is_awaited(&self, id: JobId, last: u64) -> bool {
        // The one that began first knew the lowest.
        let first = self.under_way.first_key_value();
        !self.parents.contains_key(&id)
            && first.is_some_and(|(first, highest)| *first <= last && *highest < Some(id))
    }
}

/// A span stays open for as long as it is a parent, and the job may run elsewhere.
const MOST: usize = 1000;
/// How long the beginning of an attempt waits for the enqueue of its job to return.
const PATIENCE: Duration = Duration::from_millis(50);

impl Parents {
    /// Enqueues jobs, and keeps the current span as their parent.
    pub(super) fn enqueue<E>(
        &self,
        enqueue: impl FnOnce() -> Result<Vec<Enqueued>, E>,
    ) -> Result<Vec<Enqueued>, E> {
        let parent = Parent::current();
        if parent.is_none() {
            return enqueue();
        }
        let under_way = self.begin();
        let enqueued = enqueue();
        let new = enqueued.as_deref().unwrap_or_default().iter();
        let new = new.filter(|job| job.is_new).map(|job| job.id);
        drop(self.keep(new, &Arc::new(parent)));
        drop(under_way);
        enqueued
    }

    fn begin(&self) -> UnderWay<'_> {
        let mut state = self.state.lock();
        state.last += 1;
        let (number, highest) = (state.last, state.highest);
        state.under_way.insert(number, highest);
        UnderWay {
            parents: self,
            number,
        }
    }

    /// Returns those that there is no room for.
    fn keep(&self, new: impl Iterator<Item = JobId>, parent: &Arc<Parent>) -> Vec<Arc<Parent>> {
        let mut state = self.state.lock();
        let mut old = Vec::new();
        for id in new {
            state.highest = state.highest.max(Some(id));
            if state.ids.len() == MOST {
                let oldest = state.ids.pop_front();
                old.extend(oldest.and_then(|id| state.parents.remove(&id)));
            }
            state.ids.push_back(id);
            state.parents.insert(id, parent.clone());
        }
        old
    }

    /// The parent of a job's attempts. A worker may have claimed the job before its enqueue has
    /// returned: then it waits for that, and not for an enqueue that began when a later job was known.
    pub(super) fn of(&self, id: JobId) -> Option<Arc<Parent>> {
        if !record::is_traced() {
            return None;
        }
        let mut state = self.state.lock();
        let last = state.last;
        let is_awaited = |state: &mut State| state.is_awaited(id, last);
        Deadline::after(PATIENCE).wait_while(&self.known, &mut state, is_awaited);
        state.highest = state.highest.max(Some(id));
        state.parents.get(&id).cloned()
    }

    /// The job has ended.
    pub(super) fn forget(&self, id: JobId) {
        if !record::is_traced() {
            return;
        }
        let parent = self.state.lock().parents.remove(&id);
        drop(parent);
    }
}

/// An enqueue whose ids are not known yet. It ends also with a panic of the store.
struct UnderWay<'a> {
    parents: &'a Parents,
    number: u64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.parents.state.lock().under_way.remove(&self.number);
        self.parents.known.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_awaited(parents: &Parents, id: i64) -> bool {
        let state = parents.state.lock();
        state.is_awaited(JobId::new(id), state.last)
    }

    #[test]
    fn only_what_may_have_been_enqueued_by_an_enqueue_under_way_waits_for_it() {
        let parents = Parents::default();
        assert!(!is_awaited(&parents, 7));
        let first = parents.begin();
        assert!(is_awaited(&parents, 7)); // nothing is known yet
        let parent = Arc::new(Parent::current());
        parents.keep([JobId::new(7)].into_iter(), &parent);
        drop(first);
        let second = parents.begin();
        let before = parents.state.lock().last;
        // 6 is older than what was known before; 7 has its parent; 8 may be of this one.
        assert_eq!(
            [6, 7, 8].map(|id| is_awaited(&parents, id)),
            [false, false, true]
        );
        parents.keep([JobId::new(8)].into_iter(), &parent);
        let third = parents.begin();
        assert_eq!([8, 9].map(|id| is_awaited(&parents, id)), [false, true]);
        drop(second);
        // A later enqueue than the attempt cannot be its own.
        assert!(!parents.state.lock().is_awaited(JobId::new(9), before));
        drop(third);
        assert!(!is_awaited(&parents, 9));
    }
}
