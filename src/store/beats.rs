//! Which processes are silent. Pure.

use super::ids::{Beat, WorkerId};
use super::lease::{LeaseSign, WorkerInfo};
use std::collections::HashMap;
use std::time::Duration;

/// Watches the beats of processes, and finds those whose lease may be taken over: a process that the
/// system says has [ended](LeaseSign::Ended), and one whose beat has not changed for a whole period.
///
/// It never compares two clocks: it measures, by the clock of the watching process alone, for how
/// long that process has seen the same beat. That clock has to count the time in which the machine
/// is suspended.
///
/// It does not count time in which it did not watch. After a gap of more than a third of the period
/// between two looks, and after [`unreachable`](Self::unreachable), each process has a whole period
/// again: the watching process was frozen, or the store could not be reached, and so perhaps
/// could not the others.
#[derive(Clone, Debug)]
pub struct BeatWatch {
    period: Duration,
    looked: Option<Duration>,
    /// The beat of each process, and when it was first seen.
    seen: HashMap<WorkerId, (Beat, Duration)>,
}

impl BeatWatch {
    /// Watches, and gives each process this long between two beats.
    pub fn new(period: Duration) -> BeatWatch {
        BeatWatch {
            period,
            looked: None,
            seen: HashMap::new(),
        }
    }

    /// Looks at the processes of the store, which were read at `now`, and returns those to take
    /// over, with the beat that [`take_over`](super::Store::take_over) has to find.
    pub fn look(&mut self, workers: &[WorkerInfo], now: Duration) -> Vec<(WorkerId, Beat)> {
        let gap = self.looked.map(|looked| now.saturating_sub(looked));
        if gap.is_none_or(|gap| gap > self.period / 3) {
            self.unreachable();
        }
        self.looked = Some(now);
        self.seen
            .retain(|id, _| workers.iter().any(|worker| worker.id == *id));
        let silent = workers.iter().filter(|worker| {
            let seen = self.seen.entry(worker.id).or_insert((worker.beat, now));
            if seen.0 != worker.beat {
                *seen = (worker.beat, now);
            }
            let silence = now.saturating_sub(seen.1);
            worker.sign == LeaseSign::Ended || silence >= self.period
        });
        silent.map(|worker| (worker.id, worker.beat)).collect()
    }

    /// The store could not be read or written: what was seen before does not count.
    pub fn unreachable(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::lease::ProcessInfo;
    use super::*;
    use std::time::UNIX_EPOCH;

    const PERIOD: Duration = Duration::from_secs(30);

    fn worker(id: i64, beat: u64) -> WorkerInfo {
        WorkerInfo {
            id: WorkerId::new(id),
            process: ProcessInfo {
                host: "a".to_owned(),
                pid: 1,
                boot: String::new(),
            },
            beat: Beat::new(beat),
            sign: LeaseSign::Unknown,
            registered_at: UNIX_EPOCH,
            renewed_at: UNIX_EPOCH,
        }
    }

    /// Looks every second, up to and including `to`.
    fn looks(
        watch: &mut BeatWatch,
        (from, to): (u64, u64),
        workers: impl Fn(u64) -> Vec<WorkerInfo>,
    ) -> Vec<(u64, WorkerId)> {
        let each = (from..=to).flat_map(|second| {
            let silent = watch.look(&workers(second), Duration::from_secs(second));
            silent.into_iter().map(move |(id, _)| (second, id))
        });
        each.collect()
    }

    #[test]
    fn a_process_is_silent_when_its_beat_was_the_same_for_a_whole_period() {
        let mut watch = BeatWatch::new(PERIOD);
        let workers = |second: u64| vec![worker(1, second / 6), worker(2, (second / 6).min(1))];
        let silent = looks(&mut watch, (0, 36), workers);
        assert_eq!(silent, [(36, WorkerId::new(2))]); // its last beat was at 6 s
    }

    #[test]
    fn a_process_that_has_ended_is_found_at_once() {
        let mut watch = BeatWatch::new(PERIOD);
        let mut ended = worker(1, 7);
        ended.sign = LeaseSign::Ended;
        let silent = watch.look(&[ended, worker(2, 7)], Duration::ZERO);
        assert_eq!(silent, [(WorkerId::new(1), Beat::new(7))]);
    }

    #[test]
    fn a_watch_that_was_frozen_itself_gives_everyone_a_whole_period_again() {
        let mut watch = BeatWatch::new(PERIOD);
        let still = |_: u64| vec![worker(1, 0)];
        assert_eq!(looks(&mut watch, (0, 29), still), []);
        let silent = looks(&mut watch, (100, 130), still);
        assert_eq!(silent, [(130, WorkerId::new(1))]);
    }

    #[test]
    fn a_store_that_could_not_be_reached_is_no_silence() {
        let mut watch = BeatWatch::new(PERIOD);
        let still = |_: u64| vec![worker(1, 0)];
        assert_eq!(looks(&mut watch, (0, 29), still), []);
        watch.unreachable();
        let silent = looks(&mut watch, (30, 60), still);
        assert_eq!(silent, [(60, WorkerId::new(1))]);
    }

    #[test]
    fn a_process_that_has_left_is_forgotten() {
        let mut watch = BeatWatch::new(PERIOD);
        looks(&mut watch, (0, 5), |_| vec![worker(1, 0)]);
        looks(&mut watch, (6, 7), |_| Vec::new());
        assert!(watch.seen.is_empty());
    }
}
