//! What a handler returns for an item that it has not failed on.

/// What happens to an item whose handler did not fail. The handler of a
/// [`WorkQueue`](crate::host::WorkQueue) returns this value in `Ok`. `()` stands for
/// [`Handled`](Self::Handled).
///
/// # Examples
///
/// This handler hands back items that it can no longer handle, for the next start of the program:
///
/// ```
/// use groundcrew::{Host, WorkQueue, Retry, ServiceContext};
/// use groundcrew::host::ItemOutcome;
/// use std::time::Duration;
///
/// let emails = WorkQueue::new(16);
/// let mut host = Host::builder();
/// host.add("emails", emails.workers(1, || {
///     |_: &mut &str, ctx: &ServiceContext| {
///         let retry = Retry::exponential(Duration::from_millis(10));
///         let stop = ctx.host().token(); // not to try again once the stop has begun
///         match retry.call(&stop, |_| Err::<(), _>("the server is down")) {
///             Ok(()) => Ok(ItemOutcome::Handled),
///             Err(_) => Ok(ItemOutcome::HandBack),
///         }
///     }
/// }));
/// let host = host.build()?.start()?;
/// emails.submit("a")?;
/// emails.submit("b")?;
/// assert_eq!(host.stop().exit_code(), 75);
/// assert_eq!(emails.take_unstarted(), ["a", "b"]);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ItemOutcome {
    /// The item was handled, and is dropped.
    #[default]
    Handled,
    /// The item goes back to the front of the queue, even if the queue is full or closed. A worker
    /// gets it again at once, so the handler should first pause with
    /// [`ServiceContext::sleep`](crate::ServiceContext::sleep). An item that is put back after the
    /// handlers' token was cancelled is [unstarted](crate::host::WorkQueue::take_unstarted).
    PutBack,
    /// The item is [unstarted](crate::host::WorkQueue::take_unstarted): no handler gets it again. A
    /// handler returns this if it can no longer do its work when the host stops.
    HandBack,
}

impl From<()> for ItemOutcome {
    fn from((): ()) -> ItemOutcome {
        ItemOutcome::Handled
    }
}
