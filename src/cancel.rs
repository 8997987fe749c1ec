//! Cancellation: tokens that code can poll, wait for and select on.

// # Invariants
//
// 1. A child holds its parent; a parent knows a child only once a thread has waited on the
//    child, or while it has a listener. An unwaited token registers nowhere.
// 2. A node's `cancelled` flag is set while its `listeners` lock is held, and
//    a listener is added under the same lock after a look at the flag. So a
//    listener is either fired by the cancel or sees the flag.
// 3. No lock is held while a thread is woken, and never two at once, so there is no order
//    of locks to keep.
// 4. Everything that walks the tree does so in a loop: a chain of a hundred
//    thousand tokens does not recurse, dropping it included.
// 5. Whatever is registered is taken out again by the drop of its node, and anything that
//    may still wait holds the node: a receiver does, as a token does.
//
// A cancel calls listeners. That of a thread that waits on the token itself is a signal:
// a node that is waited on owns the only sender of a channel on which nothing can be sent,
// and the signal drops that sender. That of a thread that waits for something else as well
// wakes it to look at the token. Closures of the program are passed to other threads after all
// of these: a cancel never waits for them, and never calls one.

#[cfg(not(any(loom, shuttle)))]
mod callers;
#[cfg(any(loom, shuttle))]
#[path = "cancel/model_callers.rs"]
mod callers;
mod cancelled;
mod closure;
mod listener;

pub use cancelled::Cancelled;
// Its users are not among the models.
#[cfg_attr(any(loom, shuttle), allow(unused_imports))]
pub(crate) use cancelled::CancelledCause;
pub(crate) use listener::Listener;

use crate::clock::{self, Deadline};
use crate::sync::channel::Receiver;
use crate::sync::{Acquire, Arc, AtomicBool, Mutex, OnceLock, Relaxed, Release};
use closure::Closure;
use listener::{Called, Signal, next_number};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::time::{Duration, Instant};

/// A cancellation token: running code can poll it, wait for it, or select on it.
///
/// Tokens form a tree: cancelling one cancels all its descendants, and none of its ancestors. A
/// clone is the same token; a [`child`](Self::child) is a new one below it. A cancelled token stays
/// cancelled.
///
/// Code that is blocked in a call that knows no token, such as a read from a socket, can be ended
/// from outside by a closure: see [`on_cancel`](Self::on_cancel).
///
/// Cancelling never interrupts anything: the code that holds the token has to check it. A task that
/// ends because of its token counts as completed, and its handle returns its result; only a task
/// that was cancelled before it started counts as cancelled.
///
/// # Cost
///
/// A token is one allocation. [`is_cancelled`](Self::is_cancelled) reads one flag for each
/// ancestor. A parent stores nothing for a child, unless the child has been waited on and it or one
/// of its receivers still exists, or it has a closure.
///
/// # Examples
///
/// ```
/// use groundcrew::CancelToken;
///
/// let parent = CancelToken::new();
/// let child = parent.child();
///
/// parent.child().cancel();
/// assert!(!parent.is_cancelled());
///
/// parent.cancel();
/// assert!(child.is_cancelled());
/// assert!(child.check().is_err());
/// ```
#[derive(Clone)]
pub struct CancelToken {
    node: Arc<Node>,
}

struct Node {
    /// Written once, under the lock of `listeners`; read by anyone. Release and Acquire, so
    /// that what happened before the cancel is seen by threads that see the flag.
    cancelled: AtomicBool,
    /// When it was cancelled; written by the canceller before `cancelled`.
    at: OnceLock<Instant>,
    parent: Option<Arc<Node>>,
    listeners: Mutex<Listeners>,
    /// Made by the first wait on this token: what fires, and what it fires.
    signal: OnceLock<(Arc<Signal>, Receiver<Infallible>)>,
}

#[derive(Default)]
struct Listeners {
    /// What is called with this node: its own and those of descendants. The signal of a
    /// descendant that was waited on is taken out again when its last token and last receiver
    /// are dropped.
    by_number: HashMap<u64, Called>,
}

/// A listener that is registered, for as long as this lives.
#[must_use = "the listener is called only while this lives"]
pub(crate) struct Listening<'a> {
    node: &'a Node,
    number: u64,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        for node in self.node.lineage() {
            node.forget(self.number);
        }
    }
}

impl Node {
    fn token(parent: Option<Arc<Node>>) -> CancelToken {
        CancelToken {
            node: Arc::new(Node {
                cancelled: AtomicBool::new(false),
                at: OnceLock::new(),
                parent,
                listeners: Mutex::default(),
                signal: OnceLock::new(),
            }),
        }
    }

