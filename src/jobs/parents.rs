//! In which spans of `tracing` jobs were enqueued, for the spans of their attempts in this process.
//! Where there is no subscriber it is empty.

use crate::clock::Deadline;
use crate::record;
use crate::store::{Enqueued, JobId};
use crate::sync::{Arc, Condvar, Mutex};
use crate::trace::Parent;
use std::collections::{BTreeSet, HashMap, VecDeque};
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
    /// The enqueues whose ids are not known yet, by their numbers.
    under_way: BTreeSet<u64>,
    last: u64,
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
        let number = state.last;
        state.under_way.insert(number);
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
    /// returned: then it waits for that.
    pub(super) fn of(&self, id: JobId) -> Option<Arc<Parent>> {
        if !record::is_traced() {
            return None;
        }
        let mut state = self.state.lock();
        let last = state.last;
        let is_awaited = |state: &mut State| {
            let first = state.under_way.first();
            !state.parents.contains_key(&id) && first.is_some_and(|first| *first <= last)
        };
        Deadline::after(PATIENCE).wait_while(&self.known, &mut state, is_awaited);
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
