//! The service that works on a queue.

use super::super::context::ServiceContext;
use super::super::failure::{BoxError, chain};
use super::super::service::{Service, ServiceResult};
use super::store::{Handled, Store};
use crate::cancel::CancelToken;
use crate::sync::channel::{self, Sender};
use crate::sync::{Acquire, Arc, AtomicUsize, Release};
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
    /// Workers that have not left. Written by them with Release, before they notify
    /// the host's core; read under its lock with Acquire.
    working: AtomicUsize,
}

impl<T, F, H, E> QueueService<T, F, H, E>
where
    T: Send + 'static,
    F: Fn() -> H + Send + Sync + 'static,
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
                working: AtomicUsize::new(0),
            }),
            workers,
            stack_size,
            token: CancelToken::new(),
            threads: Vec::new(),
            handler: PhantomData,
        }
    }

    /// Lets the workers leave: nothing more is begun, and what they do is cancelled.
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
    F: Fn() -> H + Send + Sync + 'static,
    H: FnMut(T, &ServiceContext) -> Result<(), E> + 'static,
    E: Into<BoxError> + 'static,
{
    /// Waits until every worker has its handler.
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let names: Vec<String> = (0..self.workers)
            .map(|index| threads::worker_name(ctx.name(), index))
            .collect();
        let (tell, told) = channel::bounded(self.workers);
        self.shared.working.store(self.workers, Release);
        let started = threads::spawn_all("queue worker", &names, self.stack_size, |index| {
            let ctx = ctx.fork(&names[index], self.token.clone());
            let (shared, tell) = (self.shared.clone(), tell.clone());
            move || {
                ctx.enter();
                work::<T, F, H, E>(&shared, &ctx, tell);
                ctx.leave();
                shared.working.fetch_sub(1, Release);
                ctx.core().notify();
            }
        });
        self.threads = started.map_err(std::io::Error::from)?;
        drop(tell);
        for _ in 0..self.workers {
            let made: Result<(), String> = told.recv()?;
            if let Err(panic) = made {
                // No stop follows: the other workers leave now.
                self.cut_short(ctx);
                return Err(format!("the factory of its handlers panicked: {panic}").into());
            }
        }
        Ok(())
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        ctx.token().wait();
        Ok(())
    }

    /// Drains, within the time that there is. The workers are cut short in its last
    /// part; one that does not heed that is not waited for by anybody but this.
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.shared.store.close();
        let is_done = || self.shared.working.load(Acquire) == 0;
        if !ctx.wait_until_grace(is_done) {
            self.cut_short(ctx);
        }
        self.threads.drain(..).for_each(Thread::join);
        Ok(())
    }
}

/// The life of a worker.
fn work<T, F, H, E>(shared: &Shared<T, F>, ctx: &ServiceContext, tell: Sender<Result<(), String>>)
where
    F: Fn() -> H,
    H: FnMut(T, &ServiceContext) -> Result<(), E>,
    E: Into<BoxError>,
{
    let mut handler = match unwind::catch(&shared.factory) {
        Ok(handler) => Some(handler),
        Err(payload) => {
            let text = unwind::text(payload.as_ref()).to_owned();
            unwind::drop_payload(payload);
            let _ = tell.try_send(Err(text));
            return;
        }
    };
    let _ = tell.try_send(Ok(()));
    drop(tell);
    let name = ctx.name();
    while let Some(item) = shared.store.next() {
        // After a panic the handler is of no use, and a new one is made for the next
        // item: if that panics, the item goes with it.
        let handled = unwind::catch(|| {
            let handler = handler.get_or_insert_with(&shared.factory);
            handler(item, ctx).map_err(|error| chain(error.into().as_ref()))
        });
        let how = match handled {
            Ok(Ok(())) => Handled::Well,
            Ok(Err(error)) => {
                super::log_limited(|more| format!("{name}: an item failed: {error}{more}"));
                Handled::Failed
            }
            Err(payload) => {
                let text = unwind::text(payload.as_ref());
                super::log_limited(|more| format!("{name}: an item panicked: {text}{more}"));
                unwind::drop_payload(payload);
                unwind::drop_guarded(handler.take(), || format!("the handler of {name}"));
                Handled::Panicked
            }
        };
        shared.store.handled(how);
    }
    unwind::drop_guarded(handler, || format!("the handler of {name}"));
}
