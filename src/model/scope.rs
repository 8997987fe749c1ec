//! Scopes and the loops on top of them: which thread runs a task that several may run, and
//! whether its scope is notified of its end.

use super::{Captured, Count, FOREVER, any_plan, builder, chance, check, outcome, pool};
use crate::sync::model::thread;
use crate::sync::{Arc, channel};
use crate::{CancelToken, Pool, StopHandle, StopReport, Submitter, TaskError};
use std::time::Duration;

/// A thread that stops the pool, or only closes it and stops it then.
fn stopper(stop: StopHandle) -> thread::JoinHandle<StopReport> {
    thread::spawn(move || {
        if chance::one_of(&[false, true]) {
            stop.close();
            thread::yield_now();
        }
        stop.stop(any_plan())
    })
}

/// Each ended once in the books, and no scoped task is handed back.
fn adds_up(report: &StopReport) {
    let left = (report.abandoned().len() + report.stopping_tasks().len()) as u64;
    let ended = report.completed() + report.panicked() + report.cancelled();
    assert_eq!(report.accepted(), ended + left, "{report}");
    assert!(report.unstarted().is_empty(), "{report}");
}

/// When a scope has returned: every task of it began once, and is gone.
fn all_ran(count: &Count, tasks: u64) {
    assert_eq!(count.sum(|fate| fate.began == 1), tasks);
    count.nothing_is_left();
}

fn end(pool: Pool, report: StopReport) {
    adds_up(&report);
    report.wait_for_abandoned(FOREVER);
    drop(report);
    drop(pool);
}

fn begin(captured: Captured) -> impl FnOnce() + Send {
    move || captured.begin()
}

#[test]
fn a_scope_sees_the_last_end_or_is_woken() {
    check(|| {
        let (pool, count) = (pool(2, 1), Count::new());
        pool.scope(|s| {
            s.execute(begin(count.task()));
            s.execute(begin(count.task()));
        });
        all_ran(&count, 2);
        assert!(pool.stop(FOREVER).is_clean());
    });
}

#[test]
fn a_scope_returns_with_all_its_tasks_run_whatever_stops_the_pool() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let stopper = stopper(pool.stop_handle());
        let joined = pool.scope(|s| {
            s.execute(begin(count.task()));
            let joined = s.submit(begin(count.task()));
            s.execute(begin(count.task()));
            outcome(&joined.join())
        });
        assert_eq!(joined, "completed");
        all_ran(&count, 3);
        end(pool, stopper.join().unwrap());
    });
}

#[test]
fn what_a_task_submits_while_its_scope_waits_is_waited_for() {
    check(|| {
        let (pool, count) = (pool(2, 1), Count::new());
        let stopper = stopper(pool.stop_handle());
        pool.scope(|s| {
            let count = &count;
            s.execute(move || {
                s.execute(begin(count.task()));
                s.execute(begin(count.task()));
            });
        });
        all_ran(&count, 2);
        end(pool, stopper.join().unwrap());
    });
}

#[test]
fn a_scoped_task_is_cancelled_or_runs_whatever_a_stop_does_meanwhile() {
    check(|| {
        let (pool, count) = (pool(1, 2), Count::new());
        let stopper = stopper(pool.stop_handle());
        let counter = count.clone();
        let (cancelled, outcome) = pool.scope(|s| {
            let handle = s.submit(begin(counter.task()));
            s.execute(begin(counter.task()));
            (handle.cancel(), outcome(&handle.join()))
        });
        assert_eq!(cancelled, outcome == "cancelled");
        all_ran(&count, 2 - u64::from(cancelled));
        let report = stopper.join().unwrap();
        assert!(report.cancelled() <= u64::from(cancelled), "{report}");
        end(pool, report);
    });
}

#[test]
fn a_cancel_by_a_task_of_the_scope_agrees_with_its_start() {
    check(|| {
        let (pool, count) = (pool(2, 2), Count::new());
        let counter = &count;
        let cancelled = pool.scope(|s| {
            let victim = s.submit(begin(counter.task()));
            let canceller = s.submit(move || (victim.cancel(), outcome(&victim.join())));
            canceller.join().unwrap()
        });
        assert_eq!(cancelled.0, cancelled.1 == "cancelled");
        all_ran(&count, u64::from(!cancelled.0));
        let report = pool.stop(FOREVER);
        assert_eq!(report.cancelled(), u64::from(cancelled.0));
        end(pool, report);
    });
}

