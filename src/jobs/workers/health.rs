//! Whether the store can be used. Pure.

use crate::retry::Backoff;
use crate::store::StoreError;
use std::time::{Duration, Instant};

/// What a thread asks of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Lease,
    Claim,
    Finish,
    /// To find processes that have ended, and to take over from them.
    Processes,
    /// To find what was cancelled, and what was claimed without an answer.
    Held,
    /// To make due jobs available.
    Promote,
    /// To declare recurring jobs, and to enqueue those that are due.
    Recurring,
}

/// Which parts fail, since when, and how often in a row.
#[derive(Default)]
pub(super) struct Health {
    parts: [Failures; 7],
    since: Option<Instant>,
}

#[derive(Default)]
struct Failures {
    last: Option<StoreError>,
    in_a_row: u32,
}

/// What a caller has to do after a failure.
pub(super) struct AfterFailure {
    /// It is the first of an outage, which is logged.
    pub(super) is_first: bool,
    /// How long to wait before the next try.
    pub(super) pause: Duration,
}

impl Health {
    /// `random`: from 0 to 1.
    pub(super) fn failed(
        &mut self,
        part: Part,
        error: StoreError,
        now: Instant,
        random: f64,
    ) -> AfterFailure {
        let is_first = self.since.is_none();
        self.since.get_or_insert(now);
        let failures = &mut self.parts[part as usize];
        failures.last = Some(error);
        failures.in_a_row = failures.in_a_row.saturating_add(1);
        let backoff = Backoff::exponential(Duration::from_millis(50)).cap(Duration::from_secs(5));
        AfterFailure {
            is_first,
            pause: backoff.delay(failures.in_a_row, random),
        }
    }

    /// Returns for how long the store could not be used, if that ends with this.
    pub(super) fn succeeded(&mut self, part: Part, now: Instant) -> Option<Duration> {
        self.parts[part as usize] = Failures::default();
        if self.trouble().is_some() {
            return None;
        }
        let since = self.since.take()?;
        Some(now.saturating_duration_since(since))
    }

    pub(super) fn trouble(&self) -> Option<&StoreError> {
        self.parts.iter().find_map(|part| part.last.as_ref())
    }

    pub(super) fn is_failing(&self, part: Part) -> bool {
        self.parts[part as usize].last.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn busy() -> StoreError {
        StoreError::Busy {
            waited: Duration::from_secs(5),
        }
    }

    #[test]
    fn an_outage_is_logged_once_and_its_end_when_all_parts_are_back() {
        let (mut health, now) = (Health::default(), clock::now());
        assert!(health.failed(Part::Claim, busy(), now, 0.0).is_first);
        assert!(!health.failed(Part::Finish, busy(), now, 0.0).is_first);
        let later = now + Duration::from_secs(12);
        assert_eq!(health.succeeded(Part::Claim, later), None);
        assert_eq!(health.succeeded(Part::Lease, later), None);
        assert_eq!(health.trouble(), Some(&busy()));
        assert!(health.is_failing(Part::Finish));
        let outage = health.succeeded(Part::Finish, later);
        assert_eq!(outage, Some(Duration::from_secs(12)));
        assert_eq!(health.trouble(), None);
        assert_eq!(health.succeeded(Part::Finish, later), None);
    }

    #[test]
    fn the_pauses_of_a_part_grow_to_five_seconds_and_begin_again_after_a_success() {
        let (mut health, now) = (Health::default(), clock::now());
        let pause = |health: &mut Health| {
            let after = health.failed(Part::Claim, busy(), now, 1.0);
            after.pause.as_millis()
        };
        let pauses: Vec<u128> = (0..9).map(|_| pause(&mut health)).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        health.succeeded(Part::Claim, now);
        assert_eq!(pause(&mut health), 50);
    }
}
