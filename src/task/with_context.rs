//! A closure that receives the context of its task.

use super::body::TaskFn;
use super::context::TaskContext;
use std::any::type_name;

/// A closure that wants its context.
pub(crate) struct WithContext<F>(pub(crate) F);

impl<F, T> TaskFn for WithContext<F>
where
    F: FnOnce(&TaskContext) -> T + Send,
{
    type Output = T;
    const WANTS_CONTEXT: bool = true;

    #[inline]
    fn call(self, context: Option<&TaskContext>) -> T {
        match context {
            Some(context) => (self.0)(context),
            None => unreachable!("WANTS_CONTEXT says that there is one"),
        }
    }

    fn type_name() -> &'static str {
        type_name::<F>()
    }
}
