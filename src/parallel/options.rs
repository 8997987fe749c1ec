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
    /// The loop cancels the token itself, once its outcome is decided.
    pub(super) owns_token: bool,
}

impl LoopOptions {
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// The outcome is decided: what still runs may end early.
    pub(super) fn decided(&self) {
        if let (true, Some(token)) = (self.owns_token, &self.token) {
            token.cancel();
        }
    }

    /// How its tasks wait for room in the queue.
    pub(super) fn on_full(&self) -> OnFull<'_> {
        OnFull::WaitOrOverflow(self.token.as_ref())
    }
}
