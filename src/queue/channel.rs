//! The bounded channel in which tasks from outside wait.

use crate::sync::channel::{self, Receiver, Sender, TrySendError};
use crate::sync::{AtomicUsize, CachePadded, Relaxed};

/// Invariant 1 of the module: nothing here blocks.
pub(super) struct Channel<T> {
    capacity: usize,
    sender: Sender<T>,
    receiver: Receiver<T>,
    /// The longest it was found.
    peak: CachePadded<AtomicUsize>,
}

impl<T> Channel<T> {
    pub(super) fn new(capacity: usize) -> Channel<T> {
        let (sender, receiver) = channel::bounded(capacity);
        Channel {
            capacity,
            sender,
            receiver,
            peak: CachePadded::default(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// `Err`: there is no room.
    #[inline]
    pub(super) fn try_send(&self, task: T) -> Result<(), T> {
        match self.sender.try_send(task) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(task)) => {
                self.note_peak(self.capacity);
                Err(task)
            }
            Err(TrySendError::Disconnected(_)) => unreachable!("the receiver lies beside it"),
        }
    }

    #[inline]
    pub(super) fn try_recv(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Everything in it, the oldest first.
    pub(super) fn drain(&self) -> impl Iterator<Item = T> {
        self.receiver.try_iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.receiver.is_full()
    }

    pub(super) fn len(&self) -> usize {
        self.receiver.len()
    }

    /// The longest it was found, by what fills it and by those that look.
    pub(super) fn peak(&self) -> usize {
        self.peak.load(Relaxed).max(self.len())
    }

    /// Writes only what is news: others read that line.
    pub(super) fn note_peak(&self, len: usize) {
        if len > self.peak.load(Relaxed) {
            self.peak.fetch_max(len, Relaxed);
        }
    }

    pub(super) fn note_full(&self) {
        self.note_peak(self.capacity);
    }

    pub(super) fn note_len(&self) {
        self.note_peak(self.len());
    }
}
