//! The batches in progress: those of tasks in the pool, and those that wait for their next
//! attempt.

use super::chunk::{Batch, Chunk};
use crate::sync::Arc;
use crate::task::TaskHandle;
use crate::timer::Key;
use std::collections::{BTreeMap, HashMap};
use std::mem;

/// Each of them takes one of a number of permits.
pub(super) struct InProgress<T> {
    permits: usize,
    /// By the number of the task.
    tasks: BTreeMap<u64, Task<T>>,
    /// By the number of the batch, with what rings for it.
    retrying: HashMap<u64, (Batch<T>, Option<Key>)>,
}

/// A task of the pool that handles batches.
pub(super) struct Task<T> {
    handle: Arc<TaskHandle<()>>,
    has_begun: bool,
    /// It waits in the stop of this batcher, which therefore does not wait for it.
    is_stopping: bool,
    /// A chunk of the batch is being handled.
    is_handling: bool,
    /// The rest of the batch that it is at.
    batch: Option<Batch<T>>,
}

impl<T> InProgress<T> {
    pub(super) fn new(permits: usize) -> InProgress<T> {
        InProgress {
            permits,
            tasks: BTreeMap::new(),
            retrying: HashMap::new(),
        }
    }

    /// Whether there may be one more task.
    pub(super) fn has_permit(&self) -> bool {
        self.tasks.len() + self.retrying.len() < self.permits
    }

    /// Whether a task may begin another batch. If not, one that waits for its next attempt
    /// has its permit.
    pub(super) fn may_begin_batch(&self) -> bool {
        self.tasks.len() + self.retrying.len() <= self.permits
    }

    pub(super) fn add_task(&mut self, id: u64, handle: TaskHandle<()>) {
        let task = Task {
            handle: Arc::new(handle),
            has_begun: false,
            is_stopping: false,
            is_handling: false,
            batch: None,
        };
        self.tasks.insert(id, task);
    }

    pub(super) fn begin_task(&mut self, id: u64) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.has_begun = true;
        }
    }

    pub(super) fn remove_task(&mut self, id: u64) -> Option<Task<T>> {
        self.tasks.remove(&id)
    }

    pub(super) fn has_task(&self, id: u64) -> bool {
        self.tasks.contains_key(&id)
    }

    /// A task is at this batch from now on.
    pub(super) fn set_batch(&mut self, id: u64, batch: Batch<T>) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.batch = Some(batch);
        }
    }

    /// The next chunk of the batch that a task is at, with the number of the batch: it is
    /// being handled from now on.
    pub(super) fn next_chunk(&mut self, id: u64) -> Option<(Chunk<T>, u64)> {
        let task = self.tasks.get_mut(&id)?;
        let batch = task.batch.as_mut()?;
        let chunk = batch.pop()?;
        task.is_handling = true;
        Some((chunk, batch.number))
    }

    /// The chunk of a task is handled. Returns the rest of its batch, unless that was taken
    /// out.
    pub(super) fn end_chunk(&mut self, id: u64) -> Option<Batch<T>> {
        let task = self.tasks.get_mut(&id)?;
        task.is_handling = false;
        task.batch.take()
    }

    pub(super) fn retry(&mut self, batch: Batch<T>, key: Option<Key>) {
        self.retrying.insert(batch.number, (batch, key));
    }

    /// The next attempt of a batch is due.
    pub(super) fn end_retry(&mut self, number: u64) -> Option<Batch<T>> {
        let (batch, _) = self.retrying.remove(&number)?;
        Some(batch)
    }

    pub(super) fn take_retrying(&mut self) -> Vec<(Batch<T>, Option<Key>)> {
        mem::take(&mut self.retrying).into_values().collect()
    }

    /// The rests of the batches of tasks, each with whether a chunk of it is being handled.
    pub(super) fn take_rests(&mut self) -> Vec<(Batch<T>, bool)> {
        let tasks = self.tasks.values_mut();
        tasks
            .filter_map(|task| Some((task.batch.take()?, task.is_handling)))
            .collect()
    }

    /// How many items wait in these batches.
    pub(super) fn count_items(&self) -> usize {
        let retrying = self.retrying.values().map(|(batch, _)| batch);
        let rests = self.tasks.values().filter_map(|task| task.batch.as_ref());
        retrying.chain(rests).map(Batch::len).sum()
    }

    fn tasks_to_begin(&self) -> impl Iterator<Item = &Task<T>> {
        self.tasks.values().filter(|task| !task.has_begun)
    }

    pub(super) fn count_to_begin(&self) -> usize {
        self.tasks_to_begin().count()
    }

    /// The tasks that have not begun.
    pub(super) fn handles_to_begin(&self) -> Vec<Arc<TaskHandle<()>>> {
        let tasks = self.tasks_to_begin();
        tasks.map(|task| task.handle.clone()).collect()
    }

    pub(super) fn handles(&self) -> Vec<Arc<TaskHandle<()>>> {
        let tasks = self.tasks.values();
        tasks.map(|task| task.handle.clone()).collect()
    }

    /// How many tasks wait in the stop.
    pub(super) fn stopping(&self) -> usize {
        self.tasks.values().filter(|task| task.is_stopping).count()
    }

    /// How many tasks have begun, and have to be waited for.
    pub(super) fn running(&self) -> usize {
        self.tasks.len() - self.count_to_begin() - self.stopping()
    }

    /// Whether there are tasks besides those that wait in the stop.
    pub(super) fn has_tasks(&self) -> bool {
        self.tasks.len() > self.stopping()
    }

    /// Whether all permits are those of tasks that wait in the stop.
    pub(super) fn is_held_by_stop(&self) -> bool {
        self.stopping() >= self.permits
    }

    pub(super) fn has_retrying(&self) -> bool {
        !self.retrying.is_empty()
    }

    /// These tasks wait in a stop. Returns those that did not before.
    pub(super) fn enter_stop(&mut self, tasks: &[u64]) -> Vec<u64> {
        let is_new = |id: &&u64| {
            let task = self.tasks.get_mut(id);
            task.is_some_and(|task| !mem::replace(&mut task.is_stopping, true))
        };
        tasks.iter().filter(is_new).copied().collect()
    }

    pub(super) fn leave_stop(&mut self, tasks: &[u64]) {
        for id in tasks {
            if let Some(task) = self.tasks.get_mut(id) {
                task.is_stopping = false;
            }
        }
    }
}

impl<T> Task<T> {
    pub(super) fn take_batch(&mut self) -> Option<Batch<T>> {
        self.batch.take()
    }
}