#[test]
fn a_task_given_back_is_run_by_one_of_those_that_could() {
    check(|| {
        let (pool, count) = (pool(2, 2), Count::new());
        let stopper = stopper(pool.stop_handle());
        let counter = &count;
        pool.scope(|s| {
            // Its join is that of a worker, or that of the scope's thread.
            let first = s.submit(begin(counter.task()));
            let captured = counter.task();
            let joins = s.submit(move || {
                captured.begin();
                outcome(&first.join())
            });
            let last = s.submit(begin(counter.task()));
            assert_eq!(outcome(&last.join()), "completed");
            assert_eq!(joins.join().unwrap(), "completed");
        });
        all_ran(&count, 3);
        end(pool, stopper.join().unwrap());
    });
}

/// Scopes in tasks: the worker runs what has not started.
fn nested(pool: Pool) {
    let count = Count::new();
    let stopper = stopper(pool.stop_handle());
    let (submitter, counter) = (pool.submitter(), count.clone());
    let outer = pool.submit(move || {
        submitter.scope(|s| {
            let (submitter, counter) = (&submitter, &counter);
            s.execute(move || {
                submitter.scope(|inner| {
                    inner.execute(begin(counter.task()));
                    let joined = inner.submit(begin(counter.task()));
                    assert_eq!(outcome(&joined.join()), "completed");
                });
            });
            s.execute(begin(counter.task()));
        });
    });
    match outer.map(|outer| outer.join()) {
        Ok(Ok(())) => all_ran(&count, 3),
        Ok(Err(TaskError::Unstarted | TaskError::Abandoned)) | Err(_) => {}
        Ok(Err(other)) => panic!("{other}"),
    }
    let report = stopper.join().unwrap();
    // The outer one is no scoped task.
    report.take_unstarted().into_iter().for_each(|task| {
        task.run();
    });
    report.wait_for_abandoned(FOREVER);
    drop(pool);
    let began = count.sum(|fate| fate.began == 1);
    assert!(began == 0 || began == 3, "{began}");
    count.nothing_is_left();
}

#[test]
fn scopes_in_tasks_complete_in_a_pool_of_one_worker_that_stops() {
    check(|| nested(pool(1, 1)));
}

#[test]
fn scopes_in_tasks_complete_in_a_pool_of_two_workers_that_stops() {
    check(|| nested(pool(2, 1)));
}

#[test]
fn scopes_in_tasks_complete_where_tasks_run_in_place() {
    check(|| nested(builder(1, 1).caller_runs_when_full().build().unwrap()));
}

#[test]
fn a_task_still_running_at_the_report_gives_its_scope_the_result() {
    check(|| {
        let pool = pool(1, 1);
        let (open, gate) = channel::bounded::<()>(0);
        let stop = pool.stop_handle();
        let joined = pool.scope(|s| {
            let handle = s.submit(move || gate.recv().is_err());
            let stopper = thread::spawn(move || drop(stop.stop(Duration::ZERO)));
            let opener = thread::spawn(move || drop(open));
            let joined = handle.join().unwrap();
            stopper.join().unwrap();
            opener.join().unwrap();
            joined
        });
        assert!(joined);
        let report = pool.stop(FOREVER);
        end(pool, report);
    });
}

