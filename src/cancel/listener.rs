//! What a cancel calls.

use super::closure::Closure;
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Arc, Mutex, Relaxed, StaticU64};
use std::convert::Infallible;

/// What a cancel calls.
#[derive(Clone)]
pub(super) enum Called {
    Listener(Arc<dyn Listener>),
    /// The program's. A cancel passes it to another thread.
    Closure(Arc<Closure>),
}

impl Called {
    pub(super) fn call(&self) {
        match self {
            Called::Listener(listener) => listener.cancelled(),
            Called::Closure(closure) => closure.call(),
        }
    }
}

/// What is called when a token is cancelled, on the thread that cancels it and with no lock of
/// a token held. It may be called more than once, and has to be quick: it takes no lock but
/// leaves, the latch of a scope and the endings of a stream.
pub(crate) trait Listener: Send + Sync {
    fn cancelled(&self);
}

/// The sending end of the channel on which the waiters of one token wait.
pub(super) struct Signal {
    pub(super) number: u64,
    /// Taken and dropped by the thread that fires the signal.
    sender: Mutex<Option<Sender<Infallible>>>,
}

impl Signal {
    pub(super) fn new() -> (Arc<Signal>, Receiver<Infallible>) {
        // Nothing is ever sent, so a channel without room is enough.
        let (sender, receiver) = channel::bounded(0);
        let signal = Signal {
            number: next_number(),
            sender: Mutex::new(Some(sender)),
        };
        (Arc::new(signal), receiver)
    }
}

impl Listener for Signal {
    fn cancelled(&self) {
        let sender = self.sender.lock().take();
        drop(sender);
    }
}

/// By which a listener is known, in the order of their registrations.
pub(super) fn next_number() -> u64 {
    static NEXT: StaticU64 = StaticU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}
