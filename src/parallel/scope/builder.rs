//! A task of a scope that is given a name before it is submitted.

use super::verbs::verbs;
use super::{Scope, ScopedHandle};
use crate::submit::WhenFull;
use crate::sync::Arc;
use crate::task::TaskFn;
use std::fmt;
use std::panic::Location;

/// A builder for a task of a scope with a name. Created by [`Scope::task`]. It has the submit
/// methods of the scope.
///
/// One builder can submit any number of tasks.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(1)?;
/// let name = pool.scope(|s| s.task("left half").submit(|| ()).info().name().to_owned());
/// assert_eq!(name, "left half");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a task is not submitted before one of its submit methods is called"]
pub struct ScopedTaskBuilder<'scope, 'env: 'scope> {
    scope: &'scope Scope<'scope, 'env>,
    name: Arc<str>,
    when_full: WhenFull,
}

impl<'scope, 'env> ScopedTaskBuilder<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, name: String) -> Self {
        ScopedTaskBuilder {
            scope,
            name: name.into(),
            when_full: WhenFull::Wait,
        }
    }

    /// Sets what the submit methods do while the queue is full, like
    /// [`TaskBuilder::when_full`](crate::submit::TaskBuilder::when_full).
    ///
    /// A task that is not accepted stays with its scope, as it does once the pool is closed. The
    /// first thread that joins it runs it, or the scope's own thread at the end of the scope.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::submit::WhenFull;
    /// use std::thread;
    ///
    /// let pool = groundcrew::Pool::builder().threads(1).queue_capacity(1).build()?;
    /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
    /// pool.execute(move || gate.recv().unwrap_or_default())?;
    /// while pool.running().is_empty() {}
    /// pool.execute(|| ())?; // the only place in the queue
    /// let ran_on = pool.scope(|s| {
    ///     let task = s.task("half").when_full(WhenFull::Refuse);
    ///     task.submit(|| thread::current().id()).join().unwrap()
    /// });
    /// assert_eq!(ran_on, thread::current().id());
    /// # drop(open);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn when_full(mut self, when_full: impl Into<WhenFull>) -> Self {
        self.when_full = when_full.into();
        self
    }
}

impl<'scope> ScopedTaskBuilder<'scope, '_> {
    verbs!();

    fn push<B>(
        &self,
        body: B,
        submitted_at: &'static Location<'static>,
    ) -> ScopedHandle<'scope, B::Output>
    where
        B: TaskFn<Output: Send> + 'scope,
    {
        let name = Some(self.name.clone());
        let on_full = self.when_full.begin();
        self.scope.push_as(body, name, on_full, submitted_at)
    }
}

impl fmt::Debug for ScopedTaskBuilder<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedTaskBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
