//! Counts of a queue's items, by outcome.

/// Counts of the items of a [`WorkQueue`](crate::host::WorkQueue), by outcome. At any moment,
/// accepted = queued + retrying + in progress + handled + failed + panicked + unstarted.
///
/// # Examples
///
/// ```
/// use groundcrew::WorkQueue;
///
/// let queue = WorkQueue::new(16);
/// queue.submit("a")?;
/// let stats = queue.stats();
/// assert_eq!((stats.accepted(), stats.queued(), stats.in_progress()), (1, 1, 0));
/// assert_eq!((stats.handled(), stats.failed(), stats.panicked()), (0, 0, 0));
/// assert_eq!((stats.failed_left(), stats.unstarted()), (0, 0));
/// assert_eq!((stats.retrying(), stats.retries()), (0, 0));
/// assert_eq!((stats.overflow(), stats.overflow_peak()), (0, 0));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueStats {
    pub(crate) accepted: u64,
    pub(crate) queued: u64,
    pub(crate) retrying: u64,
    pub(crate) in_progress: u64,
    pub(crate) handled: u64,
    pub(crate) failed: u64,
    pub(crate) panicked: u64,
    pub(crate) unstarted: u64,
    pub(crate) retries: u64,
    pub(crate) failed_left: u64,
    pub(crate) overflow: u64,
    pub(crate) overflow_peak: u64,
}

impl QueueStats {
    /// Returns the number of items that the queue has accepted. An item that its handler puts back
    /// or hands back is not counted again. An item that was [dropped with its
    /// refusal](crate::SubmitError#an-item-that-is-dropped-with-its-refusal) counts as accepted and
    /// as unstarted.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Returns the number of items that wait for a worker.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// Returns the number of items that wait for the time of their [next
    /// attempt](crate::WorkQueue::retry). In a report, these are among the
    /// [unstarted](Self::unstarted).
    pub fn retrying(&self) -> u64 {
        self.retrying
    }

    /// Returns the number of failed attempts after which the item was kept for another attempt.
    pub fn retries(&self) -> u64 {
        self.retries
    }

    /// Returns the number of waiting items beyond the capacity: those that the queue's own workers
    /// submitted, that were put back, or whose next attempt is due.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Returns the largest [`overflow`](Self::overflow) so far.
    pub fn overflow_peak(&self) -> u64 {
        self.overflow_peak
    }

    /// Returns the number of items that are being handled. In a report, these are the items that
    /// abandoned workers held.
    pub fn in_progress(&self) -> u64 {
        self.in_progress
    }

    /// Returns the number of items for which the handler returned `Ok`, without those that it put
    /// back or handed back.
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// Returns the number of items for which the handler returned an error, and that were not to be
    /// tried again. The error was logged.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns the number of items for which the handler panicked, or that panicked in their drop
    /// after it. The panic was logged.
    pub fn panicked(&self) -> u64 {
        self.panicked
    }

    /// Returns the number of failed and panicked items that are kept for
    /// [`WorkQueue::take_failed`](crate::WorkQueue::take_failed), which are none if the queue has a
    /// closure for [dead letters](crate::WorkQueue::dead_letter). If there are any, a report is not
    /// clean.
    pub fn failed_left(&self) -> u64 {
        self.failed_left
    }

    /// Returns the number of items that a stop has taken out, that a handler has [handed
    /// back](crate::host::ItemOutcome::HandBack), or that were [dropped with their
    /// refusal](crate::SubmitError#an-item-that-is-dropped-with-its-refusal). Items that were
    /// [taken](crate::WorkQueue::take_unstarted) still count.
    pub fn unstarted(&self) -> u64 {
        self.unstarted
    }
}
