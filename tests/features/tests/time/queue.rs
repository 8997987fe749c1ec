//! How the items of a queue are tried again, by a clock that the tests move.

use crate::common::host::{signal, wait};
use crate::common::{LONG, within};
use groundcrew::channel::{Receiver, unbounded};
use groundcrew::host::{QueueStats, RunningHost, ServiceState};
use groundcrew::retry::{
    Backoff, DeadLetterReason, GiveUpReason, Jitter, PermanentError, RetryPolicy, Verdict,
};
use groundcrew::testing::ManualClock;
use groundcrew::{Host, Retry, ServiceContext, WorkQueue};
use std::error::Error;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

type BoxError = Box<dyn Error + Send + Sync>;

/// An item, the number of its attempts, why it was given up, and its last error.
type Dead = (u32, u32, DeadLetterReason, String);

/// A host of one queue with one worker, whose handler fails on odd items with the number of the
/// attempt, and reports what it is called with, and when.
struct World {
    clock: ManualClock,
    queue: WorkQueue<u32>,
    host: RunningHost,
    calls: Receiver<(u32, Duration)>,
    dead: Receiver<Dead>,
}

impl World {
    fn new(set: impl FnOnce(WorkQueue<u32>) -> WorkQueue<u32>) -> World {
        let (clock, (tell, calls), (bury, dead)) = (ManualClock::new(), unbounded(), unbounded());
        let queue = set(WorkQueue::new(4)).dead_letter(move |item, why| {
            let message = why.message().to_owned();
            bury.send((item, why.attempts(), why.reason(), message))
                .unwrap();
        });
        let mut host = Host::builder();
        host.clock(&clock);
        host.background("other", wait);
        let of_handler = clock.clone();
        host.add(
            "items",
            queue.workers(1, move || {
                let (tell, clock) = (tell.clone(), of_handler.clone());
                move |&mut item: &mut u32, _: &ServiceContext| -> Result<(), BoxError> {
                    tell.send((item, clock.elapsed())).unwrap();
                    match item % 2 {
                        0 => Ok(()),
                        _ => Err(format!("no luck with {item}").into()),
                    }
                }
            }),
        );
        World {
            host: host.build().unwrap().start().unwrap(),
            clock,
            queue,
            calls,
            dead,
        }
    }

    fn submit(&self, items: impl IntoIterator<Item = u32>) {
        items
            .into_iter()
            .for_each(|item| self.queue.submit(item).unwrap());
    }

    /// Until the counts are as wanted: they change after a handler has returned.
    fn until(&self, is_so: impl Fn(&QueueStats) -> bool) {
        within(LONG, "counts", || {
            while !is_so(&self.queue.stats()) {
                std::thread::yield_now();
            }
        });
    }

    fn until_retrying(&self, count: u64) {
        self.until(|stats| stats.retrying() == count && stats.in_progress() == 0);
    }

    fn calls(&self) -> Vec<(u32, Duration)> {
        self.calls.try_iter().collect()
    }
}

fn retrying(policy: impl RetryPolicy<BoxError>) -> impl FnOnce(WorkQueue<u32>) -> WorkQueue<u32> {
    move |queue| queue.retry(policy)
}

fn no_luck(item: u32, attempts: u32, reason: GiveUpReason) -> Dead {
    let message = format!("no luck with {item}");
    (item, attempts, DeadLetterReason::GaveUp(reason), message)
}

#[test]
fn an_item_is_tried_again_after_the_pauses_of_the_policy_and_then_a_dead_letter() {
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::None);
    let world = World::new(retrying(Retry::new(backoff).attempts(4)));
    world.submit([1]);
    for pause in [1, 2, 4] {
        world.until_retrying(1);
        world
            .clock
            .advance(pause * SECOND - Duration::from_nanos(1));
        assert_eq!(world.queue.stats().retrying(), 1);
        world.clock.advance(Duration::from_nanos(1));
    }
    let dead = within(LONG, "dead", || world.dead.recv().unwrap());
    assert_eq!(dead, no_luck(1, 4, GiveUpReason::Attempts));
    let calls = world.calls().into_iter().map(|(_, at)| at);
    let times = [0, 1, 3, 7].map(|seconds| seconds * SECOND);
    assert_eq!(calls.collect::<Vec<_>>(), times);
    let report = within(LONG, "stop", || world.host.stop());
    assert!(report.is_clean(), "{report}");
    let stats = report.services()[1].queue().unwrap();
    assert_eq!(
        (stats.failed(), stats.retries(), stats.failed_left()),
        (1, 3, 0)
    );
}

