//! What waits in the timer goes with its owner, counted. Here, since this is the last module
//! that uses the timer.

use super::Batcher;
use crate::clock::{Clock, ManualClock};
use crate::host::ServiceResult;
use crate::sync::Arc;
use crate::timer::Timer;
use crate::{Host, Pool, Retry, Schedule, Scheduler, ServiceContext, StopPlan, WorkQueue};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const LONG: Duration = Duration::from_secs(60);

/// A pool by a clock that stands still, and the timer of that.
fn stage() -> (Pool, Arc<Timer>) {
    let pool = Pool::builder().threads(1).clock(&ManualClock::new());
    let pool = pool.build().unwrap();
    let timer = pool.submitter().pool_ref().core.timer().unwrap();
    (pool, timer)
}

fn batcher(pool: &Pool) -> Batcher<u32> {
    let builder = Batcher::builder("it").max_items(10).max_age(HOUR);
    let builder = builder.retry(Retry::fixed(HOUR).attempts(3));
    let failing = |items: &mut Vec<u32>, _: &_| match items.contains(&13) {
        true => Err("13".into()),
        false => Ok(()),
    };
    builder.build(pool.submitter(), failing).unwrap()
}

#[test]
fn a_batcher_that_is_gone_leaves_nothing_in_the_timer() {
    let (pool, timer) = stage();
    for nth in 0..100 {
        let one = batcher(&pool);
        assert_eq!(timer.count_set(), 0);
        one.submit(100 + nth).unwrap();
        assert_eq!(timer.count_set(), 1, "its age");
        match nth % 3 {
            0 => drop(one),
            1 => drop(one.stop(LONG)),
            _ => {
                one.flush();
                drop(one);
            }
        }
        assert_eq!(timer.count_set(), 0);
    }
}

/// Some tasks are about to get there.
fn wait_for_set(timer: &Timer, count: usize) {
    while timer.count_set() != count {
        std::thread::yield_now();
    }
}

#[test]
fn a_batch_that_waits_for_its_next_attempt_leaves_nothing_in_the_timer() {
    let (pool, timer) = stage();
    let one = batcher(&pool);
    one.submit(13).unwrap();
    assert!(!one.flush_timeout(Duration::ZERO));
    // The age of one that was handled meanwhile may still be there.
    wait_for_set(&timer, 2);
    assert_eq!(
        one.stop(StopPlan::finish_running(LONG)).stats().unstarted(),
        1
    );
    assert_eq!(timer.count_set(), 0);
}

#[test]
fn a_task_that_waits_for_its_next_attempt_leaves_nothing_in_the_timer() {
    let (pool, timer) = stage();
    let submit = || {
        let task = pool.task("it").retry(Retry::fixed(HOUR).attempts(3));
        task.submit(|_| Err::<(), _>("no")).unwrap()
    };
    let (one, _other) = (submit(), submit());
    wait_for_set(&timer, 2);
    assert!(one.cancel());
    assert_eq!(timer.count_set(), 1);
    assert_eq!(pool.stop(LONG).unstarted().len(), 1);
    assert_eq!(timer.count_set(), 0);
}

#[test]
fn an_item_of_a_queue_that_waits_for_its_next_attempt_leaves_nothing_in_the_timer() {
    let clock = ManualClock::new();
    let timer = Timer::of(&Clock {
        manual: Some(clock.clone()),
    });
    let queue = WorkQueue::new(4).retry(Retry::fixed(HOUR));
    let mut host = Host::builder();
    host.clock(&clock);
    let failing = || |_: &mut u32, _: &ServiceContext| -> ServiceResult { Err("no".into()) };
    host.add("items", queue.workers(1, failing));
    let host = host.build().unwrap().start().unwrap();
    queue.submit(1).unwrap();
    queue.submit(2).unwrap();
    wait_for_set(&timer, 2);
    assert_eq!(host.stop().exit_code(), 75);
    assert_eq!((queue.take_unstarted().len(), timer.count_set()), (2, 0));
    // The queue holds the timer no longer.
    drop(host);
    assert_eq!(Arc::strong_count(&timer), 1);
}

#[test]
fn a_limit_leaves_nothing_in_the_timer_when_its_task_has_ended() {
    let (pool, timer) = stage();
    for _ in 0..100 {
        let inside = timer.clone();
        let task = pool.task("it").time_limit(HOUR);
        let count = task.submit(move || inside.count_set()).unwrap();
        assert_eq!(count.join().unwrap(), 1);
    }
    pool.wait_idle();
    assert_eq!(timer.count_set(), 0);
}

#[test]
fn an_entry_of_a_scheduler_that_is_gone_leaves_nothing_in_the_timer() {
    let (pool, timer) = stage();
    let scheduler = Scheduler::new(pool.submitter());
    let add = |name: &str, schedule| scheduler.entry(name, schedule).run(|_| Ok(())).unwrap();
    let _every = add("every", Schedule::every(HOUR));
    let after = add("after", Schedule::after(HOUR));
    let _at = add(
        "at",
        Schedule::at(std::time::SystemTime::now() + 1000 * HOUR),
    );
    assert_eq!(timer.count_set(), 0);
    scheduler.start().unwrap();
    assert_eq!(timer.count_set(), 3);
    after.pause();
    assert_eq!(timer.count_set(), 2);
    after.resume();
    assert_eq!(timer.count_set(), 3);
    scheduler.stop();
    assert_eq!(timer.count_set(), 0);
    scheduler.start().unwrap();
    after.remove();
    assert_eq!(timer.count_set(), 2);
    drop(scheduler);
    assert_eq!(timer.count_set(), 0);
}
