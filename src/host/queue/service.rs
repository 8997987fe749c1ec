//! The service that handles the items of a queue.

use super::store::Store;
use super::worker::{self, MakeHandler, Workers};
use crate::cancel::CancelToken;
use crate::causes::BoxError;
use crate::clock::Deadline;
use crate::host::build::{self, IntoParts, IntoService, Kind, Parts};
use crate::host::context::ServiceContext;
use crate::host::failure::ServiceResult;
use crate::host::service::Service;
use crate::sync::Arc;
use crate::sync::channel::{self, Receiver};
use crate::threads::{self, SPAWN_TIMEOUT, Thread};
use crate::timer::Timer;
use crate::unwind;
use std::io;

/// A queue with the workers that are to handle its items.
pub(super) struct QueueWorkers<T> {
    pub(super) store: Arc<Store<T>>,
    pub(super) count: usize,
    pub(super) factory: Box<MakeHandler<T>>,
}

impl<T: Send + 'static> IntoService for QueueWorkers<T> {}

impl<T: Send + 'static> IntoParts for QueueWorkers<T> {
    fn into_parts(self, stack_size: usize) -> Parts {
        let (store, count) = (self.store, self.count);
        let workers = build::Workers {
            count,
            capacity: store
                .capacity()
                .min(store.options().most_retrying(store.capacity())),
            stack_size,
        };
        let kind = Kind::Queue(store.clone(), workers);
        let factory: Arc<MakeHandler<T>> = self.factory.into();
        Parts::from_factory(move || QueueService {
            workers: Arc::new(Workers::new(store.clone(), factory.clone())),
            count,
            stack_size,
            token: CancelToken::new(),
            threads: Vec::new(),
        })
        .of_kind(kind)
        .with_options(|options| {
            options.serves_others = true;
            // It ends by itself when the program has closed the queue.
            options.one_shot = true;
        })
    }
}

struct QueueService<T> {
    workers: Arc<Workers<T>>,
    count: usize,
    stack_size: usize,
    /// Cancelled when the grace begins: the handlers' token.
    token: CancelToken,
    threads: Vec<Thread>,
}

impl<T> QueueService<T> {
    /// Where the policy has items wait for a retry, and how many. Blocks while the system has no
    /// thread for that.
    fn start_timer(&self, ctx: &ServiceContext) -> io::Result<Option<(usize, Arc<Timer>)>> {
        let options = &self.workers.options;
        if !options.retry.may_retry() {
            return Ok(None);
        }
        let timer = Timer::of(&ctx.core().clock);
        threads::try_until(Deadline::after(SPAWN_TIMEOUT), || timer.start())?;
        let capacity = self.workers.store.capacity();
        Ok(Some((options.most_retrying(capacity), timer)))
    }

    /// Waits until every worker has its handler.
    fn wait_for_handlers(
        &mut self,
        ctx: &ServiceContext,
        results: &Receiver<Result<(), BoxError>>,
    ) -> ServiceResult {
        for _ in 0..self.count {
            let result = results.recv()?;
            if let Err(error) = result {
                // No `stop` follows a failed start: the other workers leave now.
                self.cut_short(ctx);
                for other in results.try_iter() {
                    unwind::drop_guarded(other, || format!("an error of {}", ctx.name()));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Lets the workers leave, and waits for that: no more items are begun, and the handlers'
    /// token is cancelled.
    fn cut_short(&mut self, ctx: &ServiceContext) {
        self.workers.store.halt();
        self.token.cancel();
        ctx.core().notify();
        self.threads.drain(..).for_each(Thread::join);
    }
}

impl<T: Send + 'static> Service for QueueService<T> {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let names: Vec<String> = (0..self.count)
            .map(|index| threads::worker_name(ctx.name(), index))
            .collect();
        let (started, results) = channel::bounded(self.count);
        let retries = self.start_timer(ctx)?;
        let generation = self.workers.store.begin(retries, &ctx.core().clock);
        self.workers.expect(self.count);
        let threads = threads::spawn_all("queue worker", &names, self.stack_size, |index| {
            let ctx = ctx.fork(&names[index], self.token.clone());
            let (workers, started) = (self.workers.clone(), started.clone());
            move || {
                ctx.enter();
                worker::work(&workers, generation, &ctx, started);
                ctx.leave();
                workers.leave(&ctx);
            }
        });
        self.threads = threads.map_err(io::Error::from)?;
        // Without this one, a worker that ends without a result would not be noticed.
        drop(started);
        self.wait_for_handlers(ctx, &results)
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let workers = &self.workers;
        ctx.core()
            .wait_until(|| ctx.is_cancelled() || workers.has_failed() || workers.have_left());
        match workers.take_error() {
            Some(error) if !ctx.is_cancelled() => Err(error),
            error => {
                unwind::drop_guarded(error, || format!("an error of {}", ctx.name()));
                Ok(())
            }
        }
    }

    /// With the host's stop the queue is drained, within the time that there is: the workers
    /// are cut short in its last part, and items whose next attempt would come only then are
    /// handed back at once. In a stop of this service alone, after a failure, what
    /// waits is left to the next incarnation.
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        match ctx.is_last_stop() {
            true => {
                self.workers.store.close();
                self.workers.store.end_retries_at(ctx.grace());
            }
            false => self.workers.store.halt(),
        }
        if !ctx.wait_until_grace(|| self.workers.have_left()) {
            self.cut_short(ctx);
        }
        self.threads.drain(..).for_each(Thread::join);
        Ok(())
    }
}
