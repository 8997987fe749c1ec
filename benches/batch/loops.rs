//! The two that are compared: a batcher, and the loop that one would write instead.

use crate::items::{Collects, handle};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use groundcrew::{Batcher, Pool};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// So many items are a batch.
    pub(crate) size: usize,
    /// So many items wait at most.
    pub(crate) capacity: usize,
    pub(crate) max_age: Duration,
}

/// A pool of one worker, since the loop by hand has one thread.
#[derive(Clone)]
pub(crate) struct Ours(Batcher<u64>);

impl Collects for Ours {
    type Rest = Pool;

    fn new(terms: Terms) -> (Ours, Pool) {
        let pool = Pool::new(1).unwrap();
        let items = Batcher::builder("items")
            .max_items(terms.size)
            .max_age(terms.max_age)
            .capacity(terms.capacity)
            .build(pool.submitter(), |batch: &mut Vec<u64>, _| {
                handle(batch);
                Ok(())
            });
        (Ours(items.unwrap()), pool)
    }

    fn submit(&self, item: u64) {
        self.0.submit(item).unwrap();
    }

    fn end(self, _: Pool) -> u64 {
        self.0.flush();
        self.0.stats().handled()
    }
}

/// A bounded channel, and a thread that collects from it. It knows no retries, no splits
/// and no stop, and a panic ends it.
#[derive(Clone)]
pub(crate) struct ByHand(Arc<Sender<u64>>);

impl Collects for ByHand {
    type Rest = JoinHandle<u64>;

    fn new(terms: Terms) -> (ByHand, JoinHandle<u64>) {
        let (sender, receiver) = bounded(terms.capacity);
        let thread = thread::spawn(move || collect(&receiver, terms));
        (ByHand(Arc::new(sender)), thread)
    }

    fn submit(&self, item: u64) {
        self.0.send(item).unwrap();
    }

    fn end(self, thread: JoinHandle<u64>) -> u64 {
        drop(self);
        thread.join().unwrap()
    }
}

fn collect(receiver: &Receiver<u64>, terms: Terms) -> u64 {
    let mut handled = 0;
    let mut batch = Vec::with_capacity(terms.size);
    while let Ok(first) = receiver.recv() {
        batch.push(first);
        let old = Instant::now() + terms.max_age;
        while batch.len() < terms.size {
            let next = match receiver.try_recv() {
                Ok(item) => Some(item),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => {
                    let left = old.saturating_duration_since(Instant::now());
                    receiver.recv_timeout(left).ok()
                }
            };
            match next {
                Some(item) => batch.push(item),
                None => break,
            }
        }
        handle(&batch);
        handled += batch.len() as u64;
        batch.clear();
    }
    handled
}
