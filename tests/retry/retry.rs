//! Tasks that are tried again when they fail: attempts, history, judges, panics, cancels.

use crate::common::retry::{
    HOUR, at_once, check_sum, hourly, wait_for_waiting, wait_until, waiting,
};
use crate::common::{Gate, LONG, expected_panic, within};
use groundcrew::channel::{bounded, unbounded};
use groundcrew::retry::{Backoff, GiveUpReason, Jitter, Verdict};
use groundcrew::task::TaskOutcome;
use groundcrew::{Pool, Retry, TaskError};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const MILLI: Duration = Duration::from_millis(1);

fn one() -> Pool {
    Pool::new(1).unwrap()
}

#[test]
fn attempts_are_numbered_from_one_and_come_one_after_the_other() {
    let pool = Pool::new(3).unwrap();
    let (tell, told) = unbounded();
    let runs = Arc::new(AtomicBool::new(false));
    let task = pool.task("send").retry(at_once().attempts(50));
    let handle = task.submit(move |attempt| {
        assert!(!runs.swap(true, SeqCst), "two attempts at a time");
        tell.send(attempt).unwrap();
        runs.store(false, SeqCst);
        Err::<(), _>(attempt)
    });
    let error = handle.unwrap().join().unwrap().unwrap_err();
    assert_eq!(
        told.iter().collect::<Vec<_>>(),
        (1..=50).collect::<Vec<u32>>()
    );
    assert_eq!(
        (error.attempts(), error.gave_up()),
        (50, GiveUpReason::Attempts)
    );
    assert_eq!(*error.error(), 50);
    let report = pool.stop(LONG);
    assert_eq!((report.accepted(), report.completed()), (1, 1), "{report}");
}

#[test]
fn the_history_has_the_last_attempts_in_their_order_and_with_their_times() {
    let pool = one();
    let retry = Retry::fixed(MILLI).attempts(20);
    let task = pool.task("send").retry(retry);
    let handle = task.submit(|attempt| Err::<(), _>(format!("failure {attempt}")));
    let error = handle.unwrap().join().unwrap().unwrap_err();
    let numbers: Vec<u32> = error.history().iter().map(|it| it.number()).collect();
    assert_eq!(numbers, (5..=20).collect::<Vec<u32>>());
    for both in error.history().windows(2) {
        assert!(both[1].began() >= both[0].began() + both[0].ran() + MILLI);
    }
    let texts = error.history().iter().map(|it| it.error().clone());
    assert!(texts.eq((5..=20).map(|number| format!("failure {number}"))));
    assert_eq!(error.to_string(), "all attempts failed (20): failure 20");
    assert_eq!(error.into_error(), "failure 20");
}

#[test]
fn an_attempt_that_succeeds_is_the_last_one() {
    let pool = one();
    let task = pool.task("send").retry(at_once());
    for last in [1, 2, 7] {
        let handle = task.submit(move |attempt| match attempt == last {
            true => Ok(attempt),
            false => Err("no connection"),
        });
        assert_eq!(handle.unwrap().join().unwrap().unwrap(), last);
    }
    let handle = task.submit_with(|ctx, attempt| {
        assert_eq!(ctx.info().attempts(), attempt);
        match attempt {
            1..=3 => Err("no connection"),
            _ => Ok(()),
        }
    });
    handle.unwrap().join().unwrap().unwrap();
    pool.wait_idle();
    assert_eq!((pool.stats().accepted(), pool.stats().completed()), (4, 4));
}

#[test]
fn those_that_wait_keep_no_worker_busy_and_take_no_room_in_the_queue() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(2)
        .max_retrying(500)
        .build()
        .unwrap();
    let task = pool.task("send").retry(hourly());
    for _ in 0..300 {
        task.execute(|_| Err::<(), _>("no connection")).unwrap();
    }
    wait_for_waiting(&pool, 300);
    assert_eq!((pool.stats().running(), pool.stats().queued()), (0, 0));
    let others: Vec<_> = (0..50).map(|n| pool.submit(move || n).unwrap()).collect();
    let sum: u32 = others.into_iter().map(|other| other.join().unwrap()).sum();
    assert_eq!(sum, 49 * 50 / 2);
    let report = pool.stop(LONG);
    assert_eq!(report.unstarted().len(), 300, "{report}");
    check_sum(&report);
}

