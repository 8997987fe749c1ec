//! One attempt that this process runs.

use crate::cancel::CancelToken;
use crate::clock::Now;
use crate::store::{AttemptId, ClaimedJob, JobInfo};
use crate::sync::{Arc, Mutex, OnceLock};
use crate::timer::Alarm;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

/// An attempt that a thread of this process runs, or has run. Its own fields are written by that
/// thread; any thread may read them, and cancel it.
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pub(super) queue: String,
    pub(super) kind: String,
    pub(super) meta: BTreeMap<String, String>,
    pub(super) number: u32,
    pub(super) max_attempts: u32,
    /// How often a stop interrupted the job before.
    pub(super) interrupted: u32,
    /// How many attempts in a row ended with their process before this one.
    pub(super) lost: u32,
    pub(super) first_due: SystemTime,
    pub(super) due: SystemTime,
    pub(super) timeout: Option<Duration>,
    pub(super) began: Instant,
    pub(super) token: CancelToken,
    /// Why the token was cancelled. Written once, before that.
    cause: OnceLock<Cause>,
    /// A lock for a copy only.
    note: Mutex<Option<Arc<str>>>,
    progress: Mutex<Option<Progress>>,
}

/// Why an attempt's token was cancelled: the first reason counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// An operator cancelled the job.
    Cancelled,
    /// It took too long.
    TimedOut,
    /// The time of a stop is nearly over.
    Stopped,
    /// Another process has taken the job over.
    LeaseLost,
}

/// How much of a job is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) done: u64,
    pub(super) of: u64,
}

/// The length of the errors and the notes of a handler, in bytes: stores keep no more of an error.
const LONGEST_TEXT: usize = JobInfo::MAX_REASON;

/// The beginning of a text that is too long.
pub(super) fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        const MORE: &str = "..";
        let mut places = (0..=LONGEST_TEXT - MORE.len()).rev();
        let place = places.find(|place| text.is_char_boundary(*place));
        text.truncate(place.unwrap_or(0));
        text.push_str(MORE);
    }
    text
}

impl Attempt {
    /// The attempt begins, and its payload is taken out of the job.
    pub(super) fn new(job: ClaimedJob, began: Instant) -> (Attempt, Vec<u8>) {
        let attempt = Attempt {
            id: job.attempt_id(),
            queue: job.queue,
            kind: job.kind,
            meta: job.meta,
            number: job.attempt,
            max_attempts: job.max_attempts,
            interrupted: job.interrupted,
            lost: job.lost,
            first_due: job.first_due,
            due: job.due,
            timeout: job.timeout,
            began,
            token: CancelToken::new(),
            cause: OnceLock::new(),
            note: Mutex::new(None),
            progress: Mutex::new(None),
        };
        (attempt, job.payload)
    }

    pub(super) fn cancel(&self, cause: Cause) {
        // A later cause changes nothing.
        let _ = self.cause.set(cause);
        self.token.cancel();
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        self.cause.get().copied()
    }

    pub(super) fn set_note(&self, text: Arc<str>) {
        *self.note.lock() = Some(text);
    }

    pub(super) fn note(&self) -> Option<Arc<str>> {
        self.note.lock().clone()
    }

    pub(super) fn set_progress(&self, progress: Progress) {
        *self.progress.lock() = Some(progress);
    }

    pub(super) fn progress(&self) -> Option<Progress> {
        *self.progress.lock()
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}

/// The time of the attempt is over.
impl Alarm for Attempt {
    fn ring(self: Arc<Self>, _: u64, _: Now) {
        self.cancel(Cause::TimedOut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_beginning_is_kept_without_half_a_letter() {
        let fitting = "x".repeat(LONGEST_TEXT);
        assert_eq!(shortened(fitting.clone()), fitting);
        let letters = "\u{e4}".repeat(LONGEST_TEXT);
        let short = shortened(letters.clone());
        assert_eq!(short.len(), LONGEST_TEXT);
        assert!(letters.starts_with(short.strip_suffix("..").unwrap()));
    }
}
