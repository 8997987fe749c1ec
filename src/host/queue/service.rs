//! The service that handles the items of a queue.

use super::outcome::ItemOutcome;
use super::store::Store;
use super::worker::{self, Workers};
use crate::cancel::CancelToken;
use crate::causes::BoxError;
use crate::host::build::{self, IntoParts, IntoService, Kind, Parts};
use crate::host::context::ServiceContext;
use crate::host::failure::ServiceResult;
use crate::host::service::Service;
use crate::sync::Arc;
use crate::sync::channel::{self, Receiver};
use crate::threads::{self, Thread};
use crate::unwind;
use std::marker::PhantomData;

/// A queue with the workers that are to handle its items.
pub(super) struct QueueWorkers<T, F, H, R> {
    store: Arc<Store<T>>,
    count: usize,
    factory: F,
    handler: PhantomData<Makes<H, R>>,
}

/// What the factory makes, and what that returns.
type Makes<H, R> = fn() -> (H, Result<R, BoxError>);

impl<T, F, H, R> QueueWorkers<T, F, H, R> {
    pub(super) fn new(store: Arc<Store<T>>, count: usize, factory: F) -> Self {
        QueueWorkers {
            store,
            count,
            factory,
            handler: PhantomData,
        }
    }
}

impl<T, F, H, R> IntoService for QueueWorkers<T, F, H, R>
where
    T: Send + 'static,
    F: Fn() -> Result<H, BoxError> + Send + Sync + 'static,
    H: FnMut(&mut T, &ServiceContext) -> Result<R, BoxError> + 'static,
    R: Into<ItemOutcome> + 'static,
{
}

impl<T, F, H, R> IntoParts for QueueWorkers<T, F, H, R>
where
    T: Send + 'static,
    F: Fn() -> Result<H, BoxError> + Send + Sync + 'static,
    H: FnMut(&mut T, &ServiceContext) -> Result<R, BoxError> + 'static,
    R: Into<ItemOutcome> + 'static,
{
    fn into_parts(self, stack_size: usize) -> Parts {
        let (store, count) = (self.store, self.count);
        let workers = build::Workers {
            count,
            capacity: store.capacity(),
            stack_size,
        };
        let kind = Kind::Queue(store.clone(), workers);
        let factory = Arc::new(self.factory);
        Parts::from_factory(move || QueueService::<T, F, H, R> {
            workers: Arc::new(Workers::new(store.clone(), factory.clone())),
            count,
            stack_size,
            token: CancelToken::new(),
            threads: Vec::new(),
            handler: PhantomData,
        })
        .of_kind(kind)
        .with_options(|options| {
            options.serves_others = true;
            // It ends by itself when the program has closed the queue.
            options.one_shot = true;
        })
    }
}

struct QueueService<T, F, H, R> {
    workers: Arc<Workers<T, F>>,
    count: usize,
    stack_size: usize,
    /// Cancelled when the grace begins: the handlers' token.
    token: CancelToken,
    threads: Vec<Thread>,
    handler: PhantomData<Makes<H, R>>,
}

impl<T, F, H, R> QueueService<T, F, H, R> {
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

impl<T, F, H, R> Service for QueueService<T, F, H, R>
where
    T: Send + 'static,
    F: Fn() -> Result<H, BoxError> + Send + Sync + 'static,
    H: FnMut(&mut T, &ServiceContext) -> Result<R, BoxError> + 'static,
    R: Into<ItemOutcome> + 'static,
{
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let names: Vec<String> = (0..self.count)
            .map(|index| threads::worker_name(ctx.name(), index))
            .collect();
        let (started, results) = channel::bounded(self.count);
        let generation = self.workers.store.begin();
        self.workers.expect(self.count);
        let threads = threads::spawn_all("queue worker", &names, self.stack_size, |index| {
            let ctx = ctx.fork(&names[index], self.token.clone());
            let (workers, started) = (self.workers.clone(), started.clone());
            move || {
                ctx.enter();
                worker::work::<T, F, H, R>(&workers, generation, &ctx, started);
                ctx.leave();
                workers.leave(&ctx);
            }
        });
        self.threads = threads.map_err(std::io::Error::from)?;
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
    /// are cut short in its last part. In a stop of this service alone, after a failure, what
    /// waits is left to the next incarnation.
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        match ctx.is_last_stop() {
            true => self.workers.store.close(),
            false => self.workers.store.halt(),
        }
        if !ctx.wait_until_grace(|| self.workers.have_left()) {
            self.cut_short(ctx);
        }
        self.threads.drain(..).for_each(Thread::join);
        Ok(())
    }
}