#[test]
fn the_delays_are_those_of_the_policy() {
    let pool = one();
    let retry = Retry::new(Backoff::exponential(2 * MILLI).jitter(Jitter::None)).attempts(4);
    let began = Instant::now();
    let handle = pool.task("send").retry(retry).submit(|_| Err::<(), _>(()));
    let error = handle.unwrap().join().unwrap().unwrap_err();
    assert!(began.elapsed() >= (2 + 4 + 8) * MILLI);
    let began: Vec<_> = error.history().iter().map(|it| it.began()).collect();
    for (both, delay) in began.windows(2).zip([2, 4, 8]) {
        assert!(both[1] >= both[0] + delay * MILLI, "{began:?}");
    }
}

#[test]
fn what_the_error_says_wins_over_the_policy() {
    let pool = one();
    let retry = hourly().attempts(3);
    let retry = retry.on_error(|hint: &Option<Duration>| match hint {
        Some(delay) => Verdict::RetryAfter(*delay),
        None => Verdict::GiveUp,
    });
    let hinted = pool.task("send").retry(retry);
    let handle = hinted.submit(|attempt| Err::<(), _>((attempt < 2).then_some(MILLI)));
    let error = handle.unwrap().join().unwrap().unwrap_err();
    assert_eq!(
        (error.attempts(), error.gave_up()),
        (2, GiveUpReason::Verdict)
    );
    let handle = hinted.submit(|_| Err::<(), _>(Some(Duration::ZERO)));
    let error = handle.unwrap().join().unwrap().unwrap_err();
    assert_eq!(
        (error.attempts(), error.gave_up()),
        (3, GiveUpReason::Attempts)
    );
    // One that says "never" waits until it is told otherwise.
    let handle = hinted
        .submit(|_| Err::<(), _>(Some(Duration::MAX)))
        .unwrap();
    wait_for_waiting(&pool, 1);
    assert!(handle.cancel());
}

#[test]
fn no_attempt_begins_after_the_deadline() {
    let pool = one();
    let soon = pool.task("send").retry(hourly().deadline(HOUR / 2));
    let handle = soon.submit(|_| Err::<(), _>("no connection"));
    let error = handle.unwrap().join().unwrap().unwrap_err();
    assert_eq!(
        (error.attempts(), error.gave_up()),
        (1, GiveUpReason::Deadline)
    );
    let none = pool.task("send").retry(at_once().deadline(Duration::ZERO));
    let handle = none.submit(|_| Err::<(), _>("no connection"));
    // The clock may not have moved on.
    let error = handle.unwrap().join().unwrap().unwrap_err();
    assert_eq!(error.gave_up(), GiveUpReason::Deadline);
}

#[test]
fn a_panic_is_not_tried_again_wherever_it_comes_from() {
    let pool = one();
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let task = pool.task("send").retry(at_once());
    let attempt = task.submit(move |attempt| match attempt {
        1 => Err::<(), _>("no connection"),
        _ => {
            count.fetch_add(1, SeqCst);
            expected_panic()
        }
    });
    let judged = at_once().on_error(|_: &&str| expected_panic());
    let judged = pool.task("send").retry(judged);
    let judge = judged.submit(|_| Err::<(), _>("no connection"));
    let curved = pool.task("send").retry(Retry::custom(|_| expected_panic()));
    let curve = curved.submit(|_| Err::<(), _>("no connection"));
    for handle in [attempt.unwrap(), judge.unwrap(), curve.unwrap()] {
        let joined = handle.join();
        assert!(matches!(joined, Err(TaskError::Panicked(_))), "{joined:?}");
    }
    assert_eq!(attempts.load(SeqCst), 1);
    let report = pool.stop(LONG);
    assert_eq!((report.panicked(), report.accepted()), (3, 3), "{report}");
}

