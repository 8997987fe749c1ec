//! The service that works on a queue.

use super::super::context::ServiceContext;
use super::super::service::{Service, ServiceResult};
use super::store::{Handled, Store};
use crate::cancel::CancelToken;
use crate::causes::{BoxError, chain};
use crate::sync::channel::{self, Sender};
use crate::sync::{Acquire, Arc, AtomicUsize, Mutex, Release};
use crate::threads::{self, Thread};
use crate::unwind;
use std::marker::PhantomData;

/// The factory of the workers' handlers, the handler, and its error.
pub(in super::super) struct QueueService<T, F, H, E> {
    shared: Arc<Shared<T, F>>,
    workers: usize,
    stack_size: usize,
    /// Cancelled when the grace begins: what the handlers see.
    token: CancelToken,
    threads: Vec<Thread>,
    handler: PhantomData<fn() -> (H, E)>,
}

struct Shared<T, F> {
    store: Arc<Store<T>>,
    factory: F,
    /// Why the factory had none for a worker that had lost its handler. Set before the host's
    /// core is notified, and taken by `run`; locked after the host's state.
    broken: Mutex<Option<BoxError>>,
    /// Workers that have not left. Written by them with Release, before they notify
    /// the host's core; read under its lock with Acquire.
    working: AtomicUsize,
}

impl<T, F, H, E> QueueService<T, F, H, E>
where
    T: Send + 'static,
    F: Fn() -> Result<H, BoxError> + Send + Sync + 'static,
    H: FnMut(T, &ServiceContext) -> Result<(), E> + 'static,
    E: Into<BoxError> + 'static,
{
    pub(in super::super) fn new(
        store: Arc<Store<T>>,
        factory: F,
        workers: usize,
        stack_size: usize,
    ) -> QueueService<T, F, H, E> {
        QueueService {
            shared: Arc::new(Shared {
                store,
                factory,
                broken: Mutex::new(None),
                working: AtomicUsize::new(0),
            }),
            workers,
            stack_size,
            token: CancelToken::new(),
            threads: Vec::new(),
            handler: PhantomData,
        }
    }

    /// Lets the workers leave, and waits for that: nothing more is begun, and what they
    /// do is cancelled.
    fn cut_short(&mut self, ctx: &ServiceContext) {
        self.shared.store.halt();
        self.token.cancel();
        ctx.core().notify();
        self.threads.drain(..).for_each(Thread::join);
    }
}

impl<T, F, H, E> Service for QueueService<T, F, H, E>
where
    T: Send + 'static,
    F: Fn() -> Result<H, BoxError> + Send + Sync + 'static,
    H: FnMut(T, &ServiceContext) -> Result<(), E> + 'static,
    E: Into<BoxError> + 'static,
{
    /// Waits until every worker has its handler.
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let names: Vec<String> = (0..self.workers)
            .map(|index| threads::worker_name(ctx.name(), index))
            .collect();
        let (tell, told) = channel::bounded(self.workers);
        let crew = self.shared.store.begin();
        self.shared.working.store(self.workers, Release);
        let started = threads::spawn_all("queue worker", &names, self.stack_size, |index| {
            let ctx = ctx.fork(&names[index], self.token.clone());
            let (shared, tell) = (self.shared.clone(), tell.clone());
            move || {
                ctx.enter();
                work::<T, F, H, E>(&shared, crew, &ctx, tell);
                ctx.leave();
                shared.working.fetch_sub(1, Release);
                ctx.core().notify();
            }
        });
        self.threads = started.map_err(std::io::Error::from)?;
        drop(tell);
        for _ in 0..self.workers {
            let made: Result<(), BoxError> = told.recv()?;
            if let Err(error) = made {
                // No stop follows: the other workers leave now.
                self.cut_short(ctx);
                for other in told.try_iter() {
                    unwind::drop_guarded(other, || format!("an error of {}", ctx.name()));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let broken = &self.shared.broken;
        // The workers leave by themselves when the program has closed the queue.
        let is_done = || self.shared.working.load(Acquire) == 0;
        ctx.core()
            .wait_while_not(|| ctx.is_cancelled() || broken.lock().is_some() || is_done());
        let error = broken.lock().take();
        match error {
            Some(error) if !ctx.is_cancelled() => Err(error),
            untold => {
                unwind::drop_guarded(untold, || format!("an error of {}", ctx.name()));
                Ok(())
            }
        }
    }

    /// With the host it drains, within the time that there is: the workers are cut short
    /// in its last part. Without it, for a failure, what waits is left to the next
    /// incarnation.
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        if ctx.core().is_stopping() {
            self.shared.store.close();
        } else {
            self.shared.store.halt();
        }
        let is_done = || self.shared.working.load(Acquire) == 0;
        if !ctx.wait_until_grace(is_done) {
            self.cut_short(ctx);
        }
        self.threads.drain(..).for_each(Thread::join);
        Ok(())
    }
}

/// The life of a worker.
fn work<T, F, H, E>(
    shared: &Shared<T, F>,
    crew: u64,
    ctx: &ServiceContext,
    tell: Sender<Result<(), BoxError>>,
) where
    F: Fn() -> Result<H, BoxError>,
    H: FnMut(T, &ServiceContext) -> Result<(), E>,
    E: Into<BoxError>,
{
    let make = || {
        unwind::catch(&shared.factory).unwrap_or_else(|payload| {
            let text = unwind::text(payload.as_ref()).to_owned();
            unwind::drop_payload(payload);
            Err(format!("the factory of its handlers panicked: {text}").into())
        })
    };
    let mut handler = match make() {
        Ok(handler) => handler,
        Err(error) => {
            let _ = tell.try_send(Err(error));
            return;
        }
    };
    let _ = tell.try_send(Ok(()));
    drop(tell);
    let name = ctx.name();
    while let Some(item) = shared.store.next(crew, || ctx.heartbeat()) {
        shared.store.begin_item();
        let handled =
            unwind::catch(|| handler(item, ctx).map_err(|error| chain(error.into().as_ref())));
        let payload = match handled {
            Ok(Ok(())) => {
                shared.store.handled(Handled::Well);
                continue;
            }
            Ok(Err(error)) => {
                super::log_limited(|more| format!("{name}: an item failed: {error}{more}"));
                shared.store.handled(Handled::Failed);
                continue;
            }
            Err(payload) => payload,
        };
        let text = unwind::text(payload.as_ref());
        super::log_limited(|more| format!("{name}: an item panicked: {text}{more}"));
        unwind::drop_payload(payload);
        shared.store.handled(Handled::Panicked);
        // After a panic a handler is of no use. Without a new one no item is taken.
        drop_handler(handler, ctx);
        handler = match make() {
            Ok(handler) => handler,
            Err(error) => {
                let before = shared.broken.lock().replace(error);
                unwind::drop_guarded(before, || format!("an error of {name}"));
                ctx.core().notify();
                return;
            }
        };
    }
    drop_handler(handler, ctx);
}

/// Its drop is the program's code; a panic there is a failure of the service.
fn drop_handler<H>(handler: H, ctx: &ServiceContext) {
    if let Err(payload) = unwind::catch(|| drop(handler)) {
        ctx.drop_panicked(payload);
    }
}
