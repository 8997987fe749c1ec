//! The hooks that the program sets for tasks: observer and panic hook; and what is logged of
//! panics, in tasks and in hooks.
//!
//! All of this runs code of the program or its logger, so callers hold no lock.

use super::latencies::Latencies;
use crate::clock;
use crate::record::record;
use crate::sync::Arc;
use crate::unwind::{self, RateLimit};
use crate::worker::{Ended, TaskInfo, TaskOutcome};
use std::time::Duration;

/// `PoolBuilder::observer`.
pub(crate) type Observer =
    Arc<dyn Fn(&TaskInfo, TaskOutcome, Option<Duration>, Duration) + Send + Sync>;

/// `PoolBuilder::on_panic`.
pub(crate) type PanicHook = Arc<dyn Fn(&TaskInfo, &str) + Send + Sync>;

pub(super) struct Hooks {
    /// The pool's name.
    pool: Arc<str>,
    observer: Option<Observer>,
    /// `PoolBuilder::latency_histogram`.
    latencies: Option<Latencies>,
    on_panic: Option<PanicHook>,
    /// Of panics in tasks.
    panic_log: RateLimit,
    /// Of panics in these hooks.
    hook_log: RateLimit,
}

impl Hooks {
    pub(super) fn new(
        pool: Arc<str>,
        observer: Option<Observer>,
        latencies: Option<Latencies>,
        on_panic: Option<PanicHook>,
    ) -> Hooks {
        Hooks {
            pool,
            observer,
            latencies,
            on_panic,
            panic_log: RateLimit::new(),
            hook_log: RateLimit::new(),
        }
    }

    /// Whether the times of tasks are wanted; never changes.
    #[inline]
    pub(super) fn is_observed(&self) -> bool {
        self.observer.is_some() || self.latencies.is_some()
    }

    pub(super) fn latencies(&self) -> Option<&Latencies> {
        self.latencies.as_ref()
    }

    /// A task ended that this worker ran.
    pub(super) fn ended(&self, worker: usize, task: &Ended) {
        // First, so that an observer that looks finds its task there.
        if let Some(latencies) = &self.latencies {
            latencies.record(worker, task.waited, task.ran);
        }
        if let Some(observer) = &self.observer {
            let info = task.info();
            self.call("observer", || {
                observer(&info, task.outcome, task.waited, task.ran);
            });
        }
    }

    /// A task panicked.
    pub(super) fn panicked(&self, info: &TaskInfo, message: &str) {
        let name = &self.pool;
        if let Some(unlogged) = self.panic_log.admit(clock::now()) {
            let and_more = unwind::and_more(unlogged, "panicked");
            record!(
                Error,
                POOL,
                "pool {name}: task {info} panicked: {message}{and_more}"
            );
        }
        if let Some(hook) = &self.on_panic {
            self.call("on_panic hook", || hook(info, message));
        }
    }

    /// Calls a hook: a panic in it is logged, and goes no further.
    fn call(&self, hook: &str, call: impl FnOnce()) {
        let Err(payload) = unwind::catch(call) else {
            return;
        };
        if let Some(unlogged) = self.hook_log.admit(clock::now()) {
            let name = &self.pool;
            let (text, and_more) = (
                unwind::text(payload.as_ref()),
                unwind::and_more(unlogged, "panicked"),
            );
            record!(
                Error,
                POOL,
                "pool {name}: the {hook} panicked: {text}{and_more}"
            );
        }
        // Its drop may panic as well.
        unwind::drop_payload(payload);
    }

    /// Logs how many panics were not, when there will be no more.
    pub(super) fn log_unlogged_panics(&self) {
        let unlogged = self.panic_log.take_unlogged();
        if unlogged > 0 {
            let name = &self.pool;
            record!(
                Error,
                POOL,
                "pool {name}: {unlogged} more tasks panicked since the last record"
            );
        }
    }
}