#[test]
fn errors_whose_drop_panics_change_nothing() {
    struct Bombed(
        u32,
        #[allow(dead_code, reason = "it is dropped")] crate::common::Bomb,
    );
    let pool = one();
    let task = pool.task("send").retry(at_once().attempts(40));
    // Those that fall out of the history, and those that nobody hears of.
    let failed = task.submit(|attempt| Err::<(), _>(Bombed(attempt, crate::common::Bomb)));
    let error = failed.unwrap().join().unwrap().unwrap_err();
    assert_eq!(error.error().0, 40);
    drop(error);
    let sent = task.submit(|attempt| match attempt {
        40 => Ok("sent"),
        _ => Err(Bombed(attempt, crate::common::Bomb)),
    });
    assert!(matches!(sent.unwrap().join().unwrap(), Ok("sent")));
    drop(task.submit(|attempt| Err::<(), _>(Bombed(attempt, crate::common::Bomb))));
    pool.wait_idle();
    let report = pool.stop(LONG);
    assert_eq!((report.completed(), report.panicked()), (3, 0), "{report}");
}

#[test]
fn one_that_waits_is_cancelled_at_once_and_what_it_captured_is_gone() {
    let pool = one();
    let captured = Arc::new(());
    let own = captured.clone();
    let handle = pool.task("send").retry(hourly()).submit(move |_| {
        let _own = &own;
        Err::<(), _>("no connection")
    });
    let handle = handle.unwrap();
    wait_for_waiting(&pool, 1);
    assert!(!handle.is_finished());
    assert!(!handle.wait_timeout(MILLI));
    assert!(handle.cancel());
    assert_eq!(
        (Arc::strong_count(&captured), pool.stats().waiting()),
        (1, 0)
    );
    assert!(!handle.cancel());
    assert!(matches!(handle.join(), Err(TaskError::Cancelled)));
    pool.wait_idle();
    let report = pool.stop(LONG);
    assert_eq!((report.accepted(), report.cancelled()), (1, 1), "{report}");
    assert!(report.is_clean());
}

#[test]
fn an_attempt_that_is_cancelled_while_it_runs_is_the_last_one() {
    let pool = one();
    let (tell, told) = bounded(1);
    let handle = pool
        .task("send")
        .retry(at_once())
        .submit_with(move |ctx, _| {
            tell.send(()).unwrap();
            ctx.token().wait();
            Err::<(), _>("cancelled")
        });
    let handle = handle.unwrap();
    told.recv().unwrap();
    assert!(!handle.cancel());
    let error = handle.join().unwrap().unwrap_err();
    assert_eq!(
        (error.gave_up(), error.attempts()),
        (GiveUpReason::Cancelled, 1)
    );
    assert_eq!(pool.stop(LONG).completed(), 1);
}

#[test]
fn one_that_is_due_is_cancelled_like_any_other_in_the_queue() {
    let pool = one();
    let task = pool.task("send").retry(Retry::fixed(MILLI));
    let handle = task.submit(|_| Err::<(), _>("no connection")).unwrap();
    // Between two of its attempts another task gets the only worker.
    let gate = Gate::new();
    drop(crate::common::occupy(&pool, &gate));
    wait_until("it is due", || pool.stats().due() == 1);
    assert!(handle.cancel());
    assert_eq!(pool.stats().due(), 1); // a husk
    assert!(matches!(handle.join(), Err(TaskError::Cancelled)));
    assert_eq!(pool.stats().accepted(), 2);
    gate.open();
    pool.wait_idle();
    let report = pool.stop(LONG);
    assert_eq!((report.cancelled(), report.completed()), (1, 1), "{report}");
    check_sum(&report);
}

#[test]
fn wait_idle_waits_for_those_that_wait() {
    let pool = one();
    let waits = waiting(&pool);
    assert!(!pool.wait_idle_timeout(MILLI));
    let stop = thread::scope(|s| {
        let idle = s.spawn(|| within(LONG, "wait_idle", || pool.wait_idle()));
        assert!(waits.cancel());
        idle.join()
    });
    stop.unwrap();
    let task = pool.task("send").retry(Retry::fixed(MILLI).attempts(5));
    let handle = task.submit(|_| Err::<(), _>(())).unwrap();
    pool.wait_idle();
    assert!(handle.is_finished());
}

#[test]
fn a_handle_that_is_dropped_changes_nothing() {
    let pool = one();
    let (tell, told) = unbounded();
    let task = pool.task("send").retry(at_once());
    drop(task.submit(move |attempt| match attempt {
        3 => Ok(tell.send(attempt)),
        _ => Err("no connection"),
    }));
    assert_eq!(told.recv(), Ok(3));
    pool.wait_idle();
    assert_eq!(pool.stats().completed(), 1);
}