    /// This node, then its ancestors up to the root.
    fn lineage(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(self), |node| node.parent.as_deref())
    }

    /// The channel to wait on, registered with this node and all ancestors.
    fn receiver(&self) -> &Receiver<Infallible> {
        let (_, receiver) = self.signal.get_or_init(|| {
            let (signal, receiver) = Signal::new();
            self.register(signal.number, Called::Listener(signal.clone()));
            (signal, receiver)
        });
        receiver
    }

    /// Registers a listener with this node and all ancestors; calls it at once if one of them
    /// is cancelled.
    fn register(&self, number: u64, listener: Called) {
        for node in self.lineage() {
            // Invariant 2: a cancel of this node either comes before and is seen here, or
            // after, and finds the listener.
            let mut listeners = node.listeners.lock();
            if node.cancelled.load(Relaxed) {
                drop(listeners);
                listener.call();
                return;
            }
            listeners.by_number.insert(number, listener.clone());
        }
    }

    fn forget(&self, number: u64) {
        let forgotten = self.listeners.lock().by_number.remove(&number);
        drop(forgotten);
    }

    /// Takes this node's signal out of the ancestors' listeners: no thread can wait for it
    /// any more.
    fn retire(&mut self) {
        let Some((signal, receiver)) = self.signal.take() else {
            return;
        };
        drop(receiver);
        // Invariant 5. The own listeners go with the node.
        for ancestor in self.lineage().skip(1) {
            ancestor.forget(signal.number);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.retire();
        // Invariant 4: a parent that only this node held would drop its own
        // parent in turn, and so on.
        let mut parent = self.parent.take();
        while let Some(mut node) = parent.and_then(Arc::into_inner) {
            node.retire();
            parent = node.parent.take();
        }
    }
}

impl CancelToken {
    /// Creates a token without a parent.
    pub fn new() -> CancelToken {
        Node::token(None)
    }

    /// Returns a child token. It is cancelled when this one is, and can also be cancelled by
    /// itself. A child of a cancelled token is cancelled from the start.
    #[must_use = "a child does nothing unless it is read or waited on"]
    pub fn child(&self) -> CancelToken {
        Node::token(Some(self.node.clone()))
    }

    /// Cancels this token and all its descendants.
    ///
    /// When this returns, all of them report the cancellation, and every thread that was waiting on
    /// one of them has been woken. Another thread calls the closures of
    /// [`on_cancel`](Self::on_cancel). A second call has no effect.
    pub fn cancel(&self) {
        let at = clock::now();
        let listeners = {
            let mut listeners = self.node.listeners.lock();
            if self.node.cancelled.load(Relaxed) {
                return;
            }
            // Only the first canceller comes here, so this cannot fail.
            let _ = self.node.at.set(at);
            self.node.cancelled.store(true, Release);
            mem::take(&mut *listeners)
        };
        // Invariant 3: without the lock. A thread that registers meanwhile sees the flag.
        let mut closures = Vec::new();
        for (number, called) in listeners.by_number {
            match called {
                Called::Listener(listener) => listener.cancelled(),
                Called::Closure(closure) => closures.push((number, closure)),
            }
        }
        closures.sort_unstable_by_key(|(number, _)| *number);
        callers::call(closures.into_iter().map(|(_, closure)| closure).collect());
    }

