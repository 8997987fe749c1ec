//! The places for tasks that are tried again: `PoolBuilder::max_retrying`.

use crate::common::retry::{check_sum, hourly, wait_for_waiting, wait_until};
use crate::common::{LONG, within};
use groundcrew::channel::bounded;
use groundcrew::submit::{RetryTaskBuilder, WhenFull};
use groundcrew::{Pool, Retry, SubmitError, TaskBuilder, TaskError};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const MILLI: Duration = Duration::from_millis(1);

fn places(count: usize) -> Pool {
    let builder = Pool::builder().threads(1).max_retrying(count);
    builder.queue_capacity(100).build().unwrap()
}

fn send(task: TaskBuilder<'_>) -> RetryTaskBuilder<'_, &'static str> {
    task.retry(hourly())
}

fn failed(_: u32) -> Result<(), &'static str> {
    Err("no connection")
}

/// A pool of one worker and one place, which is taken.
fn full() -> (
    Pool,
    groundcrew::TaskHandle<Result<(), groundcrew::retry::RetryError<&'static str>>>,
) {
    let pool = places(1);
    let first = send(pool.task("first")).submit(failed).unwrap();
    wait_for_waiting(&pool, 1);
    (pool, first)
}

#[test]
fn from_outside_each_verb_does_as_on_a_full_queue() {
    within(LONG, "verbs without a place", || {
        let (pool, first) = full();
        let task = send(pool.task("second"));
        let refusing = send(pool.task("second")).when_full(WhenFull::Refuse);
        assert!(refusing.submit(failed).unwrap_err().is_full());
        assert!(refusing.execute(failed).unwrap_err().is_full());
        let timed = send(pool.task("second").when_full(MILLI));
        assert!(timed.submit(failed).unwrap_err().is_timeout());
        let timed = send(pool.task("second")).when_full(Instant::now() + MILLI);
        assert!(timed.submit(failed).unwrap_err().is_timeout());
        let patient = send(pool.task("second")).when_full(LONG);
        assert_eq!((pool.stats().refused(), pool.stats().accepted()), (4, 1));
        thread::scope(|s| {
            let waits = s.spawn(|| task.submit(|_| Ok(())).map(drop));
            let other = s.spawn(|| task.execute(|_| Ok(())).map(drop));
            let timed = s.spawn(|| patient.submit(|_| Ok(())).map(drop));
            assert!(first.cancel());
            // Each gives its place to the next one when it ends.
            waits.join().unwrap().unwrap();
            other.join().unwrap().unwrap();
            timed.join().unwrap().unwrap();
        });
        pool.wait_idle();
        let report = pool.stop(LONG);
        assert_eq!((report.cancelled(), report.completed()), (1, 3), "{report}");
    });
}

#[test]
fn a_refusal_gives_the_closure_back_callable() {
    let (pool, _first) = full();
    let captured = Arc::new(7);
    let own = captured.clone();
    let task = send(pool.task("second")).when_full(WhenFull::Refuse);
    let refused = task.submit(move |attempt| match attempt {
        1 => Ok(*own),
        _ => Err("no connection"),
    });
    let mut closure = refused.unwrap_err().into_inner();
    assert_eq!(closure(1), Ok(7));
    assert_eq!(closure(2), Err("no connection"));
    drop(closure);
    assert_eq!(Arc::strong_count(&captured), 1);
    pool.stop_handle().close();
    let closed = send(pool.task("third")).submit(failed).unwrap_err();
    assert!(closed.is_closed());
}

#[test]
fn from_an_own_worker_submit_and_execute_never_wait_and_the_others_do_as_outside() {
    within(LONG, "verbs of a worker without a place", || {
        let (pool, first) = full();
        let handle = pool.submit_with(|ctx| {
            let submitter = ctx.submitter();
            let task = send(submitter.task("more"));
            for _ in 0..20 {
                drop(task.submit(failed).unwrap());
                task.execute(failed).unwrap();
                drop(
                    task.submit_with(|_, _| Err::<(), _>("no connection"))
                        .unwrap(),
                );
            }
            let refusing = send(submitter.task("more")).when_full(WhenFull::Refuse);
            assert!(refusing.submit(failed).unwrap_err().is_full());
            assert!(refusing.execute(failed).unwrap_err().is_full());
            let timed = send(submitter.task("more")).when_full(MILLI);
            assert!(timed.submit(failed).unwrap_err().is_timeout());
        });
        handle.unwrap().join().unwrap();
        wait_for_waiting(&pool, 61);
        // One goes, and the others still hold more places than there are.
        assert!(first.cancel());
        assert!(
            send(pool.task("late"))
                .when_full(WhenFull::Refuse)
                .submit(failed)
                .unwrap_err()
                .is_full()
        );
        let report = pool.stop(LONG);
        check_sum(&report);
        assert_eq!(report.unstarted().len(), 60, "{report}");
    });
}

