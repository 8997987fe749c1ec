//! A task of a scope that is given a name before it is submitted.

use super::verbs::verbs;
use super::{Scope, ScopedHandle};
use crate::sync::Arc;
use crate::task::TaskFn;
use std::fmt;
use std::panic::Location;

/// A task with a name, about to be submitted to a scope: made by
/// [`Scope::task`], with the verbs of the scope.
///
/// One builder submits any number of tasks.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(1)?;
/// let name = pool.scope(|s| s.task("left half").submit(|| ()).info().name().to_owned());
/// assert_eq!(name, "left half");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a task is not submitted before one of the verbs is called"]
pub struct ScopedTaskBuilder<'scope, 'env: 'scope> {
    scope: &'scope Scope<'scope, 'env>,
    name: Arc<str>,
}

impl<'scope, 'env> ScopedTaskBuilder<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, name: String) -> Self {
        ScopedTaskBuilder {
            scope,
            name: name.into(),
        }
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
        self.scope.push_named(body, name, submitted_at)
    }
}

impl fmt::Debug for ScopedTaskBuilder<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedTaskBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
