//! Scopes: tasks that borrow from the one who waits for them.

mod borrowed;
mod handle;
mod latch;

pub use handle::ScopedHandle;

use crate::clock::Deadline;
use crate::queue::{Home, WithContext};
use crate::sync::Arc;
use crate::task::{Bare, Cell, Origin, TaskContext, TaskFn, next_id};
use latch::Latch;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

/// A scope, inside of which tasks may borrow what lives longer than it: see
/// [`Pool::scope`](crate::Pool::scope).
///
/// It can be shared with its own tasks, which may submit further ones to it.
pub struct Scope<'scope, 'env: 'scope> {
    home: Arc<Home>,
    latch: Arc<Latch>,
    // Invariant in both, or a shorter one could be passed off for them.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

pub(super) fn scope<'env, F, R>(home: &Arc<Home>, body: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    let scope = Scope {
        home: home.clone(),
        latch: Latch::new(&home.queue),
        scope: PhantomData,
        env: PhantomData,
    };
    borrowed::run(&scope, body)
}

impl<'scope> Scope<'scope, '_> {
    /// Submits a task and returns a handle to its result.
    ///
    /// Blocks while the queue is full, and never in one of the pool's own
    /// workers, like [`Pool::submit`](crate::Pool::submit). Once the pool is
    /// closed the task does not go there: it is run when somebody joins it, at
    /// the latest by the scope's own thread at the end of the scope.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(2)?;
    /// let (mut left, mut right) = ([3, 1, 2], [6, 4, 5]);
    /// pool.scope(|s| {
    ///     let sorted = s.submit(|| left.sort());
    ///     right.sort();
    ///     sorted.join().unwrap();
    /// });
    /// assert_eq!((left, right), ([1, 2, 3], [4, 5, 6]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn submit<F, T>(&'scope self, task: F) -> ScopedHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.push(Bare(task), Location::caller())
    }

    /// Submits a task without a handle; otherwise like [`submit`](Self::submit),
    /// also in when it blocks. If it panics, the scope resumes that panic in the
    /// end.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(2)?;
    /// let mut squares = [1, 2, 3, 4];
    /// pool.scope(|s| {
    ///     for n in &mut squares {
    ///         s.execute(move || *n *= *n);
    ///     }
    /// });
    /// assert_eq!(squares, [1, 4, 9, 16]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn execute<F, T>(&'scope self, task: F)
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        drop(self.push(Bare(task), Location::caller()));
    }

    /// Submits a task that is given its [`TaskContext`]; otherwise like
    /// [`submit`](Self::submit), also in when it blocks.
    ///
    /// Its token is a child of the pool's, also when the pool does not run it.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(2)?;
    /// let name = String::from("beach.png");
    /// let asked = pool.scope(|s| {
    ///     let task = s.submit_with(|ctx| {
    ///         ctx.note(format!("resizing {name}"));
    ///         ctx.is_cancelled()
    ///     });
    ///     task.join().unwrap()
    /// });
    /// assert!(!asked);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn submit_with<F, T>(&'scope self, task: F) -> ScopedHandle<'scope, T>
    where
        F: FnOnce(&TaskContext) -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.push(WithContext(task), Location::caller())
    }

    /// Submits a task without a handle that is given its [`TaskContext`];
    /// otherwise like [`execute`](Self::execute), also in when it blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = groundcrew::Pool::new(2)?;
    /// let mut rows = [0_u32; 8];
    /// pool.scope(|s| {
    ///     for row in &mut rows {
    ///         s.execute_with(move |ctx| {
    ///             if !ctx.is_cancelled() {
    ///                 *row = 1;
    ///             }
    ///         });
    ///     }
    /// });
    /// assert_eq!(rows.iter().sum::<u32>(), 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn execute_with<F, T>(&'scope self, task: F)
    where
        F: FnOnce(&TaskContext) -> T + Send + 'scope,
        T: Send + 'scope,
    {
        drop(self.push(WithContext(task), Location::caller()));
    }

    /// Submits any body. What is refused is given back to the scope.
    pub(super) fn push<B>(
        &'scope self,
        body: B,
        submitted_at: &'static Location<'static>,
    ) -> ScopedHandle<'scope, B::Output>
    where
        B: TaskFn<Output: Send> + 'scope,
    {
        let id = next_id();
        let origin = Origin { id, submitted_at };
        let home = self.home.nearest();
        let latch = self.latch.clone();
        let cell = Cell::new(origin, None, Deadline::NEVER, body, home, latch);
        self.latch.enter();
        let shell = borrowed::shell(self, cell.clone());
        match self.home.queue.push_shared(shell.clone()) {
            true => self.latch.note(shell.clone()),
            false => shell.give_back(shell.clone()),
        }
        ScopedHandle::new(cell, shell)
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("pool", &self.home.queue.name)
            .finish_non_exhaustive()
    }
}