#[test]
fn those_that_wait_for_a_place_wake_at_the_close() {
    within(LONG, "a close", || {
        let (pool, first) = full();
        let is_closed = |error: Option<SubmitError<_>>| error.is_some_and(|it| it.is_closed());
        let second = send(pool.task("second"));
        let patient = send(pool.task("second")).when_full(LONG);
        thread::scope(|s| {
            let (task, patient) = (&second, &patient);
            let all: Vec<_> = (0..4)
                .map(|n| {
                    s.spawn(move || match n % 2 {
                        0 => task.submit(failed as fn(u32) -> _).err(),
                        _ => patient.submit(failed as fn(u32) -> _).err(),
                    })
                })
                .collect();
            pool.stop_handle().close();
            for waits in all {
                assert!(is_closed(waits.join().unwrap()));
            }
        });
        assert!(matches!(first.join(), Err(TaskError::Unstarted)));
        let report = pool.stop(LONG);
        assert_eq!(
            (report.accepted(), report.unstarted().len()),
            (1, 1),
            "{report}"
        );
    });
}

#[test]
fn a_place_is_free_again_however_its_task_ends() {
    within(LONG, "places", || {
        let pool = places(1);
        let twice = || Retry::fixed(Duration::ZERO).attempts(2);
        let task = pool.task("send").retry(twice());
        let refusing = pool.task("free").when_full(WhenFull::Refuse).retry(twice());
        let free = |what: &str| {
            wait_until(what, || match refusing.submit(failed) {
                Ok(handle) => handle.wait_timeout(LONG),
                Err(_) => false,
            });
        };
        task.execute(|_| Ok(())).unwrap();
        free("done");
        task.execute(failed).unwrap();
        free("given up");
        task.execute(|_| -> Result<(), _> { crate::common::expected_panic() })
            .unwrap();
        free("panicked");
        let waits = send(pool.task("cancelled")).submit(failed).unwrap();
        wait_for_waiting(&pool, 1);
        assert!(waits.cancel());
        free("cancelled");
        let gate = crate::common::Gate::new();
        drop(crate::common::occupy(&pool, &gate));
        let late = send(pool.task("late").start_within(Duration::ZERO));
        let expired = late.submit(failed).unwrap();
        assert!(expired.is_finished());
        assert!(matches!(expired.join(), Err(TaskError::Expired)));
        gate.open();
        free("expired");
    });
}

#[test]
fn by_default_there_are_as_many_places_as_the_queue_has() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(3)
        .build()
        .unwrap();
    let task = send(pool.task("send")).when_full(WhenFull::Refuse);
    for count in 1..=3 {
        task.execute(failed).unwrap();
        wait_for_waiting(&pool, count);
    }
    assert!(task.execute(failed).unwrap_err().is_full());
    pool.submit(|| ()).unwrap().join().unwrap();
}

#[test]
fn the_time_to_start_includes_the_wait_for_a_place() {
    within(LONG, "a wait for a place", || {
        let (pool, first) = full();
        let task = send(pool.task("second").start_within(20 * MILLI));
        let (tell, told) = bounded(1);
        let handle = thread::scope(|s| {
            let (say, said) = bounded(1);
            let waits = s.spawn(move || {
                say.send(()).unwrap();
                task.submit(move |_| tell.send(()).map_err(|_| "not heard"))
            });
            said.recv().unwrap();
            thread::sleep(1000 * MILLI);
            assert!(first.cancel());
            waits.join().unwrap()
        });
        assert!(matches!(handle.unwrap().join(), Err(TaskError::Expired)));
        assert!(told.recv().is_err());
        let report = pool.stop(LONG);
        assert_eq!((report.cancelled(), report.expired()), (1, 1), "{report}");
    });
}

#[test]
fn the_time_to_start_is_that_of_the_first_attempt() {
    let pool = places(1);
    let task = pool.task("send").start_within(LONG / 2);
    let handle = task
        .retry(Retry::fixed(5 * MILLI))
        .submit(|attempt| match attempt {
            4 => Ok(attempt),
            _ => Err("no connection"),
        });
    assert_eq!(handle.unwrap().join().unwrap().unwrap(), 4);
    let late = pool.task("late").start_within(Duration::ZERO);
    let handle = late.retry(hourly()).submit(failed).unwrap();
    assert!(matches!(handle.join(), Err(TaskError::Expired)));
    // Once it has begun, later attempts are not limited.
    let task = pool.task("send").start_within(20 * MILLI);
    let handle = task
        .retry(Retry::fixed(30 * MILLI))
        .submit(|attempt| match attempt {
            2 => Ok(attempt),
            _ => Err("no connection"),
        });
    match handle.unwrap().join() {
        Ok(sent) => assert_eq!(sent.unwrap(), 2),
        Err(TaskError::Expired) => {} // a machine that is busy with other work
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn no_place_at_all_is_refused_by_the_builder() {
    let error = Pool::builder()
        .threads(1)
        .max_retrying(0)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("max_retrying"), "{error}");
}
