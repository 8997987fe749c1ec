//! The same for models: a thread for each cancel, since statics outlive a run of a checker.

use super::closure::Closure;
use crate::clock::Deadline;
use crate::sync::Arc;
use crate::threads;
use std::time::Duration;

pub(super) fn register() {}

pub(super) fn unregister() {}

pub(super) fn call(closures: Vec<Arc<Closure>>) {
    if closures.is_empty() {
        return;
    }
    let now = Deadline::after(Duration::ZERO);
    let body = move || closures.iter().for_each(|closure| closure.call());
    if let Err((_, body)) = threads::spawn_helper_until("on-cancel", now, body) {
        body();
    }
}
