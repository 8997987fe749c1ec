//! A thread that handles the items of a queue.

use super::failed;
use super::item::{Item, Tried};
use super::items::End;
use super::log;
use super::options::Options;
use super::outcome::ItemOutcome;
use super::store::Store;
use crate::causes::BoxError;
use crate::clock::Deadline;
use crate::host::context::ServiceContext;
use crate::host::stop_errors;
use crate::record;
use crate::retry::{DeadLetter, DeadLetterReason, GiveUpReason, ItemAttempts};
use crate::sync::channel::Sender;
use crate::sync::{Acquire, Arc, AtomicUsize, Mutex, Release};
use crate::unwind::{self, Payload};
use std::time::Instant;

/// The program's handler, in one worker.
pub(super) type Handler<T> = dyn FnMut(&mut T, &ServiceContext) -> Result<ItemOutcome, BoxError>;

/// Makes a handler for each worker.
pub(super) type MakeHandler<T> = dyn Fn() -> Result<Box<Handler<T>>, BoxError> + Send + Sync;

/// What the workers of one incarnation share with the service's own thread.
pub(super) struct Workers<T> {
    pub(super) store: Arc<Store<T>>,
    factory: Arc<MakeHandler<T>>,
    pub(super) options: Options<T>,
    /// Why a worker that had lost its handler got no new one. Set before the host's core is
    /// notified, and taken by `run`; locked after the host's state.
    error: Mutex<Option<BoxError>>,
    /// Workers that have not left. Written by them with Release, before they notify
    /// the host's core; read under its lock with Acquire.
    working: AtomicUsize,
}

impl<T> Workers<T> {
    pub(super) fn new(store: Arc<Store<T>>, factory: Arc<MakeHandler<T>>) -> Workers<T> {
        Workers {
            options: store.options(),
            store,
            factory,
            error: Mutex::new(None),
            working: AtomicUsize::new(0),
        }
    }

    /// The number of workers that are about to be started.
    pub(super) fn expect(&self, count: usize) {
        self.working.store(count, Release);
    }

    /// The current thread has done its work.
    pub(super) fn leave(&self, ctx: &ServiceContext) {
        self.working.fetch_sub(1, Release);
        ctx.core().notify();
    }

    pub(super) fn have_left(&self) -> bool {
        self.working.load(Acquire) == 0
    }

    fn fail(&self, error: BoxError, ctx: &ServiceContext) {
        let before = self.error.lock().replace(error);
        unwind::drop_guarded(before, || format!("an error of {}", ctx.name()));
        ctx.core().notify();
    }

    pub(super) fn has_failed(&self) -> bool {
        self.error.lock().is_some()
    }

    pub(super) fn take_error(&self) -> Option<BoxError> {
        self.error.lock().take()
    }
}

/// Handles items until there are none to come for this generation of workers. Sends first
/// whether the worker has got a handler.
pub(super) fn work<T: Send + 'static>(
    workers: &Workers<T>,
    generation: u64,
    ctx: &ServiceContext,
    started: Sender<Result<(), BoxError>>,
) {
    let store = &workers.store;
    let (first, result) = match make_handler(&*workers.factory) {
        Ok(handler) => (Some(handler), Ok(())),
        Err(error) => (None, Err(error)),
    };
    // There is room for one result of each worker.
    let _ = started.try_send(result);
    drop(started);
    let Some(mut handler) = first else {
        return;
    };
    store.enter();
    while let Some(item) = store.next(generation, || ctx.heartbeat()) {
        let has_panicked = handle(workers, &mut *handler, item, ctx);
        if !has_panicked {
            continue;
        }
        // A handler that panicked may be broken. No item is taken before there is a new one.
        drop_handler(handler, ctx);
        handler = match make_handler(&*workers.factory) {
            Ok(handler) => handler,
            Err(error) => return workers.fail(error, ctx),
        };
    }
    drop_handler(handler, ctx);
}

fn make_handler<T>(factory: &MakeHandler<T>) -> Result<Box<Handler<T>>, BoxError> {
    unwind::catch(factory).unwrap_or_else(|payload| {
        let text = unwind::text(payload.as_ref()).to_owned();
        unwind::drop_payload(payload);
        Err(format!("the factory of its handlers panicked: {text}").into())
    })
}