/// A map is complete, or a stop took the backlog out.
fn mapped(submitter: &Submitter, plan_may_cut_short: bool) {
    match submitter.map(0..4_u64, |n| n * n) {
        Ok(squares) => assert_eq!(squares, [0, 1, 4, 9]),
        Err(TaskError::Unstarted) => assert!(plan_may_cut_short),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_map_is_whole_or_cut_short_by_a_stop() {
    check(|| {
        let pool = pool(2, 1);
        let stopper = stopper(pool.stop_handle());
        mapped(&pool.submitter(), true);
        end(pool, stopper.join().unwrap());
    });
}

#[test]
fn a_map_is_whole_if_nothing_stops_the_pool_and_its_late_runners_are_not_counted() {
    check(|| {
        let pool = pool(2, 1);
        mapped(&pool.submitter(), false);
        pool.wait_idle();
        let report = pool.stop(FOREVER);
        assert!(report.is_clean() && report.cancelled() == 0, "{report}");
        end(pool, report);
    });
}

#[test]
fn a_token_wakes_a_loop_whose_runners_wait_for_a_worker_that_is_stuck() {
    check(|| {
        let pool = pool(1, 2);
        let (open, gate) = channel::bounded::<()>(0);
        pool.execute(move || gate.recv().is_ok()).unwrap();
        let token = CancelToken::new();
        let own = token.clone();
        let canceller = thread::spawn(move || own.cancel());
        let loops = pool.parallel("loop").cancel_token(&token);
        match loops.map(0..2_u64, |n| n) {
            Err(TaskError::Cancelled) => {}
            other => panic!("the worker is stuck: {other:?}"),
        }
        drop(open);
        canceller.join().unwrap();
        pool.wait_idle();
        let report = pool.stop(FOREVER);
        assert!(report.is_clean() && report.accepted() == 1, "{report}");
        end(pool, report);
    });
}

#[test]
fn a_loop_with_a_token_is_whole_or_cut_short_by_it_or_by_a_stop() {
    check(|| {
        let pool = pool(2, 1);
        let stopper = stopper(pool.stop_handle());
        let token = CancelToken::new();
        let own = token.clone();
        let canceller = thread::spawn(move || own.cancel());
        match pool
            .parallel("loop")
            .cancel_token(&token)
            .map(0..4_u64, |n| n)
        {
            Ok(all) => assert_eq!(all, [0, 1, 2, 3]),
            Err(TaskError::Cancelled | TaskError::Unstarted) => {}
            Err(other) => panic!("{other}"),
        }
        canceller.join().unwrap();
        end(pool, stopper.join().unwrap());
    });
}

#[test]
fn a_token_wakes_a_stream_that_waits_for_a_worker_that_is_stuck() {
    check(|| {
        let pool = pool(1, 2);
        let (open, gate) = channel::bounded::<()>(0);
        pool.execute(move || gate.recv().is_ok()).unwrap();
        let token = CancelToken::new();
        let own = token.clone();
        let canceller = thread::spawn(move || own.cancel());
        let stream = pool
            .parallel("stream")
            .cancel_token(&token)
            .stream(0..2, |n| n);
        let stream = match chance::one_of(&[false, true]) {
            true => stream.unordered(),
            false => stream,
        };
        for result in stream {
            let error = result.unwrap_err();
            assert!(matches!(error.error(), TaskError::Cancelled), "{error}");
        }
        drop(open);
        canceller.join().unwrap();
        let report = pool.stop(FOREVER);
        end(pool, report);
    });
}

#[test]
fn a_map_in_a_task_is_whole_while_the_pool_drains() {
    check(|| {
        let pool = pool(chance::one_of(&[1, 2]), 1);
        let submitter = pool.submitter();
        let task = pool.submit(move || mapped(&submitter, false)).unwrap();
        let report = pool.stop(FOREVER);
        task.join().unwrap();
        end(pool, report);
    });
}

/// As many results as were pulled, in order, and errors only from a stop.
fn streamed(submitter: &Submitter, is_unordered: bool, takes: usize) {
    let pulled = Arc::new(super::StaticMutex::new(0));
    let counter = pulled.clone();
    let source = (0..4_u64).inspect(move |_| *counter.lock() += 1);
    let stream = submitter.stream(source, |n| n).in_flight(2);
    let mut stream = match is_unordered {
        true => stream.unordered(),
        false => stream,
    };
    let mut yielded = Vec::new();
    for result in stream.by_ref().take(takes) {
        yielded.push(result.ok());
        assert!(*pulled.lock() <= yielded.len() + 2);
    }
    if takes > 4 {
        assert_eq!(yielded.len(), *pulled.lock());
    }
    for (n, result) in yielded.into_iter().enumerate() {
        assert!(is_unordered || result.is_none_or(|result| result == n as u64));
    }
}

#[test]
fn a_stream_yields_one_result_for_each_item_whatever_stops_the_pool() {
    check(|| {
        let pool = pool(chance::one_of(&[1, 2]), chance::one_of(&[1, 2]));
        let stopper = stopper(pool.stop_handle());
        let is_unordered = chance::one_of(&[false, true]);
        streamed(&pool.submitter(), is_unordered, 5);
        let report = stopper.join().unwrap();
        report.drop_unstarted();
        report.wait_for_abandoned(FOREVER);
    });
}

#[test]
fn a_stream_in_a_task_never_waits_for_what_only_its_worker_can_run() {
    check(|| {
        let pool = pool(1, 1);
        let submitter = pool.submitter();
        let is_unordered = chance::one_of(&[false, true]);
        let takes = chance::one_of(&[1, 5]);
        let task = pool.submit(move || streamed(&submitter, is_unordered, takes));
        task.unwrap().join().unwrap();
        assert!(pool.stop(FOREVER).abandoned().is_empty());
    });
}
