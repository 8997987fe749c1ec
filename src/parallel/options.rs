//! What a program chooses for one loop.

use crate::cancel::CancelToken;
use crate::queue::OnFull;
use crate::sync::Arc;

#[derive(Default)]
pub(super) struct LoopOptions {
    /// The name of its tasks; without one, that of its closure.
    pub(super) name: Option<Arc<str>>,
    /// Cuts it short.
    pub(super) token: Option<CancelToken>,
}

impl LoopOptions {
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// How its tasks wait for room in the queue.
    pub(super) fn on_full(&self) -> OnFull<'_> {
        OnFull::WaitOrOverflow(self.token.as_ref())
    }
}
