//! A task that is tried again when it fails, as the worker sees it.

use super::verbs::Closure;
use crate::clock::{self, Clock};
use crate::queue::{RetryPermit, start_limit};
use crate::retry::{self, FailedAttempt, GiveUpReason, History, Retry, RetryError, Verdict};
use crate::sync::Arc;
use crate::task::{Attempt, Next, TaskContext, TaskFn, TaskInfo};
use crate::unwind::{self, RateLimit};
use std::any::type_name;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

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

/// What the program says of an error.
pub(super) type Judge<E> = Arc<dyn Fn(&E) -> Verdict + Send + Sync>;

/// What a task that is retried is made of.
pub(super) struct Terms<E> {
    pub(super) policy: Retry,
    /// Without one every error is worth another attempt.
    pub(super) judge: Option<Judge<E>>,
    /// For each attempt.
    pub(super) time_limit: Option<Duration>,
    pub(super) clock: Clock,
    /// No caller gets the final error: it is logged that there was one.
    pub(super) is_unheard: bool,
    /// Held for as long as the task is there.
    pub(super) _permit: RetryPermit,
}

pub(super) struct Attempts<C, T, E> {
    closure: C,
    terms: Terms<E>,
    made: u32,
    /// When the first attempt began.
    began: Option<Instant>,
    history: History<E>,
    /// The one before did not count. Its error is dropped where the program's code may run.
    uncounted: Option<FailedAttempt<E>>,
    result: PhantomData<fn() -> T>,
}

impl<C, T, E> Attempts<C, T, E> {
    pub(super) fn new(closure: C, terms: Terms<E>) -> Attempts<C, T, E> {
        Attempts {
            closure,
            terms,
            made: 0,
            began: None,
            history: History::new(),
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

    fn attempt(mut self, context: Option<&TaskContext>) -> Attempt<Self> {
        self.uncounted = None;
        let now = self.terms.clock.now();
        let first = *self.began.get_or_insert(now);
        self.made = self.made.saturating_add(1);
        let limit = start_limit(context, self.terms.time_limit);
        let attempted = self.closure.attempt(context, self.made);
        drop(limit);
        let error = match attempted {
            Ok(value) => return Attempt::Ended(Ok(value)),
            Err(error) => error,
        };
        let ended = self.terms.clock.now();
        let judge = self.terms.judge.as_deref();
        let verdict = judge.map_or(Verdict::Retry, |judge| judge(&error));
        self.history.push(FailedAttempt {
            number: self.made,
            began: now.saturating_duration_since(first),
            ran: ended.saturating_duration_since(now),
            error: Some(error),
        });
        let elapsed = ended.saturating_duration_since(first);
        let policy = &self.terms.policy;
        let next = policy.decide(self.made, elapsed, verdict, retry::random());
        let was_none = matches!(verdict, Verdict::Postpone(_));
        Attempt::Failed(self, next.map(|after| Next { after, was_none }))
    }

    fn give_up(self, gave_up: GiveUpReason, info: &TaskInfo) -> Self::Output {
        if self.terms.is_unheard {
            log_unheard(info, gave_up, self.made);
        }
        Err(self.history.into_error(gave_up, self.made))
    }

    fn uncount(&mut self) {
        self.made -= 1;
        self.uncounted = self.history.pop();
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
        unwind::log_guarded(|| {
            log::error!("task {info} failed for good: {gave_up} ({attempts}){more}");
        });
    }
}