/// Its drop is the program's code; a panic there is a failure of the service.
fn drop_handler<T>(handler: Box<Handler<T>>, ctx: &ServiceContext) {
    if let Err(payload) = unwind::catch(|| drop(handler)) {
        ctx.drop_panicked(payload);
    }
}

/// Calls the handler, and gives the item back to the store as what it has become. Returns
/// whether the handler panicked.
fn handle<T: Send + 'static>(
    workers: &Workers<T>,
    handler: &mut Handler<T>,
    mut item: Item<T>,
    ctx: &ServiceContext,
) -> bool {
    let (store, number) = (&workers.store, item.number);
    let began = ctx.core().clock.now();
    let result = unwind::catch(|| {
        store.keep_copy(&item);
        handler(&mut item.value, ctx)
    });
    let has_panicked = result.is_err();
    let end = match workers.end_of(item, result, began, ctx) {
        End::Failed(item, why) => workers.give_up(item, why, ctx),
        end => end,
    };
    let kept = store.end(number, end);
    log::warn_of_kept(ctx.name(), kept);
    has_panicked
}

impl<T> Workers<T> {
    /// What the item has become, which a handler got when it `began`.
    fn end_of(
        &self,
        item: Item<T>,
        result: Result<Result<ItemOutcome, BoxError>, Payload>,
        began: Instant,
        ctx: &ServiceContext,
    ) -> End<T> {
        match result {
            Ok(Ok(ItemOutcome::Handled)) => drop_handled(item, ctx),
            Ok(Ok(ItemOutcome::PutBack)) => End::PutBack(item),
            Ok(Ok(ItemOutcome::HandBack)) => End::HandBack(item),
            Ok(Err(error)) => match stop_errors::unless_due_to_stop(ctx, error) {
                Some(error) => self.judge(item, error, began, ctx),
                // The service alone is stopped: the next incarnation handles the item, or, if
                // there is none, the report counts it.
                None if ctx.is_cancelled() => End::PutBack(item),
                None => End::HandBack(item),
            },
            Err(payload) => {
                let tried = item.tried.as_ref();
                let failed = tried.map_or(0, |tried| tried.attempts.failed());
                End::Failed(item, DeadLetter::panicked(payload, failed + 1))
            }
        }
    }

    /// Decides by the policy whether the item is tried again.
    fn judge(
        &self,
        mut item: Item<T>,
        error: BoxError,
        began: Instant,
        ctx: &ServiceContext,
    ) -> End<T> {
        let now = ctx.core().clock.now();
        let tried = item.tried.take();
        let mut attempts = tried.map_or_else(ItemAttempts::default, |tried| tried.attempts);
        attempts.begin(began);
        match attempts.fail(&self.options.retry, &error, now) {
            Ok(pause) => {
                let stopped = DeadLetterReason::GaveUp(GiveUpReason::Stopped);
                let last = DeadLetter::new(stopped, error, attempts.failed());
                let what = format_args!("queue {}: item {}", ctx.name(), item.number);
                attempts.log_retry(record::QUEUE, what, pause, last.message());
                item.tried = Some(Box::new(Tried { attempts, last }));
                End::Retry(item, Deadline::after_from(now, pause))
            }
            Err(reason) => End::Failed(item, DeadLetter::new(reason, error, attempts.failed())),
        }
    }

    /// Logs that an item is given up, and passes it to the closure for dead letters, if there is
    /// one.
    fn give_up(&self, item: Item<T>, why: DeadLetter, ctx: &ServiceContext) -> End<T> {
        let number = item.number;
        log::item_failed(ctx.name(), number, || failed::text(&why));
        match &self.options.dead_letter {
            Some(closure) if self.store.forget_copy(number) => {
                let has_panicked = why.error().is_none();
                if let Some(wrong) = closure.pass(item.value, &why) {
                    log::item_failed(ctx.name(), number, || wrong);
                }
                End::Lost { has_panicked }
            }
            _ => End::Failed(item, why),
        }
    }
}

/// The drop of an item is the program's code, and may panic.
fn drop_handled<T>(item: Item<T>, ctx: &ServiceContext) -> End<T> {
    let number = item.number;
    match unwind::catch(|| drop(item.value)) {
        Ok(()) => End::Handled,
        Err(payload) => {
            let why = DeadLetter::panicked(payload, 1);
            log::item_failed(ctx.name(), number, || {
                format!("{}, in its drop", failed::text(&why))
            });
            End::Lost { has_panicked: true }
        }
    }
}
