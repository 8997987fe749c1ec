//! Drops the program's code on a thread of its own, so that the timer's thread never waits
//! for it.

use crate::clock::Deadline;
use crate::sync::Arc;
#[cfg(not(any(loom, shuttle)))]
use crate::sync::StaticMutex;
use crate::threads;
use crate::unwind;
use std::time::Duration;

/// Lets go of something that holds the program's code, whose drop may do anything: if this
/// is the last hold on it, on another thread. Where none can be had it waits for one.
pub(crate) fn drop_elsewhere<T: Send + Sync + 'static>(held: Arc<T>) {
    // Of several that let go at the same time exactly one gets it.
    let Some(last) = Arc::into_inner(held) else {
        return;
    };
    let now = Deadline::after(Duration::ZERO);
    let dropped = threads::spawn_helper_until(DROPPER, now, move || {
        unwind::drop_guarded(last, || "what was scheduled".to_owned());
    });
    if let Err((_, body)) = dropped {
        #[cfg(any(loom, shuttle))]
        body();
        #[cfg(not(any(loom, shuttle)))]
        LEFT.lock().push(Box::new(body));
    }
}

const DROPPER: &str = "timer-drop";

/// What has to be dropped once there is a thread for that.
#[cfg(not(any(loom, shuttle)))]
pub(super) static LEFT: StaticMutex<Vec<Box<dyn FnOnce() + Send>>> = StaticMutex::new(Vec::new());

#[cfg(not(any(loom, shuttle)))]
pub(super) fn is_something_left() -> bool {
    !LEFT.lock().is_empty()
}

/// `false`: there is still no thread for it.
#[cfg(not(any(loom, shuttle)))]
pub(super) fn drop_what_is_left() -> bool {
    let left = std::mem::take(&mut *LEFT.lock());
    if left.is_empty() {
        return true;
    }
    let now = Deadline::after(Duration::ZERO);
    let body = move || left.into_iter().for_each(|drops| drops());
    let dropped = threads::spawn_helper_until(DROPPER, now, body);
    let is_done = dropped.is_ok();
    if let Err((_, body)) = dropped {
        LEFT.lock().push(Box::new(body));
    }
    is_done
}

#[cfg(any(loom, shuttle))]
pub(super) fn is_something_left() -> bool {
    false
}

#[cfg(any(loom, shuttle))]
pub(super) fn drop_what_is_left() -> bool {
    true
}
