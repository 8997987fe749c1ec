//! The token by which a task notices that its pool begins to stop.

use crate::common::{Gate, LONG, occupy, within};
use groundcrew::channel::bounded;
use groundcrew::{Pool, StopPlan, TaskContext};
use std::time::Duration;

#[test]
fn a_task_notices_the_close_of_its_pool_before_it_is_cancelled() {
    within(LONG, "a close", || {
        let pool = Pool::new(2).unwrap();
        let (tell, told) = bounded(2);
        for _ in 0..2 {
            let tell = tell.clone();
            let run = move |ctx: &TaskContext| {
                tell.send(ctx.stopping().is_cancelled()).unwrap();
                ctx.stopping().wait();
                tell.send(ctx.is_cancelled()).unwrap();
            };
            pool.execute_with(run).unwrap();
        }
        assert_eq!([told.recv(), told.recv()], [Ok(false), Ok(false)]);
        pool.stop_handle().close();
        assert_eq!([told.recv(), told.recv()], [Ok(false), Ok(false)]);
        assert!(pool.stop(Duration::MAX).is_clean());
    });
}

#[test]
fn only_the_pool_cancels_the_token_of_its_stop() {
    within(LONG, "two tasks", || {
        let pool = Pool::new(1).unwrap();
        let cancelled = pool.submit_with(|ctx| {
            ctx.token().wait();
            ctx.stopping().is_cancelled()
        });
        let cancelled = cancelled.unwrap();
        while pool.running().is_empty() {
            std::thread::yield_now();
        }
        assert!(!cancelled.cancel());
        assert!(!cancelled.join().unwrap());
        // A task that cancels it by itself ends nothing but its own waits.
        let own = pool.submit_with(|ctx| ctx.stopping().cancel()).unwrap();
        own.join().unwrap();
        let other = pool.submit_with(|ctx| ctx.stopping().is_cancelled());
        assert!(!other.unwrap().join().unwrap());
    });
}

#[test]
fn a_task_that_is_run_after_the_stop_is_no_part_of_it() {
    within(LONG, "an unstarted task", || {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::new();
        drop(occupy(&pool, &gate));
        let is_stopping = |ctx: &TaskContext| ctx.stopping().is_cancelled();
        let unstarted = pool.submit_with(is_stopping).unwrap();
        let (tell, told) = bounded(1);
        let executed = move |ctx: &TaskContext| tell.send(is_stopping(ctx)).unwrap();
        pool.execute_with(executed).unwrap();
        let report = pool.stop(StopPlan::cancel(Duration::ZERO));
        gate.open();
        report
            .take_unstarted()
            .into_iter()
            .for_each(|task| task.run());
        assert!(!unstarted.join().unwrap());
        assert_eq!(told.recv(), Ok(false));
    });
}

#[test]
fn closures_that_a_stop_calls_may_hang_and_panic_and_those_after_them_are_called() {
    within(LONG, "a stop", || {
        let pool = Pool::new(1).unwrap();
        let gate = Gate::new();
        let entrance = gate.entrance();
        let (tell, told) = bounded(1);
        let (end, ended) = bounded(1);
        let waits = pool.submit_with(move |ctx| {
            let _panics = ctx.stopping().on_cancel(|| crate::common::expected_panic());
            let _hangs = ctx.stopping().on_cancel(move || entrance.pass());
            // Of another task, say.
            let _ends = ctx.stopping().on_cancel(move || end.send(()).unwrap());
            tell.send(()).unwrap();
            ended.recv().unwrap();
        });
        told.recv().unwrap();
        assert!(pool.stop(Duration::MAX).is_clean());
        waits.unwrap().join().unwrap();
        gate.open();
    });
}
