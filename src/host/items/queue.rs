//! Counts of a queue's items, by outcome.

/// Counts of the items of a [`WorkQueue`](crate::host::WorkQueue), by outcome. At any moment,
/// accepted = queued + in progress + handled + failed + panicked + unstarted.
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
    pub(crate) unstarted: u64,
    pub(crate) failed_left: u64,
    pub(crate) overflow: u64,
    pub(crate) overflow_peak: u64,
}

impl QueueStats {
    /// The items that the queue has accepted. An item that its handler puts or hands back is not
    /// counted again. An item that was
    /// [dropped with its refusal](crate::SubmitError#an-item-that-is-dropped-with-its-refusal)
    /// counts as accepted and as unstarted.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// The items that wait.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// The waiting items beyond the capacity: submitted by the queue's own workers, or put back.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The largest [`overflow`](Self::overflow) so far.
    pub fn overflow_peak(&self) -> u64 {
        self.overflow_peak
    }

    /// The items that are being handled; in a report, those that abandoned workers held.
    pub fn in_progress(&self) -> u64 {
        self.in_progress
    }

    /// The items for which the handler returned `Ok`, and which it neither put nor handed back.
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// The items for which the handler returned an error, which was logged.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// The items for which the handler panicked, or that panicked in their drop after it, which
    /// was logged.
    pub fn panicked(&self) -> u64 {
        self.panicked
    }

    /// The failed and panicked items that are kept for
    /// [`WorkQueue::take_failed`](crate::WorkQueue::take_failed). A report with any is not clean.
    pub fn failed_left(&self) -> u64 {
        self.failed_left
    }

    /// The items that a stop has taken out, that a handler has
    /// [handed back](crate::host::ItemOutcome::HandBack), or that were
    /// [dropped with their refusal](crate::SubmitError#an-item-that-is-dropped-with-its-refusal);
    /// also after they were [taken](crate::WorkQueue::take_unstarted).
    pub fn unstarted(&self) -> u64 {
        self.unstarted
    }
}
