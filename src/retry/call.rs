//! Attempts on the calling thread.

use super::GiveUpReason;
use super::error::RetryError;
use super::policy::{IntoRetry, Retry, RetryPolicy};
use super::state::RetryState;
use crate::cancel::CancelToken;
use crate::clock;

impl<P: ?Sized> Retry<P> {
    /// Calls `call` with the number of the attempt, from 1, until it succeeds or the policy
    /// gives up. Blocks until then, the pauses included.
    ///
    /// Use this in a service or in the handler of a [`WorkQueue`](crate::WorkQueue), which have
    /// their own threads. A task of a pool would occupy its worker during the pauses: use
    /// [`TaskBuilder::retry`](crate::TaskBuilder::retry) there.
    ///
    /// The first attempt is always made. When `token` is cancelled, a pause ends at once and there
    /// is no further attempt. A service passes its [own token](crate::ServiceContext::token). The
    /// token of a queue's handler is cancelled only in the last part of a stop, so that the queue
    /// can be drained. The [host's token](crate::HostHandle::token) is cancelled when the stop
    /// begins.
    ///
    /// # Errors
    ///
    /// Returns the last error and the previous ones, with the [reason](RetryError::gave_up) to give
    /// up. The reason is [`GiveUpReason::Stopped`] if the token was cancelled. A
    /// [postponed](crate::retry::Verdict::Postpone) attempt does not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{CancelToken, Retry};
    /// use groundcrew::retry::{CircuitBreaker, GiveUpReason, Verdict};
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
    /// let retry = retry.on_error(|error: &&str| match *error {
    ///     "no such user" => Verdict::GiveUp,
    ///     _ => Verdict::Retry,
    /// });
    /// let smtp = CircuitBreaker::new("smtp");
    /// let sent = retry.call(&token, |_| smtp.call(|| Err::<(), _>("no such user")));
    /// assert_eq!(sent.unwrap_err().gave_up(), GiveUpReason::Verdict);
    ///
    /// token.cancel();
    /// let error = retry.call(&token, |_| Err::<(), _>("connection refused")).unwrap_err();
    /// assert_eq!((error.attempts(), error.gave_up()), (1, GiveUpReason::Stopped));
    /// ```
    pub fn call<T, E>(
        &self,
        token: &CancelToken,
        mut call: impl FnMut(u32) -> Result<T, E>,
    ) -> Result<T, RetryError<E>>
    where
        Self: RetryPolicy<E>,
    {
        let mut state = RetryState::new(self.clone().into_retry());
        loop {
            let began = clock::now();
            let number = state.begin(began);
            let error = match call(number) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let ended = clock::now();
            let judged = state.failed(error, began, ended);
            let gave_up = match judged.next {
                Err(gave_up) => Some(gave_up),
                Ok(pause) => token.wait_timeout(pause).then_some(GiveUpReason::Stopped),
            };
            if let Some(gave_up) = gave_up {
                let attempts = state.counted();
                return Err(state.into_error(gave_up, attempts));
            }
            if judged.is_postponed {
                drop(state.uncount());
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;
    use crate::retry::{FailedAttempt, Verdict};
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
        let retry = Retry::fixed(MOMENT).attempts(2).on_error(judge);
        let error = retry.call(&CancelToken::new(), call).unwrap_err();
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
            let retry = retry.clone().on_error(move |_: &&str| verdict);
            let error = retry.call(&token, call).unwrap_err();
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
