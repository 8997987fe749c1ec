//! Which of the signals that come are requests.

use std::time::{Duration, Instant};

/// A signal that comes this soon after the last counted one is the same request.
pub(super) const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Counts requests to stop. One request often arrives as several signals: `timeout`
/// signals its child and then the group, a terminal its foreground job while a shell
/// passes the signal on, a closed session sends SIGHUP and SIGTERM.
pub(super) struct Requests {
    counted: u32,
    /// When the last one that was counted came.
    last: Option<Instant>,
}

impl Requests {
    pub(super) const fn new() -> Requests {
        Requests {
            counted: 0,
            last: None,
        }
    }

    /// A signal has come. Returns the number of its request, from 1 on, or `None` where it
    /// belongs to the one before. Signals that belong to it do not extend its time, so that
    /// a key that is held down still counts up.
    pub(super) fn count(&mut self, now: Instant) -> Option<u32> {
        let is_same = |last: Instant| now.saturating_duration_since(last) < SAME_REQUEST;
        if self.last.is_some_and(is_same) {
            return None;
        }
        self.last = Some(now);
        self.counted = self.counted.saturating_add(1);
        Some(self.counted)
    }

    /// The next request is the first one again. What still belongs to the last request
    /// goes on belonging to it.
    pub(super) fn start_over(&mut self) {
        self.counted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// The numbers of the requests of signals that come at these moments.
    fn counted(requests: &mut Requests, start: Instant, millis: &[u64]) -> Vec<Option<u32>> {
        let moments = millis.iter().map(|at| start + Duration::from_millis(*at));
        moments.map(|now| requests.count(now)).collect()
    }

    #[test]
    fn a_signal_within_half_a_second_is_the_same_request() {
        let (mut requests, start) = (Requests::new(), clock::now());
        let millis = [0, 1, 499, 500, 501, 999, 1_000];
        let expected = [Some(1), None, None, Some(2), None, None, Some(3)];
        assert_eq!(counted(&mut requests, start, &millis), expected);
    }

    #[test]
    fn signals_every_four_tenths_of_a_second_still_count_up() {
        let (mut requests, start) = (Requests::new(), clock::now());
        let millis = [0, 400, 800, 1_200, 1_600];
        let expected = [Some(1), None, Some(2), None, Some(3)];
        assert_eq!(counted(&mut requests, start, &millis), expected);
    }

    #[test]
    fn a_new_beginning_counts_from_one_but_not_what_belongs_to_the_last_request() {
        let (mut requests, start) = (Requests::new(), clock::now());
        assert_eq!(counted(&mut requests, start, &[0, 600]), [Some(1), Some(2)]);
        requests.start_over();
        assert_eq!(
            counted(&mut requests, start, &[700, 1_200]),
            [None, Some(1)]
        );
    }

    #[test]
    fn a_clock_that_seems_to_go_back_does_no_harm() {
        let (mut requests, start) = (Requests::new(), clock::now());
        let later = start + Duration::from_secs(1);
        assert_eq!(requests.count(later), Some(1));
        assert_eq!(requests.count(start), None);
    }
}
