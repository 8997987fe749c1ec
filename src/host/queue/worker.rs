//! A thread that handles the items of a queue.

use super::failed::Why;
use super::log;
use super::outcome::ItemOutcome;
use super::store::{End, Item, Store};
use crate::causes::BoxError;
use crate::host::context::ServiceContext;
use crate::host::stop_errors;
use crate::sync::channel::Sender;
use crate::sync::{Acquire, Arc, AtomicUsize, Mutex, Release};
use crate::unwind::{self, Payload};

/// What the workers of one incarnation share with the service's own thread.
pub(super) struct Workers<T, F> {
    pub(super) store: Arc<Store<T>>,
    /// Makes a handler for each worker.
    factory: Arc<F>,
    /// Why a worker that had lost its handler got no new one. Set before the host's core is
    /// notified, and taken by `run`; locked after the host's state.
    error: Mutex<Option<BoxError>>,
    /// Workers that have not left. Written by them with Release, before they notify
    /// the host's core; read under its lock with Acquire.
    working: AtomicUsize,
}

impl<T, F> Workers<T, F> {
    pub(super) fn new(store: Arc<Store<T>>, factory: Arc<F>) -> Workers<T, F> {
        Workers {
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
pub(super) fn work<T, F, H, R>(
    workers: &Workers<T, F>,
    generation: u64,
    ctx: &ServiceContext,
    started: Sender<Result<(), BoxError>>,
) where
    F: Fn() -> Result<H, BoxError>,
    H: FnMut(&mut T, &ServiceContext) -> Result<R, BoxError>,
    R: Into<ItemOutcome>,
{
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
        let has_panicked = handle(store, &mut handler, item, ctx);
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

fn make_handler<H>(factory: impl Fn() -> Result<H, BoxError>) -> Result<H, BoxError> {
    unwind::catch(factory).unwrap_or_else(|payload| {
        let text = unwind::text(payload.as_ref()).to_owned();
        unwind::drop_payload(payload);
        Err(format!("the factory of its handlers panicked: {text}").into())
    })
}

/// Its drop is the program's code; a panic there is a failure of the service.
fn drop_handler<H>(handler: H, ctx: &ServiceContext) {
    if let Err(payload) = unwind::catch(|| drop(handler)) {
        ctx.drop_panicked(payload);
    }
}

/// Calls the handler, and gives the item back to the store as what it has become. Returns
/// whether the handler panicked.
fn handle<T, H, R>(
    store: &Store<T>,
    handler: &mut H,
    mut item: Item<T>,
    ctx: &ServiceContext,
) -> bool
where
    H: FnMut(&mut T, &ServiceContext) -> Result<R, BoxError>,
    R: Into<ItemOutcome>,
{
    let number = item.number;
    let result = unwind::catch(|| {
        store.keep_copy(&item);
        handler(&mut item.value, ctx).map(R::into)
    });
    let has_panicked = result.is_err();
    let end = end_of(item, result, ctx);
    if let End::Failed(_, why) = &end {
        log::item_failed(ctx.name(), number, || why.to_string());
    }
    let kept = store.end(number, end);
    log::warn_of_kept(ctx.name(), kept);
    has_panicked
}

/// What the item has become.
fn end_of<T>(
    item: Item<T>,
    result: Result<Result<ItemOutcome, BoxError>, Payload>,
    ctx: &ServiceContext,
) -> End<T> {
    match result {
        Ok(Ok(ItemOutcome::Handled)) => drop_handled(item, ctx),
        Ok(Ok(ItemOutcome::PutBack)) => End::PutBack(item),
        Ok(Ok(ItemOutcome::HandBack)) => End::HandBack(item),
        Ok(Err(error)) => match stop_errors::unless_due_to_stop(ctx, error) {
            Some(error) => End::Failed(item, Why::error(error)),
            // The service alone is stopped: the next incarnation handles the item, or, if there
            // is none, the report counts it.
            None if ctx.is_cancelled() => End::PutBack(item),
            None => End::HandBack(item),
        },
        Err(payload) => End::Failed(item, Why::panic(payload)),
    }
}

/// The drop of an item is the program's code, and may panic.
fn drop_handled<T>(item: Item<T>, ctx: &ServiceContext) -> End<T> {
    let number = item.number;
    match unwind::catch(|| drop(item.value)) {
        Ok(()) => End::Handled,
        Err(payload) => {
            let why = Why::panic(payload);
            log::item_failed(ctx.name(), number, || format!("{why}, in its drop"));
            End::DropPanicked
        }
    }
}
