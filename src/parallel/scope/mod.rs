//! Scopes: tasks that borrow from the thread that waits for them.

mod borrowed;
mod builder;
mod handle;
mod latch;
mod verbs;

pub use builder::ScopedTaskBuilder;
pub use handle::ScopedHandle;
pub(super) use latch::Latch;

use crate::cancel::{CancelToken, Listening};
use crate::queue::{OnFull, PoolRef};
use crate::sync::Arc;
use crate::task::{TaskCell, TaskFn, TaskLimits};
use crate::worker::{Origin, next_id};
use borrowed::ScopeLifetime;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use verbs::verbs;

/// A scope whose tasks may borrow whatever outlives it: see [`Pool::scope`](crate::Pool::scope).
///
/// It can be shared with its own tasks, which may submit more tasks to it.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use groundcrew::parallel::Scope;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// /// Counts the nodes of a tree that is two wide.
/// fn walk<'scope>(s: &'scope Scope<'scope, '_>, depth: u32, count: &'scope AtomicU32) {
///     count.fetch_add(1, Relaxed);
///     if depth > 0 {
///         s.execute(move || walk(s, depth - 1, count));
///         s.execute(move || walk(s, depth - 1, count));
///     }
/// }
///
/// let pool = Pool::new(2)?;
/// let count = AtomicU32::new(0);
/// pool.scope(|s| walk(s, 5, &count));
/// assert_eq!(count.into_inner(), 63);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    pool_ref: Arc<PoolRef>,
    latch: Arc<Latch>,
    // Invariant in both, or a shorter one could be passed off for them.
    scope: ScopeLifetime<'scope>,
    env: PhantomData<&'env mut &'env ()>,
}

pub(super) fn scope<'env, F, R>(pool_ref: &Arc<PoolRef>, body: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    let latch = Latch::new(&pool_ref.core, false);
    scope_with(pool_ref, latch, body)
}

/// The same with a latch that was made before.
pub(super) fn scope_with<'env, F, R>(pool_ref: &Arc<PoolRef>, latch: Arc<Latch>, body: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    let scope = Scope {
        pool_ref: pool_ref.clone(),
        latch,
        scope: ScopeLifetime(PhantomData),
        env: PhantomData,
    };
    borrowed::run(&scope.latch, &pool_ref.core, || body(&scope))
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Returns a builder for a task with a name. The name appears in reports, logs and
    /// [`TaskInfo::name`](crate::task::TaskInfo::name).
    pub fn task(&'scope self, name: impl Into<String>) -> ScopedTaskBuilder<'scope, 'env> {
        ScopedTaskBuilder::new(self, name.into())
    }
}

impl<'scope> Scope<'scope, '_> {
    verbs!();

    pub(super) fn push<B>(
        &self,
        body: B,
        submitted_at: &'static Location<'static>,
    ) -> ScopedHandle<'scope, B::Output>
    where
        B: TaskFn<Output: Send> + 'scope,
    {
        self.push_as(body, None, OnFull::WAIT, submitted_at)
    }

    /// Lets the cancel of `token` wake [`run_until`](Self::run_until).
    pub(super) fn listen<'a>(&self, token: &'a CancelToken) -> Listening<'a> {
        token.listen(self.latch.clone())
    }

    /// Runs what the pool gives back, until `is_over`. The latch has to notify of each end.
    pub(super) fn run_until(&self, is_over: impl Fn() -> bool) {
        self.latch.run_until(&self.pool_ref.core, is_over);
    }

    pub(super) fn push_as<B>(
        &self,
        body: B,
        name: Option<Arc<str>>,
        on_full: OnFull<'_>,
        submitted_at: &'static Location<'static>,
    ) -> ScopedHandle<'scope, B::Output>
    where
        B: TaskFn<Output: Send> + 'scope,
    {
        let id = next_id();
        let origin = Origin { id, submitted_at };
        let pool_ref = self.pool_ref.nearest();
        let latch = self.latch.clone();
        let cell = TaskCell::new(origin, name, TaskLimits::NONE, body, pool_ref, latch);
        self.latch.enter();
        let erased = borrowed::erase(&self.scope, cell.clone());
        match self.pool_ref.core.push_shared(erased.clone(), on_full) {
            true => self.latch.note(erased.clone()),
            false => erased.give_back(erased.clone()),
        }
        ScopedHandle::new(cell, erased)
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("pool", &self.pool_ref.core.name)
            .finish_non_exhaustive()
    }
}
