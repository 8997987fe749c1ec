//! crossbeam's bounded channel, as far as the crate uses it.
//!
//! What matters to `queue/closing.rs`, `gate.rs` and `sleepers.rs` is kept as it is in
//! crossbeam's array flavour: a send is a SeqCst read-modify-write of the tail, a receive
//! one of the head, and a thread finds the channel empty or full by plain loads after a
//! SeqCst fence. So a look takes no lock that would order more than the real one does.

#![allow(missing_docs, reason = "the documentation is crossbeam's")]

use super::checker::fence;
use super::condvar::Condvar;
use super::lock::Mutex;
use crate::sync::{Acquire, AtomicUsize, Relaxed, SeqCst};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

pub use crossbeam_channel::{RecvError, RecvTimeoutError, TryRecvError, TrySendError};

struct Channel<T> {
    capacity: usize,
    /// How many were sent and received so far.
    tail: AtomicUsize,
    head: AtomicUsize,
    exact: std::sync::Mutex<Exact<T>>,
    /// Where `recv` blocks.
    bell: Mutex<()>,
    changed: Condvar,
}

/// What the threads under test do not see by themselves.
struct Exact<T> {
    messages: VecDeque<T>,
    senders: usize,
    receivers: usize,
    /// How many threads are in a blocking `recv`.
    blocked: usize,
}

pub struct Sender<T>(Arc<Channel<T>>);

pub struct Receiver<T>(Arc<Channel<T>>);

pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel {
        capacity,
        tail: AtomicUsize::new(0),
        head: AtomicUsize::new(0),
        exact: std::sync::Mutex::new(Exact {
            messages: VecDeque::new(),
            senders: 1,
            receivers: 1,
            blocked: 0,
        }),
        bell: Mutex::new(()),
        changed: Condvar::new(),
    });
    (Sender(channel.clone()), Receiver(channel))
}

impl<T> Channel<T> {
    fn exact<R>(&self, look: impl FnOnce(&mut Exact<T>) -> R) -> R {
        look(&mut self.exact.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        loop {
            let tail = self.tail.load(SeqCst);
            let head = self.head.load(SeqCst);
            if self.tail.load(SeqCst) == tail {
                return tail.saturating_sub(head);
            }
        }
    }

    fn ring(&self) {
        if self.exact(|exact| exact.blocked > 0) {
            let _bell = self.bell.lock();
            self.changed.notify_all();
        }
    }
}

impl<T> Sender<T> {
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let channel = &*self.0;
        loop {
            if channel.exact(|exact| exact.receivers) == 0 {
                return Err(TrySendError::Disconnected(message));
            }
            let tail = channel.tail.load(Relaxed);
            fence(SeqCst);
            let head = channel.head.load(Relaxed);
            if tail.saturating_sub(head) >= channel.capacity {
                return Err(TrySendError::Full(message));
            }
            let sent = channel
                .tail
                .compare_exchange(tail, tail + 1, SeqCst, Relaxed);
            if sent.is_ok() {
                channel.exact(|exact| exact.messages.push_back(message));
                channel.ring();
                return Ok(());
            }
        }
    }
}

impl<T> Receiver<T> {
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let channel = &*self.0;
        loop {
            let disconnected = channel.exact(|exact| exact.senders) == 0;
            let head = channel.head.load(Relaxed);
            fence(SeqCst);
            let tail = channel.tail.load(Relaxed);
            if head >= tail {
                return Err(match disconnected {
                    true => TryRecvError::Disconnected,
                    false => TryRecvError::Empty,
                });
            }
            let received = channel
                .head
                .compare_exchange(head, head + 1, SeqCst, Relaxed);
            if received.is_ok() {
                fence(Acquire);
                let message = channel.exact(|exact| exact.messages.pop_front());
                return message.ok_or(TryRecvError::Empty);
            }
        }
    }

    pub fn recv(&self) -> Result<T, RecvError> {
        self.recv_until(None).map_err(|_| RecvError)
    }

    pub fn recv_deadline(&self, moment: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(Some(moment))
    }

    fn recv_until(&self, moment: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let channel = &*self.0;
        let mut bell = channel.bell.lock();
        channel.exact(|exact| exact.blocked += 1);
        let mut timed_out = false;
        let end = loop {
            // The newest of both, for what is blocked on is never missed.
            channel.tail.fetch_add(0, SeqCst);
            channel.head.fetch_add(0, SeqCst);
            match self.try_recv() {
                Ok(message) => break Ok(message),
                Err(TryRecvError::Disconnected) => break Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) if timed_out => break Err(RecvTimeoutError::Timeout),
                Err(TryRecvError::Empty) => {}
            }
            match moment {
                Some(moment) => {
                    timed_out = channel.changed.wait_until(&mut bell, moment).timed_out();
                }
                None => channel.changed.wait(&mut bell),
            }
        };
        channel.exact(|exact| exact.blocked -= 1);
        end
    }

    pub fn try_iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| self.try_recv().ok())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        let head = self.0.head.load(SeqCst);
        let tail = self.0.tail.load(SeqCst);
        head >= tail
    }

    pub fn is_full(&self) -> bool {
        let tail = self.0.tail.load(SeqCst);
        let head = self.0.head.load(SeqCst);
        head + self.0.capacity <= tail
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.exact(|exact| exact.senders += 1);
        Sender(self.0.clone())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.0.exact(|exact| exact.receivers += 1);
        Receiver(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let is_last = self.0.exact(|exact| {
            exact.senders -= 1;
            exact.senders == 0
        });
        if is_last {
            // What came before the disconnection is seen by threads that see it.
            self.0.tail.fetch_add(0, SeqCst);
            self.0.ring();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.exact(|exact| exact.receivers -= 1);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}
