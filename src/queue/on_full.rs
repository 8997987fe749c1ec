//! What a submit does where there is no room.

use super::monitor::Monitor;
use super::refusal::Refusal;
use crate::cancel::{CancelToken, Listening};
use crate::clock::{self, Deadline};
use crate::sync::Arc;

/// What a submit does where there is no room, with the moments fixed.
#[derive(Clone, Copy)]
pub(crate) enum OnFull<'a> {
    /// Wait, until the token is cancelled if there is one. A thread on which the room itself
    /// depends, as a worker of the pool, never waits: it goes beyond the bound.
    WaitOrOverflow(Option<&'a CancelToken>),
    Refuse,
    /// Wait until then, in any thread.
    WaitUntil(Deadline),
}

impl<'a> OnFull<'a> {
    pub(crate) const WAIT: OnFull<'static> = OnFull::WaitOrOverflow(None);

    /// Whether a worker goes beyond the bound instead of waiting.
    #[inline]
    pub(crate) fn overflows(self) -> bool {
        matches!(self, OnFull::WaitOrOverflow(_))
    }

    /// How long a thread waits that does not overflow; `None`: not at all.
    pub(crate) fn wait(self) -> Option<Wait<'a>> {
        let (deadline, token) = match self {
            OnFull::WaitOrOverflow(token) => (Deadline::NEVER, token),
            OnFull::Refuse => return None,
            OnFull::WaitUntil(deadline) => (deadline, None),
        };
        Some(Wait { deadline, token })
    }

    /// The reason that the submitter gets. Whatever else refused it, once its token is
    /// cancelled that is the reason: a service may return such an error without failing.
    pub(crate) fn reason(self, refusal: Refusal) -> Refusal {
        match self.wait().and_then(|wait| wait.token) {
            Some(token) if token.is_cancelled() => Refusal::Cancelled,
            _ => refusal,
        }
    }
}

/// A wait for room, and what bounds it.
#[derive(Clone, Copy)]
pub(crate) struct Wait<'a> {
    deadline: Deadline,
    token: Option<&'a CancelToken>,
}

impl<'a> Wait<'a> {
    /// Why the wait is over, if it is.
    pub(crate) fn is_over(self) -> Option<Refusal> {
        if self.token.is_some_and(CancelToken::is_cancelled) {
            return Some(Refusal::Cancelled);
        }
        let has_passed = self.deadline != Deadline::NEVER && self.deadline.has_passed(clock::now());
        has_passed.then_some(Refusal::TimedOut)
    }

    pub(crate) fn deadline(self) -> Deadline {
        self.deadline
    }

    /// Lets the cancel of the token, if there is one, wake those that wait on `monitor`, for
    /// as long as the value returned lives.
    pub(super) fn listen<T: Send + 'static>(
        self,
        monitor: &Arc<Monitor<T>>,
    ) -> Option<Listening<'a>> {
        self.token.map(|token| token.listen(monitor.clone()))
    }
}
