//! The one place with `unsafe` code, but for handlers of signals: tasks that borrow are
//! made such that the pool, which knows nothing of their lifetimes, can hold them.
//!
//! A scoped task is a `task::TaskCell` in an `Arc`, shared by its handle, the queue, the
//! worker that runs it and the latch of its scope. It may borrow whatever lives
//! as long as `'scope`: its *contents* are the closure and, later, the result.
//! Everything else in the cell is `'static`. To put the cell into the queue, its lifetime is
//! *erased*: its type is changed from `dyn Shared + 'scope` to `dyn Shared`. That is sound
//! because:
//!
//! 1. **The contents are gone before the scope returns**, on every path. Each
//!    task is counted in the latch before it is pushed, and off by
//!    [`Link::ended`](crate::task::Link::ended), which the cell calls as its last
//!    act on each way out: run by a worker (popped, claimed or in place), run
//!    off the pool, or called off. By then the closure was consumed by its call,
//!    unwound or not, or dropped; the result was dropped, or lies in the cell
//!    for the handle, which takes it out when it is joined or dropped and which
//!    cannot outlive `'scope` itself. [`run`] returns only after the latch has
//!    counted to zero: if the body panics, that panic goes on afterwards, and if
//!    our own waiting unwound, the process would end. What a leaked handle holds is
//!    never touched again.
//! 2. **Only an empty cell stays behind.** A tombstone in the queue, the place on a
//!    worker's stack and an entry of the latch may hold the `Arc` for longer.
//!    The two `Option`s are `None` then, so that its drop reads two words and
//!    drops neither; a place of an observed or reported task holds names, numbers
//!    and the cell, of which it asks no more than those.
//! 3. **A place on a stack and a tombstone hold the erased cell**, for the same reason: it
//!    reaches the contents only through the cell's lock, where `start` finds no
//!    closure and gives up.
//! 4. **No stop, cancel or expiry moves the contents out of the scope's reach.**
//!    A stop withdraws a scoped task (`Link::SCOPED`) instead of putting it into
//!    its report; the report's erased cell of an abandoned one leaves the result to
//!    the handle; a cancel drops the closure on the thread of the handle, which
//!    is inside the scope, and is counted off after that. Scoped tasks have no
//!    limit for their start.
//! 5. **The scope's own thread runs what the pool will not.** What is refused, or withdrawn
//!    by a stop, is given to the latch, and run by that thread, or by one that joins it
//!    before. A worker also claims tasks that have not started. So the wait of 1 ends,
//!    unless a task itself never does.
//!
//! `'scope` cannot be chosen by the caller: the body has to work for any, and so
//! cannot let anything that holds it out; and it is invariant, so that nothing
//! shorter passes for it. That a task may borrow the [`Scope`](super::Scope) itself is covered
//! by 1, since that lives until `run` returns. Results and closures are `Send`,
//! since they travel between threads.

#![allow(unsafe_code)]

use super::latch::Latch;
use crate::queue::{PoolCore, Shared};
use crate::sync::Arc;
use crate::unwind;
use std::marker::PhantomData;
use std::mem;
use std::panic::resume_unwind;

/// The lifetime `'scope`, invariant: held by the [`Scope`](super::Scope).
pub(super) struct ScopeLifetime<'scope>(pub(super) PhantomData<&'scope mut &'scope ()>);

/// Calls the `body` of a scope, and returns when every task that `latch` counted has ended.
pub(super) fn run<R>(latch: &Latch, core: &PoolCore, body: impl FnOnce() -> R) -> R {
    let returned = unwind::catch(body);
    let unwinding_would_be_unsound = AbortOnDrop;
    let panic = latch.complete(core);
    mem::forget(unwinding_would_be_unsound);
    let panic = match &returned {
        Ok(_) => panic,
        Err(_) => None,
    };
    match (returned, panic) {
        (Ok(returned), None) => returned,
        (Err(payload), _) => resume_unwind(payload),
        (Ok(returned), Some(panic)) => {
            unwind::drop_guarded(returned, || "what the body of a scope returned".to_owned());
            resume_unwind(panic.into_payload())
        }
    }
}

/// Erases the lifetime of a task, for the pool. The task was counted by the latch of its scope
/// ([`Latch::enter`]), which is its link, and which [`run`] waits for.
pub(super) fn erase<'scope>(
    _: &ScopeLifetime<'scope>,
    task: Arc<dyn Shared + 'scope>,
) -> Arc<dyn Shared> {
    // SAFETY: the two types differ in a lifetime only. What lives no longer than
    // that is gone when the scope returns, and not touched afterwards: the five
    // points above.
    unsafe { mem::transmute::<Arc<dyn Shared + 'scope>, Arc<dyn Shared>>(task) }
}

struct AbortOnDrop;

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        std::process::abort();
    }
}
