//! The service that works on a queue.

use super::super::context::ServiceContext;
use super::super::service::{Service, ServiceResult};
use super::failed::Why;
use super::outcome::ItemOutcome;
use super::store::{End, Item, Store};
use crate::cancel::CancelToken;
use crate::causes::BoxError;
use crate::sync::channel::{self, Sender};
use crate::sync::{Acquire, Arc, AtomicUsize, Mutex, Release};
use crate::threads::{self, Thread};
use crate::unwind;
use std::marker::PhantomData;

/// The factory of the workers' handlers, the handler, and what that returns.
pub(in super::super) struct QueueService<T, F, H, R, E> {
    shared: Arc<Shared<T, F>>,
    workers: usize,
    stack_size: usize,
    /// Cancelled when the grace begins: what the handlers see.
    token: CancelToken,
    threads: Vec<Thread>,
    handler: PhantomData<Makes<H, R, E>>,
}

/// What a handler is, and what it returns.
type Makes<H, R, E> = fn() -> (H, Result<R, E>);

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

impl<T, F, H, R, E> QueueService<T, F, H, R, E>
where
    T: Send + 'static,
    F: Fn() -> Result<H, BoxError> + Send + Sync + 'static,
    H: FnMut(&mut T, &ServiceContext) -> Result<R, E> + 'static,
    R: Into<ItemOutcome> + 'static,
    E: Into<BoxError> + 'static,
{
    pub(in super::super) fn new(
        store: Arc<Store<T>>,
        factory: F,
        workers: usize,
        stack_size: usize,
    ) -> QueueService<T, F, H, R, E> {
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

impl<T, F, H, R, E> Service for QueueService<T, F, H, R, E>
where
    T: Send + 'static,
    F: Fn() -> Result<H, BoxError> + Send + Sync + 'static,
    H: FnMut(&mut T, &ServiceContext) -> Result<R, E> + 'static,
    R: Into<ItemOutcome> + 'static,
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
                work::<T, F, H, R, E>(&shared, crew, &ctx, tell);
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
fn work<T, F, H, R, E>(
    shared: &Shared<T, F>,
    crew: u64,
    ctx: &ServiceContext,
    tell: Sender<Result<(), BoxError>>,
) where
    F: Fn() -> Result<H, BoxError>,
    H: FnMut(&mut T, &ServiceContext) -> Result<R, E>,
    R: Into<ItemOutcome>,
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
    shared.store.enter();
    while let Some(mut item) = shared.store.next(crew, || ctx.heartbeat()) {
        let number = item.number;
        let handled = unwind::catch(|| {
            shared.store.keep_copy(&item);
            let outcome = handler(&mut item.value, ctx);
            outcome.map(R::into).map_err(E::into)
        });
        let has_panicked = handled.is_err();
        let end = match handled {
            Ok(Ok(ItemOutcome::Handled)) => dropped(item, name),
            Ok(Ok(ItemOutcome::PutBack)) => End::PutBack(item),
            Ok(Ok(ItemOutcome::HandBack)) => End::HandBack(item),
            Ok(Err(error)) => failed(item, error, ctx),
            Err(payload) => End::Failed(item, Why::panic(payload)),
        };
        if let End::Failed(item, why) = &end {
            let number = item.number;
            super::log_limited(|more| format!("{name}: item {number} {why}{more}"));
        }
        let kept = shared.store.end(number, end);
        warn_of_kept(name, kept);
        if !has_panicked {
            continue;
        }
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

/// The item was handled.
fn dropped<T>(item: Item<T>, name: &str) -> End<T> {
    let number = item.number;
    match unwind::catch(|| drop(item.value)) {
        Ok(()) => End::Handled,
        Err(payload) => {
            let why = Why::panic(payload);
            super::log_limited(|more| format!("{name}: item {number} {why}, in its drop{more}"));
            End::DropPanicked
        }
    }
}

/// The handler returned an error. If that is due to the stop, the item has not failed.
fn failed<T>(item: Item<T>, error: BoxError, ctx: &ServiceContext) -> End<T> {
    match ctx.due_to_stop(error) {
        Err(error) => End::Failed(item, Why::error(error)),
        // What is put back after that is taken by the next incarnation, or by the report.
        Ok(()) if ctx.is_cancelled() => End::PutBack(item),
        Ok(()) => End::HandBack(item),
    }
}

/// Items that failed are kept, which a program that never takes them may not expect.
fn warn_of_kept(name: &str, kept: usize) {
    if kept >= MANY && kept.is_power_of_two() {
        unwind::log_guarded(|| {
            log::warn!("queue {name}: {kept} items that failed are kept; `take_failed` takes them");
        });
    }
}

const MANY: usize = 1024;
