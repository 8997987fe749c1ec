//! What a handler returns for an item that it has not failed on.

/// What happens to an item whose handler did not fail: the value that the handler of a
/// [`WorkQueue`](crate::host::WorkQueue) returns in `Ok`. `()` is [`Handled`](Self::Handled).
///
/// # Examples
///
/// A handler that hands back what it cannot handle any more, for the next start of the program:
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
///             Ok(()) => Ok::<_, String>(ItemOutcome::Handled),
///             Err(_) => Ok(ItemOutcome::HandBack),
///         }
///     }
/// }));
/// let host = host.build()?.start()?;
/// emails.submit("a")?;
/// emails.submit("b")?;
/// assert_eq!(host.stop().exit_code(), 75);
/// assert_eq!(emails.take_unstarted(), ["a", "b"]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ItemOutcome {
    /// It was handled, and is dropped.
    #[default]
    Handled,
    /// It goes back to the front of the queue, also beyond the capacity, and also when the queue is
    /// closed. A worker gets it again at once, so the handler should pause first, with [`ServiceContext::sleep`](crate::ServiceContext::sleep). What is put
    /// back after the handlers' token was cancelled is
    /// [unstarted](crate::host::WorkQueue::take_unstarted).
    PutBack,
    /// It is [unstarted](crate::host::WorkQueue::take_unstarted): no handler gets it again. For a
    /// handler that cannot do its work any more when the host stops.
    HandBack,
}

impl From<()> for ItemOutcome {
    fn from((): ()) -> ItemOutcome {
        ItemOutcome::Handled
    }
}
