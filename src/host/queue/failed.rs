//! Items whose handler failed.

use crate::retry::DeadLetter;
use std::error::Error;
use std::fmt;

/// An item whose handler returned an error or panicked, with the reason. Returned by
/// [`WorkQueue::take_failed`](crate::host::WorkQueue::take_failed) and
/// [`take_retrying`](crate::host::WorkQueue::take_retrying).
///
/// # Examples
///
/// ```
/// use groundcrew::{Host, WorkQueue, ServiceContext};
///
/// let emails = WorkQueue::new(16);
/// let mut host = Host::builder();
/// host.add("emails", emails.workers(1, || {
///     |email: &mut &str, _: &ServiceContext| match email.contains('@') {
///         true => Ok(()),
///         false => Err("no address".into()),
///     }
/// }));
/// let host = host.build()?.start()?;
/// emails.submit("a@b.example")?;
/// emails.submit("Dear reader")?;
///
/// assert_eq!(host.stop().exit_code(), 75); // an item is left
/// let failed = emails.take_failed().remove(0);
/// assert_eq!(failed.to_string(), "item 2 failed: no address");
/// assert_eq!((failed.number(), failed.is_panic()), (2, false));
/// assert_eq!(failed.error().unwrap().to_string(), failed.message());
/// assert_eq!((*failed.item(), failed.into_inner()), ("Dear reader", "Dear reader"));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct FailedItem<T> {
    item: T,
    number: u64,
    why: DeadLetter,
}

impl<T> FailedItem<T> {
    pub(super) fn new(item: T, number: u64, why: DeadLetter) -> FailedItem<T> {
        FailedItem { item, number, why }
    }

    /// Returns the item, as the handler left it.
    pub fn item(&self) -> &T {
        &self.item
    }

    /// Returns the item, as the handler left it.
    pub fn into_inner(self) -> T {
        self.item
    }

    /// Returns the number of the item, as in the log: accepted items are numbered from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns why there was no further attempt, with the number of attempts and the last error.
    pub fn why(&self) -> &DeadLetter {
        &self.why
    }

    /// Returns the error that the handler returned, or `None` if it panicked.
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.why.error()
    }

    /// Returns `true` if the handler panicked.
    pub fn is_panic(&self) -> bool {
        self.error().is_none()
    }

    /// Returns the error and all its sources, or the message of the panic.
    pub fn message(&self) -> &str {
        self.why.message()
    }
}

/// As in `failed: no address`, or `failed 3 times: no connection`.
pub(super) fn text(why: &DeadLetter) -> String {
    let how = match (why.error(), why.attempts()) {
        (None, _) => "panicked".to_owned(),
        (Some(_), 0 | 1) => "failed".to_owned(),
        (Some(_), attempts) => format!("failed {attempts} times"),
    };
    format!("{how}: {}", why.message())
}

impl<T> fmt::Display for FailedItem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} {}", self.number, text(&self.why))
    }
}

impl<T> fmt::Debug for FailedItem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedItem")
            .field("number", &self.number)
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}