    /// Returns whether this token or an ancestor was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.node.lineage().any(|node| node.cancelled.load(Acquire))
    }

    /// Returns an error once this token is cancelled, for use with `?`.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if this token or an ancestor was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::CancelToken;
    /// use groundcrew::cancel::Cancelled;
    ///
    /// fn sum(rows: &[u32], token: &CancelToken) -> Result<u32, Cancelled> {
    ///     let mut sum = 0;
    ///     for row in rows {
    ///         token.check()?;
    ///         sum += row;
    ///     }
    ///     Ok(sum)
    /// }
    ///
    /// let token = CancelToken::new();
    /// assert_eq!(sum(&[1, 2], &token), Ok(3));
    /// token.cancel();
    /// assert_eq!(sum(&[1, 2], &token), Err(Cancelled));
    /// ```
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }

    /// Blocks until this token is cancelled, or forever if it never is.
    pub fn wait(&self) {
        self.wait_until(Deadline::NEVER);
    }

    /// Blocks until this token is cancelled or `timeout` has passed; returns whether it is
    /// cancelled.
    ///
    /// A zero timeout only checks; [`Duration::MAX`] waits like [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.is_cancelled() || self.wait_until(Deadline::after(timeout))
    }

    fn wait_until(&self, deadline: Deadline) -> bool {
        match deadline.receive(self.node.receiver()) {
            Ok(never) => match never {},
            Err(end) => end.is_disconnected(),
        }
    }

    /// Returns a channel that disconnects when this token is cancelled, for crossbeam's `select!`.
    /// No message is ever sent on it.
    ///
    /// The receiver keeps the token alive, so the token itself need not be kept:
    /// `handle.token().receiver()` may be called in a loop. What a token registers with its
    /// ancestors for its receivers is released when the last of them and the last clone of the
    /// token are dropped.
    pub fn receiver(&self) -> CancelReceiver {
        CancelReceiver {
            receiver: self.node.receiver().clone(),
            _node: self.node.clone(),
        }
    }

    /// Calls `closure` when this token is cancelled, unless the value returned was dropped before.
    /// If the token is cancelled already, calls it before returning.
    ///
    /// A closure can end a call that knows no token: shut a socket down, connect to a listener that
    /// waits in `accept`, or kill a child process.
    ///
    /// The closures run on a thread of this crate, one after the other in the order in which they
    /// were registered, so that the cancel does not wait for them. One that takes longer than 10 ms
    /// is left alone, and another thread calls the next one. A panic in one of them is logged, with the
    /// place of this call.
    ///
    /// When `cancel`, or a stop, has returned, closures may not have run yet. The drop of the guard
    /// does not wait for a call that has begun either, so a closure has to own what it uses: a clone
    /// of the socket, not its descriptor.
    ///
    /// Blocks while the system refuses the thread, for 2 s at most. What is registered without it
    /// is called once there is one.
    ///
    /// # Examples
    ///
    /// A read from a client that says nothing returns when the token is cancelled. On Linux, what
    /// the client had sent before is still read; other systems discard it.
    ///
    /// ```
    /// use groundcrew::CancelToken;
    /// use std::io::Read;
    /// use std::net::{Shutdown, TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let _silent = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut client, _) = listener.accept()?;
    ///
    /// let token = CancelToken::new();
    /// let socket = client.try_clone()?;
    /// let _guard = token.on_cancel(move || drop(socket.shutdown(Shutdown::Read)));
    /// token.cancel();
    /// assert_eq!(client.read(&mut [0])?, 0); // the end
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    #[track_caller]
    pub fn on_cancel(&self, closure: impl FnOnce() + Send + 'static) -> CancelGuard {
        let guard = CancelGuard {
            node: self.node.clone(),
            number: next_number(),
            closure: Closure::new(closure),
        };
        // Before a cancel can find it.
        callers::register();
        let called = Called::Closure(guard.closure.clone());
        self.node.register(guard.number, called);
        guard
    }

    /// Calls `listener` when this token is cancelled, or now if it is, until the value
    /// returned is dropped.
    pub(crate) fn listen(&self, listener: Arc<dyn Listener>) -> Listening<'_> {
        let number = next_number();
        self.node.register(number, Called::Listener(listener));
        Listening {
            node: &self.node,
            number,
        }
    }

    /// How many listeners are registered here, those of descendants included.
    #[cfg(test)]
    pub(crate) fn listeners(&self) -> usize {
        self.node.listeners.lock().by_number.len()
    }

    /// When this token or the first of its ancestors was cancelled.
    pub(crate) fn cancelled_at(&self) -> Option<Instant> {
        self.node
            .lineage()
            .filter_map(|node| node.at.get().copied())
            .min()
    }
}

impl Default for CancelToken {
    /// Creates a token, like [`CancelToken::new`].
    fn default() -> CancelToken {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// The receiving end of a channel that disconnects when a [`CancelToken`] is cancelled. Returned by
/// [`CancelToken::receiver`].
///
/// It dereferences to crossbeam's [`Receiver`], so `select!` accepts it, and you can wait on it
/// with `recv` or `recv_timeout`. A clone waits for the same token.
///
/// It keeps its token, and so the channel, alive. A clone of crossbeam's own receiver, made by
/// `Receiver::clone(&stopped)`, does not: it also disconnects when the last `CancelReceiver` and
/// the last clone of the token are dropped.
///
/// # Examples
///
/// ```
/// use groundcrew::channel::{self, select};
/// use groundcrew::CancelToken;
/// use groundcrew::cancel::CancelReceiver;
/// use std::time::Duration;
///
/// /// Whether it went on until the end.
/// fn tick(times: usize, stopped: &CancelReceiver) -> bool {
///     let ticker = channel::tick(Duration::from_millis(1));
///     (0..times).all(|_| {
///         select! {
///             recv(ticker) -> _ => true,
///             recv(stopped) -> _ => false,
///         }
///     })
/// }
///
/// let token = CancelToken::new();
/// assert!(tick(3, &token.receiver()));
/// token.cancel();
/// assert!(!tick(usize::MAX, &token.receiver()));
/// ```
#[derive(Clone)]
#[must_use = "a receiver does nothing unless it is waited on"]
pub struct CancelReceiver {
    receiver: Receiver<Infallible>,
    /// What owns the sending end, and the registration with its ancestors.
    _node: Arc<Node>,
}

impl Deref for CancelReceiver {
    type Target = Receiver<Infallible>;

    fn deref(&self) -> &Receiver<Infallible> {
        &self.receiver
    }
}

impl fmt::Debug for CancelReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancelReceiver { .. }")
    }
}

/// The registration of a closure. Returned by [`CancelToken::on_cancel`].
///
/// Dropping it drops the closure, unless its call has begun, and does not wait for a call that has.
/// It keeps its token alive.
#[must_use = "the closure is called only if the token is cancelled before this is dropped"]
pub struct CancelGuard {
    node: Arc<Node>,
    number: u64,
    closure: Arc<Closure>,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        for node in self.node.lineage() {
            node.forget(self.number);
        }
        callers::unregister();
        self.closure.discard();
    }
}

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancelGuard { .. }")
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
