//! What is said of a panic: one log record, and the hook; and of one in a hook.

use super::PoolCore;
use crate::clock;
use crate::sync::Arc;
use crate::task::TaskInfo;
use crate::unwind;

/// `PoolBuilder::on_panic`.
pub(crate) type PanicHook = Arc<dyn Fn(&TaskInfo, &str) + Send + Sync>;

impl PoolCore {
    /// Logs a panic and calls the hook. Runs user code: the caller holds no lock.
    pub(super) fn tell_panic(&self, info: &TaskInfo, message: &str) {
        let name = &self.name;
        if let Some(unlogged) = self.panic_log.admit(clock::now()) {
            let and_more = unwind::and_more(unlogged, "panicked");
            unwind::log_guarded(|| {
                log::error!("pool {name}: task {info} panicked: {message}{and_more}");
            });
        }
        if let Some(hook) = &self.panic_hook {
            self.call_hook("on_panic hook", || hook(info, message));
        }
    }

    /// Calls a hook for tasks: a panic in it is logged, and goes no further.
    pub(super) fn call_hook(&self, hook: &str, call: impl FnOnce()) {
        let Err(payload) = unwind::catch(call) else {
            return;
        };
        if let Some(unlogged) = self.hook_log.admit(clock::now()) {
            let name = &self.name;
            let (text, and_more) = (
                unwind::text(payload.as_ref()),
                unwind::and_more(unlogged, "panicked"),
            );
            unwind::log_guarded(|| {
                log::error!("pool {name}: the {hook} panicked: {text}{and_more}");
            });
        }
        unwind::drop_payload(payload);
    }

    /// Logs how many panics were not, when there will be no more.
    pub(crate) fn tell_unlogged_panics(&self) {
        let unlogged = self.panic_log.take_unlogged();
        if unlogged > 0 {
            let name = &self.name;
            unwind::log_guarded(|| {
                log::error!("pool {name}: {unlogged} more tasks panicked since the last record");
            });
        }
    }
}