#[test]
fn what_would_come_after_the_deadline_of_the_policy_is_given_up() {
    let world = World::new(retrying(Retry::fixed(4 * SECOND).deadline(9 * SECOND)));
    world.submit([1]);
    for _ in 0..2 {
        world.until_retrying(1);
        world.clock.advance(4 * SECOND);
    }
    let dead = within(LONG, "dead", || world.dead.recv().unwrap());
    assert_eq!(dead, no_luck(1, 3, GiveUpReason::Deadline));
}

#[test]
fn an_item_that_waits_holds_no_worker_and_comes_first_when_it_is_due() {
    let world = World::new(retrying(Retry::fixed(SECOND).attempts(2)));
    world.submit([1, 2, 4, 3]);
    world.until_retrying(2);
    assert_eq!(world.queue.stats().handled(), 2);
    world.clock.advance(SECOND);
    world.until(|stats| stats.failed() == 2);
    let items = world.calls().into_iter().map(|(item, _)| item);
    assert_eq!(items.collect::<Vec<_>>(), [1, 2, 4, 3, 1, 3]);
}

#[test]
fn while_as_many_items_wait_as_may_the_queue_fills_up_and_then_goes_on() {
    let world = World::new(|queue| queue.retry(Retry::fixed(HOUR).attempts(2)).max_retrying(2));
    world.submit([1, 3]);
    world.until_retrying(2);
    world.submit([2, 4, 6, 8]);
    assert!(world.queue.try_submit(10).unwrap_err().is_full());
    let stats = world.queue.stats();
    assert_eq!(
        (stats.queued(), stats.overflow(), stats.handled()),
        (4, 0, 0)
    );
    world.clock.advance(HOUR);
    world.until(|stats| stats.handled() == 4 && stats.failed() == 2);
    let items: Vec<u32> = world.calls().into_iter().map(|(item, _)| item).collect();
    // Once the first one is due, there is room for others.
    assert_eq!(items[..3], [1, 3, 1]);
    let (even, odd): (Vec<_>, Vec<_>) = items.iter().partition(|item| *item % 2 == 0);
    assert_eq!((even, odd), (vec![2, 4, 6, 8], vec![1, 3, 1, 3]));
}

#[test]
fn a_stop_hands_back_at_once_what_would_be_tried_too_late_with_its_last_error() {
    let world = World::new(retrying(Retry::fixed(HOUR)));
    world.submit([1, 2, 3]);
    world.until_retrying(2);
    // The clock stands still: a stop that waited for a moment would wait without end.
    let report = within(LONG, "stop", || world.host.stop());
    assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
    let stats = report.services()[1].queue().unwrap();
    assert_eq!(
        (stats.unstarted(), stats.retrying(), stats.handled()),
        (2, 0, 1)
    );
    let waited = world.queue.take_retrying();
    assert_eq!(waited[0].to_string(), "item 1 failed: no luck with 1");
    let reasons = waited.iter().map(|failed| failed.why().reason());
    let stopped = DeadLetterReason::GaveUp(GiveUpReason::Stopped);
    assert_eq!(reasons.collect::<Vec<_>>(), [stopped; 2]);
    let items = waited.into_iter().map(|failed| failed.into_inner());
    assert_eq!(items.collect::<Vec<_>>(), [1, 3]);
    assert!(world.queue.take_unstarted().is_empty() && world.queue.take_retrying().is_empty());
    assert!(world.dead.is_empty());
}

#[test]
fn an_owner_that_asks_for_no_errors_gets_the_waiting_items_as_unstarted() {
    let world = World::new(|queue| queue.retry(Retry::fixed(HOUR)).max_retrying(1));
    world.submit([1]);
    world.until_retrying(1);
    world.submit([2, 4]);
    // Room for one that waits is room for the others to be handled.
    let report = within(LONG, "stop", || world.host.stop());
    let stats = report.services()[1].queue().unwrap();
    assert_eq!((stats.unstarted(), stats.handled()), (1, 2));
    assert_eq!(world.queue.take_unstarted(), [1]);
    assert!(world.queue.take_retrying().is_empty());
}

