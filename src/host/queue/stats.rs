//! Counts of a queue's items, by outcome.

/// Counts of the items of a [`WorkQueue`](super::WorkQueue), by outcome: accepted = queued + in
/// hand + handled + failed + panicked + unprocessed, at any moment.
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
/// assert_eq!((stats.failed_left(), stats.unprocessed()), (0, 0));
/// assert_eq!((stats.overflow(), stats.overflow_peak()), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueStats {
    pub(crate) accepted: u64,
    pub(crate) queued: u64,
    pub(crate) in_progress: u64,
    pub(crate) handled: u64,
    pub(crate) failed: u64,
    pub(crate) panicked: u64,
    pub(crate) unprocessed: u64,
    pub(crate) failed_left: u64,
    pub(crate) overflow: u64,
    pub(crate) overflow_peak: u64,
}

impl QueueStats {
    /// How many items the queue has accepted. An item that its handler puts or hands back
    /// is not counted again. One that was
    /// [dropped with its refusal](crate::SubmitError#an-item-that-is-dropped-with-its-refusal)
    /// is counted, as unprocessed.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many wait.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// How many of those that wait are beyond the capacity: submitted by the queue's own
    /// workers, or put back.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The largest [`overflow`](Self::overflow) so far.
    pub fn overflow_peak(&self) -> u64 {
        self.overflow_peak
    }

    /// How many are being handled; in a report, those that abandoned workers held.
    pub fn in_progress(&self) -> u64 {
        self.in_progress
    }

    /// For how many the handler returned `Ok`, and neither put nor handed them back.
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// For how many the handler returned an error, which was logged.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// For how many the handler panicked, or their own drop after it, which was logged.
    pub fn panicked(&self) -> u64 {
        self.panicked
    }

    /// How many of the failed and panicked ones are kept for
    /// [`WorkQueue::take_failed`](super::WorkQueue::take_failed), since no call has taken them yet;
    /// of a batcher, how many died though it has no closure for
    /// [dead letters](crate::batch::BatcherBuilder::dead_letter). A report with any is not clean.
    pub fn failed_left(&self) -> u64 {
        self.failed_left
    }

    /// How many a stop has taken out, or a handler has
    /// [handed back](super::ItemOutcome::HandBack), or were
    /// [dropped with their refusal](crate::SubmitError#an-item-that-is-dropped-with-its-refusal),
    /// whether they were [taken](super::WorkQueue::take_unstarted) since or not.
    pub fn unprocessed(&self) -> u64 {
        self.unprocessed
    }
}
