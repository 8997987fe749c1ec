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

    /// Takes a postponed attempt back: the next one has its number. Its error is returned,
    /// since its drop is the program's code.
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
