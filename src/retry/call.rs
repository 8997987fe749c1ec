//! Attempts on the thread that wants the result.

use super::error::{FailedAttempt, History, RetryError};
use super::policy::{GiveUpReason, Retry, Verdict};
use super::random::random;
use crate::cancel::CancelToken;
use crate::clock;

impl Retry {
    /// Calls `call` with the number of the attempt, from 1 on, until it succeeds or the
    /// policy gives up. Blocks until then, the pauses included: for a service, or the
    /// handler of a [`WorkQueue`](crate::WorkQueue), which has a thread of its own. A task of a
    /// pool that waits like this keeps its worker; there
    /// [`TaskBuilder::retry`](crate::TaskBuilder::retry) is better.
    ///
    /// The first attempt is made in any case. When `token` is cancelled, a pause ends at once
    /// and there is no further attempt. In a service that is its
    /// [own](crate::ServiceContext::token); the one of a queue's handler is cancelled only in
    /// the last part of a stop, so that the queue can be drained, and
    /// [the host's](crate::HostHandle::token) as soon as it begins.
    ///
    /// # Errors
    ///
    /// The last error and those before it, with the [reason](RetryError::gave_up) to give up:
    /// [`GiveUpReason::Stopped`] if that was the token.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{CancelToken, Retry};
    /// use groundcrew::retry::GiveUpReason;
    /// use std::time::Duration;
    ///
    /// let token = CancelToken::new(); // in a service `ctx.token()`
    /// let retry = Retry::exponential(Duration::from_millis(1));
    /// let connected = retry.call(&token, |attempt| match attempt {
    ///     1 | 2 => Err("connection refused"),
    ///     _ => Ok(attempt),
    /// });
    /// assert_eq!(connected.unwrap(), 3);
    ///
    /// token.cancel();
    /// let error = retry.call(&token, |_| Err::<(), _>("connection refused")).unwrap_err();
    /// assert_eq!((error.attempts(), error.gave_up()), (1, GiveUpReason::Stopped));
    /// ```
    pub fn call<T, E>(
        &self,
        token: &CancelToken,
        call: impl FnMut(u32) -> Result<T, E>,
    ) -> Result<T, RetryError<E>> {
        self.call_judging(token, call, |_| Verdict::Retry)
    }

    /// As [`call`](Self::call), with the same blocking; `judge` decides for each error
    /// whether another attempt is worth it, and when. A [postponed](Verdict::Postpone)
    /// attempt does not count.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); [`GiveUpReason::Verdict`] if that was what `judge` said.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{CancelToken, Retry};
    /// use groundcrew::retry::{CallError, CircuitBreaker, GiveUpReason, Verdict};
    /// use std::time::Duration;
    ///
    /// let (retry, smtp) = (Retry::fixed(Duration::from_secs(1)), CircuitBreaker::new("smtp"));
    /// let sent = retry.call_judging(
    ///     &CancelToken::new(),
    ///     |_| smtp.call(|| Err::<(), _>("no such user")),
    ///     |error: &CallError<&str>| {
    ///         error.verdict(|failed| match *failed {
    ///             "no such user" => Verdict::GiveUp,
    ///             _ => Verdict::Retry,
    ///         })
    ///     },
    /// );
    /// assert_eq!(sent.unwrap_err().gave_up(), GiveUpReason::Verdict);
    /// ```
    pub fn call_judging<T, E>(
        &self,
        token: &CancelToken,
        mut call: impl FnMut(u32) -> Result<T, E>,
        judge: impl Fn(&E) -> Verdict,
    ) -> Result<T, RetryError<E>> {
        let first = clock::now();
        let (mut history, mut made) = (History::new(), 0_u32);
        loop {
            let number = made.saturating_add(1);
            let began = clock::now();
            let error = match call(number) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let ended = clock::now();
            let verdict = judge(&error);
            history.push(FailedAttempt {
                number,
                began: began.saturating_duration_since(first),
                ran: ended.saturating_duration_since(began),
                error: Some(error),
            });
            let was_none = matches!(verdict, Verdict::Postpone(_));
            if !was_none {
                made = number;
            }
            let elapsed = ended.saturating_duration_since(first);
            let pause = match self.decide(number, elapsed, verdict, random()) {
                Ok(pause) => pause,
                Err(gave_up) => return Err(history.into_error(gave_up, made)),
            };
            if token.wait_timeout(pause) {
                return Err(history.into_error(GiveUpReason::Stopped, made));
            }
            if was_none {
                drop(history.pop());
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;
    use std::time::Duration;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_postponed_is_no_attempt_and_is_not_remembered() {
        let calls = std::cell::Cell::new(0);
        let judge = |error: &i32| match error {
            1 | 2 => Verdict::Postpone(Duration::ZERO),
            _ => Verdict::Retry,
        };
        let call = |_| {
            calls.set(calls.get() + 1);
            Err::<(), i32>(calls.get())
        };
        let retry = Retry::fixed(MOMENT).attempts(2);
        let error = retry
            .call_judging(&CancelToken::new(), call, judge)
            .unwrap_err();
        assert_eq!(
            (error.attempts(), error.gave_up()),
            (2, GiveUpReason::Attempts)
        );
        let errors = error.history().iter().map(|failed| *failed.error());
        assert_eq!(errors.collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_pause_ends_with_the_token_and_what_was_postponed_then_counts_as_none() {
        let token = CancelToken::new();
        let retry = Retry::fixed(Duration::MAX);
        for (verdict, attempts) in [(Verdict::Retry, 1), (Verdict::Postpone(Duration::MAX), 0)] {
            let call = |_| {
                token.cancel();
                Err::<(), _>("down")
            };
            let error = retry.call_judging(&token, call, |_| verdict).unwrap_err();
            assert_eq!(
                (error.attempts(), error.gave_up()),
                (attempts, GiveUpReason::Stopped)
            );
            assert_eq!(*error.error(), "down");
        }
    }

    #[test]
    fn the_deadline_counts_from_the_first_attempt() {
        let retry = Retry::fixed(MOMENT).deadline(20 * MOMENT);
        let error = retry
            .call(&CancelToken::new(), |_| Err::<(), _>("down"))
            .unwrap_err();
        assert_eq!(error.gave_up(), GiveUpReason::Deadline);
        // It became due in time; a busy machine may have begun it later.
        let in_time = |before: &FailedAttempt<_>| before.began() + before.ran() <= 19 * MOMENT;
        let (_, earlier) = error.history().split_last().unwrap();
        assert!(earlier.iter().all(in_time), "{:?}", error.history());
    }
}
