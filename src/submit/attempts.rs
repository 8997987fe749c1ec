//! A task that is tried again when it fails, as the worker sees it.

use super::verbs::Closure;
use crate::clock::{self, Clock};
use crate::queue::RetryPermit;
use crate::record::record;
use crate::retry::{FailedAttempt, GiveUpReason, Retry, RetryError, RetryState};
use crate::task::{Attempt, Next, TaskContext, TaskFn, TaskInfo};
use crate::trace::Parent;
use crate::unwind::{self, RateLimit};
use std::any::type_name;
use std::marker::PhantomData;

/// A closure that makes one attempt, with or without a context.
pub(super) trait AttemptFn<T, E>: Send {
    const WANTS_CONTEXT: bool;
    /// What the program gave.
    type Inner;
    fn attempt(&mut self, context: Option<&TaskContext>, number: u32) -> Result<T, E>;
    fn into_inner(self) -> Self::Inner;
    fn type_name() -> &'static str;
}

/// `FnMut(u32)`.
pub(super) struct Numbered<F>(pub(super) F);

impl<F: FnMut(u32) -> Result<T, E> + Send, T, E> AttemptFn<T, E> for Numbered<F> {
    const WANTS_CONTEXT: bool = false;
    type Inner = F;

    fn attempt(&mut self, _: Option<&TaskContext>, number: u32) -> Result<T, E> {
        (self.0)(number)
    }

    fn into_inner(self) -> F {
        self.0
    }

    fn type_name() -> &'static str {
        type_name::<F>()
    }
}

/// `FnMut(&TaskContext, u32)`.
pub(super) struct NumberedWithContext<F>(pub(super) F);

impl<F, T, E> AttemptFn<T, E> for NumberedWithContext<F>
where
    F: FnMut(&TaskContext, u32) -> Result<T, E> + Send,
{
    const WANTS_CONTEXT: bool = true;
    type Inner = F;

    fn attempt(&mut self, context: Option<&TaskContext>, number: u32) -> Result<T, E> {
        match context {
            Some(context) => (self.0)(context, number),
            None => unreachable!("WANTS_CONTEXT says that there is one"),
        }
    }

    fn into_inner(self) -> F {
        self.0
    }

    fn type_name() -> &'static str {
        type_name::<F>()
    }
}

/// What a task that is retried is made of, besides its policy.
pub(super) struct Terms {
    pub(super) clock: Clock,
    /// No caller gets the final error: it is logged that there was one.
    pub(super) is_unheard: bool,
    /// Held for as long as the task is there.
    pub(super) _permit: RetryPermit,
    /// Of each attempt.
    pub(super) parent: Parent,
}

pub(super) struct Attempts<C, T, E> {
    closure: C,
    terms: Terms,
    state: RetryState<E>,
    /// The one before did not count. Its error is dropped where the program's code may run.
    uncounted: Option<FailedAttempt<E>>,
    result: PhantomData<fn() -> T>,
}

impl<C, T, E> Attempts<C, T, E> {
    pub(super) fn new(closure: C, policy: Retry<E>, terms: Terms) -> Attempts<C, T, E> {
        Attempts {
            closure,
            terms,
            state: RetryState::new(policy),
            uncounted: None,
            result: PhantomData,
        }
    }
}

impl<C: AttemptFn<T, E>, T, E: Send> TaskFn for Attempts<C, T, E> {
    type Output = Result<T, RetryError<E>>;
    const WANTS_CONTEXT: bool = true;
    const HAS_TOKEN: bool = C::WANTS_CONTEXT;
    const RETRIES: bool = true;

    fn call(self, _: Option<&TaskContext>) -> Self::Output {
        unreachable!("what is retried is run attempt by attempt")
    }

    fn take_parent(&mut self) -> Parent {
        self.terms.parent.clone()
    }

    fn attempt(mut self, context: Option<&TaskContext>) -> Attempt<Self> {
        self.uncounted = None;
        let began = self.terms.clock.now();
        let number = self.state.begin(began);
        let error = match self.closure.attempt(context, number) {
            Ok(value) => return Attempt::Ended(Ok(value)),
            Err(error) => error,
        };
        let ended = self.terms.clock.now();
        let judged = self.state.failed(error, began, ended);
        let next = judged.next.map(|after| Next {
            after,
            was_none: judged.is_postponed,
        });
        Attempt::Failed(self, next)
    }

    fn give_up(self, gave_up: GiveUpReason, info: &TaskInfo) -> Self::Output {
        let attempts = self.state.tried();
        if self.terms.is_unheard {
            log_unheard(info, gave_up, attempts);
        }
        Err(self.state.into_error(gave_up, attempts))
    }

    fn uncount(&mut self) {
        self.uncounted = self.state.uncount();
    }

    fn type_name() -> &'static str {
        C::type_name()
    }
}

impl<C: AttemptFn<T, E>, T, E: Send> Closure for Attempts<C, T, E> {
    type Inner = C::Inner;
    fn into_inner(self) -> C::Inner {
        self.closure.into_inner()
    }
}

fn log_unheard(info: &TaskInfo, gave_up: GiveUpReason, attempts: u32) {
    static LIMIT: RateLimit = RateLimit::new();
    if let Some(unlogged) = LIMIT.admit(clock::now()) {
        let more = unwind::and_more(unlogged, "failed");
        record!(
            Error,
            RETRY,
            "task {info} failed for good: {gave_up} ({attempts}){more}"
        );
    }
}