#[test]
fn a_stop_waits_for_the_attempts_that_are_due_before_its_last_part() {
    // Of 8 s the last 2 s are the grace.
    let world = World::new(retrying(Retry::fixed(5 * SECOND / 2)));
    world.submit([1]);
    world.until_retrying(1);
    world.host.request_stop("enough");
    world.until(|_| world.queue.is_closed());
    world.clock.advance(5 * SECOND / 2);
    world.until(|stats| stats.retries() == 2);
    world.until_retrying(1);
    // The one after this would come in the grace.
    world.clock.advance(5 * SECOND / 2);
    let report = within(LONG, "stop", || world.host.stop());
    assert_eq!(world.calls().len(), 3);
    assert!(!report.is_clean());
    assert_eq!(world.queue.take_retrying()[0].why().attempts(), 3);
}

#[test]
fn a_queue_that_the_program_closes_tries_until_nothing_waits_and_then_its_service_ends() {
    let world = World::new(retrying(Retry::fixed(HOUR).attempts(3)));
    world.submit([1, 2]);
    world.until_retrying(1);
    world.queue.close();
    for left in [1, 0] {
        world.clock.advance(HOUR);
        world.until_retrying(left);
    }
    within(LONG, "end", || {
        let stopped = ServiceState::Stopped;
        assert!(
            world
                .host
                .wait_until(|status| status.services()[1].state() == stopped)
        );
    });
    let dead = world.dead.try_recv().unwrap();
    assert_eq!(dead, no_luck(1, 3, GiveUpReason::Attempts));
    assert!(within(LONG, "stop", || world.host.stop()).is_clean());
}

#[test]
fn the_judge_decides_when_an_item_is_tried_again_and_whether() {
    let judge = |error: &BoxError| match error.to_string().as_str() {
        "no luck with 1" => Verdict::GiveUp,
        "no luck with 3" => Verdict::RetryAfter(HOUR),
        "no luck with 5" => Verdict::Postpone(10 * SECOND),
        _ => Verdict::Retry,
    };
    let world = World::new(retrying(Retry::fixed(SECOND).attempts(2).on_error(judge)));
    world.submit([1]);
    let dead = within(LONG, "dead", || world.dead.recv().unwrap());
    assert_eq!(dead, no_luck(1, 1, GiveUpReason::Verdict));
    world.submit([3, 5]);
    world.until_retrying(2);
    for postponed in 1..10 {
        world.clock.advance(11 * SECOND);
        world.until(|stats| stats.retries() == 2 + postponed);
    }
    world.clock.advance(HOUR);
    let dead = within(LONG, "dead", || world.dead.recv().unwrap());
    assert_eq!(dead, no_luck(3, 2, GiveUpReason::Attempts));
}

#[test]
fn a_permanent_error_and_a_panic_are_not_tried_again() {
    let (clock, (tell, told)) = (ManualClock::new(), signal());
    let queue = WorkQueue::new(4).retry(Retry::fixed(SECOND));
    let mut host = Host::builder();
    host.clock(&clock);
    host.add(
        "items",
        queue.workers(1, move || {
            let tell = tell.clone();
            move |&mut item: &mut u32, _: &ServiceContext| -> Result<(), BoxError> {
                tell.send(()).unwrap();
                match item {
                    1 => Err(PermanentError::new("no such user").into()),
                    _ => panic!("expected: a handler"),
                }
            }
        }),
    );
    let host = host.build().unwrap().start().unwrap();
    queue.submit(1).unwrap();
    queue.submit(2).unwrap();
    within(LONG, "two", || told.iter().take(2).count());
    let report = within(LONG, "stop", || host.stop());
    assert_eq!(report.exit_code(), 75);
    let failed = queue.take_failed();
    let causes = failed.iter().map(|failed| failed.why().reason());
    let (permanent, panicked) = (DeadLetterReason::Permanent, DeadLetterReason::Panicked);
    assert_eq!(causes.collect::<Vec<_>>(), [permanent, panicked]);
    assert_eq!(
        failed[1].to_string(),
        "item 2 panicked: expected: a handler"
    );
    assert_eq!(queue.stats().retries(), 0);
}
