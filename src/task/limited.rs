//! A closure with a limit for its time.

use super::body::TaskFn;
use super::context::TaskContext;
use crate::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) struct Limited<C> {
    pub(crate) limit: Duration,
    pub(crate) body: C,
}

impl<C: TaskFn> TaskFn for Limited<C> {
    type Output = C::Output;
    const WANTS_CONTEXT: bool = true;
    const HAS_TOKEN: bool = C::HAS_TOKEN;

    fn call(self, context: Option<&TaskContext>) -> C::Output {
        // Until its drop.
        let _limit = context.and_then(|context| context.limit(self.limit));
        self.body.call(context)
    }

    fn type_name() -> &'static str {
        C::type_name()
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.body.name()
    }

    fn is_late(&self) -> bool {
        self.body.is_late()
    }

    fn queued_at(&self) -> Option<Instant> {
        self.body.queued_at()
    }

    fn renew(&mut self) {
        self.body.renew();
    }
}
