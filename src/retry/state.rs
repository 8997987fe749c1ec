//! The attempts of one task or call: which were made, and what follows a failure.

use super::error::{FailedAttempt, RetryError};
use super::policy::Judged;
use super::{GiveUpReason, Retry};
use std::collections::VecDeque;
use std::time::Instant;

/// The number of failed attempts that are remembered.
const LONGEST_HISTORY: usize = 16;

/// What was tried until now, by one policy. Pure, except for the judge and the random
/// number: the time comes in.
pub(crate) struct RetryState<E> {
    policy: Retry<E>,
    /// Number of the attempt that runs, or ran last; 0 before the first.
    attempt: u32,
    /// When the first attempt began.
    began: Option<Instant>,
    /// The newest last.
    history: VecDeque<FailedAttempt<E>>,
    /// The newest of the history was postponed.
    is_postponed: bool,
}

impl<E> RetryState<E> {
    pub(crate) fn new(policy: Retry<E>) -> RetryState<E> {
        RetryState {
            policy,
            attempt: 0,
            began: None,
            history: VecDeque::new(),
            is_postponed: false,
        }
    }

    /// Begins an attempt, and returns its number.
    pub(crate) fn begin(&mut self, now: Instant) -> u32 {
        self.began.get_or_insert(now);
        self.attempt = self.attempt.saturating_add(1);
        self.attempt
    }

    /// The attempt that ran from `began` to `ended` failed. If it was postponed and there is
    /// another one, [`uncount`](Self::uncount) is to be called before that begins.
    pub(crate) fn failed(&mut self, error: E, began: Instant, ended: Instant) -> Judged {
        let first = self.began.unwrap_or(began);
        let elapsed = ended.saturating_duration_since(first);
        let judged = self.policy.judge(&error, self.attempt, elapsed);
        self.is_postponed = judged.is_postponed;
        self.remember(FailedAttempt {
            number: self.attempt,
            began: began.saturating_duration_since(first),
            ran: ended.saturating_duration_since(began),
            error: Some(error),
        });
        judged
    }

    fn remember(&mut self, attempt: FailedAttempt<E>) {
        if self.history.len() == LONGEST_HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(attempt);
    }

    /// Takes the last attempt back, which was postponed or cut short by a stop: the next one
    /// has its number. Its error is returned, since its drop is the program's code.
    pub(crate) fn uncount(&mut self) -> Option<FailedAttempt<E>> {
        self.attempt = self.attempt.saturating_sub(1);
        self.is_postponed = false;
        self.history.pop_back()
    }

    /// Number of attempts, with the last one even if it was postponed.
    pub(crate) fn tried(&self) -> u32 {
        self.attempt
    }

    /// Number of attempts, without the last one if it was postponed.
    pub(crate) fn counted(&self) -> u32 {
        self.attempt - u32::from(self.is_postponed)
    }

    /// At least one attempt has failed.
    pub(crate) fn into_error(self, gave_up: GiveUpReason, attempts: u32) -> RetryError<E> {
        RetryError::new(gave_up, attempts, self.history.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::retry::{IntoRetry, Verdict};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_last_attempts_are_remembered_and_times_count_from_the_first() {
        let retry: Retry<u32> = Retry::fixed(SECOND).into_retry();
        let (mut state, start) = (RetryState::new(retry), clock::now());
        for number in 1..=20 {
            let began = start + number * SECOND;
            assert_eq!(state.begin(began), number);
            let judged = state.failed(number, began, began + SECOND / 2);
            assert_eq!((judged.is_postponed, judged.next), (false, Ok(SECOND)));
        }
        let error = state.into_error(GiveUpReason::Stopped, 20);
        let numbers = error.history().iter().map(FailedAttempt::number);
        assert_eq!(numbers.collect::<Vec<_>>(), (5..=20).collect::<Vec<_>>());
        let last = &error.history()[15];
        assert_eq!((last.began(), last.ran()), (19 * SECOND, SECOND / 2));
    }

    #[test]
    fn a_postponed_attempt_gives_its_number_back_and_leaves_the_history() {
        let retry = Retry::fixed(SECOND).on_error(|error: &u32| match error {
            0 => Verdict::Postpone(SECOND),
            _ => Verdict::Retry,
        });
        let (mut state, now) = (RetryState::new(retry), clock::now());
        assert_eq!(state.begin(now), 1);
        assert!(state.failed(0, now, now).is_postponed);
        assert_eq!((state.tried(), state.counted()), (1, 0));
        assert_eq!(*state.uncount().unwrap().error(), 0);
        assert_eq!((state.tried(), state.counted()), (0, 0));
        assert_eq!(state.begin(now), 1);
        assert!(!state.failed(1, now, now).is_postponed);
        assert_eq!((state.tried(), state.counted()), (1, 1));
        assert_eq!(
            state.into_error(GiveUpReason::Attempts, 1).history().len(),
            1
        );
    }
}
