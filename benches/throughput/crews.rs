//! The pools that are compared, behind one face: two workers each, made anew
//! for every measurement.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) const WORKERS: usize = 2;

type Task = Box<dyn FnOnce() + Send>;

/// A pool that runs what it is given.
pub(crate) trait Crew: Send + Sync {
    fn new() -> Self;
    fn execute(&self, task: impl FnOnce() + Send + 'static);
}

impl Crew for groundcrew::Pool {
    fn new() -> Self {
        groundcrew::Pool::new(WORKERS).unwrap()
    }

    fn execute(&self, task: impl FnOnce() + Send + 'static) {
        groundcrew::Pool::execute(self, task).unwrap();
    }
}

impl Crew for rayon::ThreadPool {
    fn new() -> Self {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(WORKERS);
        builder.build().unwrap()
    }

    fn execute(&self, task: impl FnOnce() + Send + 'static) {
        self.spawn(task);
    }
}

impl Crew for threadpool::ThreadPool {
    fn new() -> Self {
        threadpool::ThreadPool::new(WORKERS)
    }

    fn execute(&self, task: impl FnOnce() + Send + 'static) {
        threadpool::ThreadPool::execute(self, task);
    }
}

/// Its threads outlive a dropped handle until they are told to go.
pub(crate) struct RustyPool(Option<rusty_pool::ThreadPool>);

impl RustyPool {
    pub(crate) fn pool(&self) -> &rusty_pool::ThreadPool {
        self.0.as_ref().unwrap()
    }
}

impl Crew for RustyPool {
    fn new() -> Self {
        let pool = rusty_pool::ThreadPool::new(WORKERS, WORKERS, Duration::from_secs(60));
        pool.start_core_threads();
        RustyPool(Some(pool))
    }

    fn execute(&self, task: impl FnOnce() + Send + 'static) {
        self.pool().execute(task);
    }
}

impl Drop for RustyPool {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.shutdown_join();
        }
    }
}

impl Crew for scheduled_thread_pool::ScheduledThreadPool {
    fn new() -> Self {
        scheduled_thread_pool::ScheduledThreadPool::new(WORKERS)
    }

    fn execute(&self, task: impl FnOnce() + Send + 'static) {
        scheduled_thread_pool::ScheduledThreadPool::execute(self, task);
    }
}

/// The least that a bounded pool can be: a channel, and a loop that catches
/// panics.
pub(crate) struct Raw {
    sender: Option<Sender<Task>>,
    threads: Vec<JoinHandle<()>>,
}

impl Raw {
    pub(crate) fn with_capacity(capacity: usize) -> Raw {
        let (sender, receiver) = bounded::<Task>(capacity);
        let work = |receiver: Receiver<Task>| {
            move || {
                for task in receiver {
                    let _ = catch_unwind(AssertUnwindSafe(task));
                }
            }
        };
        Raw {
            sender: Some(sender),
            threads: (0..WORKERS)
                .map(|_| thread::spawn(work(receiver.clone())))
                .collect(),
        }
    }
}

impl Crew for Raw {
    fn new() -> Self {
        Raw::with_capacity(1024)
    }

    fn execute(&self, task: impl FnOnce() + Send + 'static) {
        let sender = self.sender.as_ref().unwrap();
        sender.send(Box::new(task)).unwrap();
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.sender = None;
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// A pool whose tasks give something back.
pub(crate) trait Answers: Crew {
    type Handle<T: Send + 'static>;
    fn submit<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Self::Handle<T>;
    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T;
}

impl Answers for groundcrew::Pool {
    type Handle<T: Send + 'static> = groundcrew::TaskHandle<T>;

    fn submit<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Self::Handle<T> {
        groundcrew::Pool::submit(self, task).unwrap()
    }

    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T {
        handle.join().unwrap()
    }
}

impl Answers for RustyPool {
    type Handle<T: Send + 'static> = rusty_pool::JoinHandle<T>;

    fn submit<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Self::Handle<T> {
        self.pool().evaluate(task)
    }

    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T {
        handle.await_complete()
    }
}

/// A pool without results, with a one-shot channel for each of them.
pub(crate) struct OneShot<C>(C);

impl<C: Crew> Crew for OneShot<C> {
    fn new() -> Self {
        OneShot(C::new())
    }

    fn execute(&self, task: impl FnOnce() + Send + 'static) {
        self.0.execute(task);
    }
}

impl<C: Crew> Answers for OneShot<C> {
    type Handle<T: Send + 'static> = oneshot::Receiver<T>;

    fn submit<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Self::Handle<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.execute(move || drop(sender.send(task())));
        receiver
    }

    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T {
        handle.recv().unwrap()
    }
}
