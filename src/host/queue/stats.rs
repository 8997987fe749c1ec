//! What has become of a queue's items.

/// What has become of the items of a [`Queue`](super::Queue): accepted = queued +
/// in hand + handled + failed + panicked + unprocessed, at any moment.
///
/// # Examples
///
/// ```
/// use groundcrew::Queue;
///
/// let queue = Queue::new(16);
/// queue.submit("a")?;
/// let stats = queue.stats();
/// assert_eq!((stats.accepted(), stats.queued(), stats.in_hand()), (1, 1, 0));
/// assert_eq!((stats.handled(), stats.failed(), stats.panicked()), (0, 0, 0));
/// assert_eq!(stats.unprocessed(), 0);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QueueStats {
    pub(crate) accepted: u64,
    pub(crate) queued: u64,
    pub(crate) in_hand: u64,
    pub(crate) handled: u64,
    pub(crate) failed: u64,
    pub(crate) panicked: u64,
    pub(crate) unprocessed: u64,
}

impl QueueStats {
    /// How many items the queue has taken. What a handler puts or hands back is not taken
    /// anew; what others put into it in that way is. Does not block. For an example see
    /// [`QueueStats`].
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many wait. Does not block. For an example see [`QueueStats`].
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// How many a worker has in its hands; in a report, those that went with workers
    /// that were abandoned. Does not block. For an example see [`QueueStats`].
    pub fn in_hand(&self) -> u64 {
        self.in_hand
    }

    /// For how many the handler returned `Ok`. Does not block. For an example see
    /// [`QueueStats`].
    pub fn handled(&self) -> u64 {
        self.handled
    }

    /// For how many the handler returned an error, which was logged. Does not block.
    /// For an example see [`QueueStats`].
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// For how many the handler panicked, which was logged; but for those that it had put or
    /// handed back before. Does not block. For an
    /// example see [`QueueStats`].
    pub fn panicked(&self) -> u64 {
        self.panicked
    }

    /// How many a stop has taken out, or a handler has
    /// [handed back](super::Queue::hand_back): they are in
    /// [`HostReport::unprocessed`](super::super::HostReport::unprocessed). Does not block. For an
    /// example see [`QueueStats`].
    pub fn unprocessed(&self) -> u64 {
        self.unprocessed
    }
}
