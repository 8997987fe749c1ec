//! Items whose handler failed.

use crate::causes::{BoxError, chain};
use crate::unwind::{self, Payload};
use std::error::Error;
use std::fmt;

/// An item whose handler returned an error or panicked, with the reason. Returned by
/// [`WorkQueue::take_failed`](crate::host::WorkQueue::take_failed).
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
///         false => Err("no address"),
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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct FailedItem<T> {
    item: T,
    number: u64,
    why: Why,
}

/// Why a handler failed.
pub(super) struct Why {
    /// `None`: it panicked.
    error: Option<BoxError>,
    message: String,
}

impl Why {
    /// Calls the program's code: never with a lock held.
    pub(super) fn error(error: BoxError) -> Why {
        Why {
            message: chain(error.as_ref()),
            error: Some(error),
        }
    }

    pub(super) fn panic(payload: Payload) -> Why {
        let message = unwind::text(payload.as_ref()).to_owned();
        unwind::drop_payload(payload);
        Why {
            error: None,
            message,
        }
    }

    pub(super) fn is_panic(&self) -> bool {
        self.error.is_none()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.is_panic() {
            true => "panicked",
            false => "failed",
        };
        write!(f, "{how}: {}", self.message)
    }
}

impl<T> FailedItem<T> {
    pub(super) fn new(item: T, number: u64, why: Why) -> FailedItem<T> {
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

    /// Returns the error that the handler returned, or `None` if it panicked.
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.why.error.as_deref()
    }

    /// Returns `true` if the handler panicked.
    pub fn is_panic(&self) -> bool {
        self.why.is_panic()
    }

    /// Returns the error and all its sources, or the message of the panic.
    pub fn message(&self) -> &str {
        &self.why.message
    }
}

impl<T> fmt::Display for FailedItem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} {}", self.number, self.why)
    }
}

impl<T> fmt::Debug for FailedItem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedItem")
            .field("number", &self.number)
            .field("is_panic", &self.is_panic())
            .field("message", &self.why.message)
            .finish_non_exhaustive()
    }
}
