//! What a running task shares with those that look at it.

use crate::cancel::CancelToken;
use crate::sync::{Arc, Mutex};
use std::time::Instant;

/// The token and the note of a task. Made when the task asks for one of them: most never do.
pub(crate) struct TaskControl {
    pub(crate) token: CancelToken,
    /// Written by the task, read by reports and `running()`.
    pub(crate) note: Mutex<Option<Arc<str>>>,
}

impl TaskControl {
    pub(crate) fn new(token: CancelToken) -> Arc<TaskControl> {
        Arc::new(TaskControl {
            token,
            note: Mutex::new(None),
        })
    }

    pub(crate) fn note(&self) -> Option<Arc<str>> {
        self.note.lock().clone()
    }

    pub(crate) fn cancelled_at(&self) -> Option<Instant> {
        self.token.cancelled_at()
    }
}

/// A task with a handle, as its place on a worker's stack knows it.
pub(crate) trait RunningCell: Send + Sync {
    fn attempts(&self) -> u32;
    /// Its token and note, if it has asked for them.
    fn control(&self) -> Option<Arc<TaskControl>>;
    /// Its token and note; these, if it has none yet.
    fn control_or(&self, new: Arc<TaskControl>) -> Arc<TaskControl>;
    /// When its handle was asked to cancel it.
    fn cancel_requested(&self) -> Option<Instant>;
    /// RUNNING -> ABANDONED, by a stop.
    fn abandon(&self);
}