#[test]
fn observers_are_called_once_for_a_task_and_with_all_its_attempts() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let tell = heard.clone();
    let pool = Pool::builder()
        .threads(1)
        .observer(move |info, outcome, _, _| {
            let news = (info.name().to_owned(), info.attempts(), outcome);
            tell.lock().unwrap().push(news);
        })
        .build()
        .unwrap();
    let task = pool.task("send").retry(at_once().attempts(4));
    drop(task.submit(|_| Err::<(), _>("no connection")));
    pool.wait_idle();
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, [("send".to_owned(), 4, TaskOutcome::Completed)]);
}

#[test]
fn the_last_attempt_that_there_can_be_is_counted() {
    let pool = one();
    let task = pool.task("send").retry(at_once().attempts(u32::MAX));
    let handle = task.submit(|attempt| match attempt {
        1_000 => Ok(()),
        _ => Err("no connection"),
    });
    handle.unwrap().join().unwrap().unwrap();
    let none = pool.task("send").retry(at_once().attempts(0));
    let handle = none.submit(Err::<(), _>);
    assert_eq!(handle.unwrap().join().unwrap().unwrap_err().into_error(), 1);
}

#[test]
fn what_is_due_and_what_lies_in_the_queue_do_not_starve_each_other() {
    within(LONG, "a queue that stays full", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(1)
            .build()
            .unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let (flood, ran) = (over.clone(), Arc::new(AtomicUsize::new(0)));
        let (submitter, count) = (pool.submitter(), ran.clone());
        let flooding = thread::spawn(move || {
            while !flood.load(SeqCst) {
                let count = count.clone();
                submitter
                    .execute(move || {
                        count.fetch_add(1, SeqCst);
                    })
                    .unwrap();
            }
        });
        // From outside a full queue is waited for; retries do not.
        let task = pool.task("send").retry(at_once().attempts(500));
        let handle = task.submit(|_| Err::<(), _>("no connection")).unwrap();
        let error = handle.join().unwrap().unwrap_err();
        assert_eq!(error.attempts(), 500);
        // And the other way: one that is due again and again.
        let stopped = over.clone();
        let for_ever = task_for_ever(&pool, stopped);
        let before = ran.load(SeqCst);
        wait_until("the others run", || ran.load(SeqCst) > before + 500);
        over.store(true, SeqCst);
        flooding.join().unwrap();
        for_ever.join().unwrap().unwrap();
    });
}

/// Fails at once, again and again, until it is over.
fn task_for_ever(pool: &Pool, over: Arc<AtomicBool>) -> crate::common::retry::Retried<()> {
    let task = pool.task("for ever").retry(at_once());
    let handle = task.submit(move |_| match over.load(SeqCst) {
        true => Ok(()),
        false => Err("no connection".to_owned()),
    });
    handle.unwrap()
}

#[test]
fn in_place_a_first_attempt_runs_at_once_and_the_next_ones_later() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(1)
        .caller_runs_when_full()
        .build()
        .unwrap();
    let handle = pool.submit_with(|ctx| {
        let submitter = ctx.submitter();
        submitter.execute(|| ()).unwrap(); // the queue is full
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let task = submitter.task("send").retry(at_once());
        let handle = task.submit(move |attempt| {
            count.store(attempt as usize, SeqCst);
            match attempt {
                3 => Ok(()),
                _ => Err("no connection"),
            }
        });
        assert_eq!(made.load(SeqCst), 1);
        handle.unwrap().join().unwrap().unwrap();
        made.load(SeqCst)
    });
    assert_eq!(handle.unwrap().join().unwrap(), 3);
    let report = pool.stop(LONG);
    assert!(report.is_clean());
    assert_eq!((report.accepted(), report.completed()), (3, 3), "{report}");
}

#[test]
fn the_last_error_is_the_source_of_the_error() {
    use std::error::Error;
    let pool = one();
    let once = pool.task("send").retry(at_once().attempts(1));
    let handle = once.submit(|_| Err::<(), _>(std::fmt::Error)).unwrap();
    let error = handle.join().unwrap().unwrap_err();
    assert!(error.source().unwrap().is::<std::fmt::Error>());
}
