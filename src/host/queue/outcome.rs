//! What a handler says of its item.

/// What happens to an item whose handler did not fail: the value that the handler of a
/// [`WorkQueue`](super::WorkQueue) returns in `Ok`. `()` is [`Handled`](Self::Handled).
///
/// # Examples
///
/// A handler that keeps what it cannot do any more for the next start of the program:
///
/// ```
/// use groundcrew::{Host, WorkQueue, Retry, ServiceContext};
/// use groundcrew::host::ItemOutcome;
/// use std::time::Duration;
///
/// let emails = WorkQueue::new(16);
/// let mut host = Host::builder();
/// host.queue("emails", &emails, 1, || {
///     |_: &mut &str, ctx: &ServiceContext| {
///         let retry = Retry::exponential(Duration::from_millis(10));
///         let stop = ctx.host().token(); // not to try again once the stop has begun
///         match retry.call(&stop, |_| Err::<(), _>("the server is down")) {
///             Ok(()) => Ok::<_, String>(ItemOutcome::Handled),
///             Err(_) => Ok(ItemOutcome::HandBack),
///         }
///     }
/// });
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
    /// It goes back into the queue: at the front, also beyond the capacity, and also when the
    /// queue is closed. A handler that puts an item back at once gets it again at once: it
    /// pauses first, with [`ServiceContext::sleep`](crate::ServiceContext::sleep). What is put
    /// back after the handlers' token was cancelled is
    /// [unprocessed](super::WorkQueue::take_unstarted).
    PutBack,
    /// It is [unprocessed](super::WorkQueue::take_unstarted): no handler gets it again. For a
    /// handler that cannot do its work any more when the host stops.
    HandBack,
}

impl From<()> for ItemOutcome {
    fn from((): ()) -> ItemOutcome {
        ItemOutcome::Handled
    }
}
