//! Stopping: contracts 8 to 11, 13 and 15.

use crate::common::{Gate, LONG, SlowDrop, occupied_pool, occupy, within};
use groundcrew::channel::{Sender, bounded, unbounded};
use groundcrew::stop::PoolPhase;
use groundcrew::{Pool, StopPlan, TaskError};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

const NOW: Duration = Duration::ZERO;

#[test]
fn a_drain_runs_the_backlog() {
    let (pool, gate) = occupied_pool(8);
    let handles: Vec<_> = (0..8).map(|n| pool.submit(move || n).unwrap()).collect();
    let stop = pool.stop_handle();
    stop.request_stop(StopPlan::drain(LONG));
    assert_eq!(stop.phase(), PoolPhase::Closed);
    gate.open();
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.accepted(), report.completed()), (9, 9));
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().unwrap(), n);
    }
}

#[test]
fn finish_hands_the_backlog_back_at_once_and_lets_what_runs_finish() {
    let (pool, gate) = occupied_pool(8);
    let handle = pool.task("behind").submit(|| ()).unwrap();
    pool.stop_handle()
        .request_stop(StopPlan::finish_running(LONG));
    // Unstarted as soon as the stop takes it out, long before the report.
    assert!(matches!(handle.join(), Err(TaskError::Unstarted)));
    assert!(pool.stop_handle().phase() < PoolPhase::Done);
    gate.open();
    let report = pool.stop(LONG);
    assert_eq!((report.completed(), report.unstarted().len()), (1, 1));
    assert_eq!(report.unstarted()[0].name(), "behind");
    assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
}

#[test]
fn cancel_fires_every_token_at_once_and_a_task_that_obeys_is_completed() {
    let pool = Pool::new(2).unwrap();
    let (tell, told) = bounded(2);
    for _ in 0..2 {
        let tell = tell.clone();
        pool.execute_with(move |ctx| {
            tell.send(()).unwrap();
            ctx.token().wait();
        })
        .unwrap();
        told.recv().unwrap();
    }
    let token = pool.stop_handle().token();
    let receiver = pool.stop_handle().token().receiver();
    let report = pool.stop(StopPlan::cancel(LONG));
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.completed(), 2);
    assert!(token.is_cancelled() && receiver.recv().is_err());
}

#[test]
fn cancel_fires_the_token_even_if_no_worker_is_left_to_see_it() {
    let pool = Pool::new(1).unwrap();
    let stop = pool.stop_handle();
    stop.close();
    let token = stop.token();
    while pool.stats().workers_alive() > 0 {
        thread::yield_now();
    }
    assert!(pool.stop(StopPlan::cancel(LONG)).is_clean());
    assert!(token.is_cancelled());

    // From the only worker, too.
    let pool = Pool::new(1).unwrap();
    let stop = pool.stop_handle();
    let fired = pool
        .submit_with(move |ctx| {
            drop(stop.stop(StopPlan::cancel(LONG)));
            ctx.is_cancelled()
        })
        .unwrap();
    assert!(fired.join().unwrap());

    // A drain that is over before its grace asks nobody.
    let pool = Pool::new(1).unwrap();
    let token = pool.stop_handle().token();
    assert!(pool.stop(LONG).is_clean());
    assert!(!token.is_cancelled());
}

#[test]
fn at_the_grace_of_a_drain_the_backlog_is_out_and_the_token_fires() {
    let pool = Pool::builder().threads(1).build().unwrap();
    let (tell, told) = bounded(1);
    let heeds = pool
        .submit_with(move |ctx| {
            tell.send(()).unwrap();
            ctx.token().wait();
        })
        .unwrap();
    told.recv().unwrap();
    let behind = pool.submit(|| ()).unwrap();
    let limit = LONG;
    let report = pool.stop(StopPlan::drain(limit).grace(limit));
    heeds.join().unwrap();
    assert!(matches!(behind.join(), Err(TaskError::Unstarted)));
    assert_eq!((report.completed(), report.unstarted().len()), (1, 1));
    assert!(report.elapsed() < limit);
}

#[test]
fn a_stop_without_limit_waits_for_all_and_cancels_nothing() {
    let (pool, gate) = occupied_pool(8);
    let token = pool.stop_handle().token();
    let stopping = {
        let stop = pool.stop_handle();
        thread::spawn(move || stop.stop(Duration::MAX))
    };
    while pool.stop_handle().phase() == PoolPhase::Open {
        thread::yield_now();
    }
    gate.open();
    let report = stopping.join().unwrap();
    assert!(report.is_clean() && !token.is_cancelled());
    assert!(report.to_string().contains("no deadline"), "{report}");
}

#[test]
fn zero_and_past_deadlines_report_at_once_what_is_there() {
    let past = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    for plan in [
        StopPlan::from(NOW),
        StopPlan::from(past),
        StopPlan::finish_running(NOW),
        StopPlan::cancel(NOW),
        StopPlan::drain(NOW).grace(LONG),
    ] {
        let (pool, gate) = occupied_pool(2);
        let behind = pool.submit(|| ()).unwrap();
        let report = pool.stop(plan);
        assert_eq!(report.abandoned().len(), 1, "{report}");
        assert_eq!(report.unstarted().len(), 1, "{report}");
        assert!(matches!(behind.join(), Err(TaskError::Unstarted)));
        assert!(report.elapsed() < LONG / 2);
        gate.open();
        assert_eq!(report.wait_for_abandoned(LONG), 0);
    }
}

#[test]
fn an_abandoned_task_is_named_with_all_that_is_known_of_it() {
    let pool = Pool::builder().threads(1).name("render").build().unwrap();
    let (gate, (tell, told)) = (Gate::new(), bounded(1));
    let entrance = gate.entrance();
    let handle = pool
        .task("deaf\u{1b}[31m")
        .submit_with(move |ctx| {
            ctx.note("row 3120 of 4000");
            tell.send(()).unwrap();
            entrance.pass();
            7
        })
        .unwrap();
    told.recv().unwrap();
    let running = pool.running();
    assert_eq!(running[0].note(), Some("row 3120 of 4000"));
    let report = pool.stop(NOW);
    let abandoned = &report.abandoned()[0];
    assert_eq!(abandoned.info().id(), handle.info().id());
    assert_eq!((abandoned.worker(), report.pool()), ("render-0", "render"));
    assert!(abandoned.has_token());
    assert_eq!(abandoned.note(), Some("row 3120 of 4000"));
    assert!(abandoned.cancel_requested_for().is_some());
    assert!(abandoned.running_for() < LONG);
    assert_eq!(abandoned.thread_id().is_some(), cfg!(target_os = "linux"));
    let text = report.to_string();
    assert!(
        text.contains("NOT CLEAN") && text.contains("\"deaf\\u{1b}[31m\""),
        "{text}"
    );
    assert!(matches!(handle.join(), Err(TaskError::Abandoned)));

    // It ends late: counted as such, and nothing else changes.
    assert_eq!(
        (pool.stats().abandoned(), pool.stats().ended_late()),
        (1, 0)
    );
    gate.open();
    assert_eq!(report.wait_for_abandoned(LONG), 0);
    let stats = pool.stats();
    assert_eq!(
        (stats.abandoned(), stats.ended_late(), stats.completed()),
        (1, 1, 0)
    );
    assert_eq!(pool.stop(NOW).abandoned().len(), 1, "the report stands");
}

#[test]
fn a_task_that_ends_as_the_deadline_passes_is_either_completed_or_abandoned() {
    within(LONG, "a race with the deadline", || {
        for round in 0..500_u32 {
            let pool = Pool::new(1).unwrap();
            let gate = Gate::new();
            let handle = occupy(&pool, &gate);
            let stopping = {
                let stop = pool.stop_handle();
                let limit = Duration::from_micros(u64::from(round % 20) * 10);
                thread::spawn(move || stop.stop(limit))
            };
            gate.open();
            let report = stopping.join().unwrap();
            match handle.join() {
                Ok(()) => assert_eq!(report.completed(), 1),
                Err(TaskError::Abandoned) => assert_eq!(report.abandoned().len(), 1),
                Err(other) => panic!("{other}"),
            }
        }
    });
}

#[test]
fn no_wait_outlives_the_stop() {
    within(LONG, "a wait", || {
        let (pool, gate) = occupied_pool(1);
        let (tell, told) = unbounded();
        let behind = pool.submit(|| ()).unwrap();
        thread::scope(|scope| {
            let told_of = |what: &'static str| {
                let tell = tell.clone();
                move || tell.send(what).unwrap()
            };
            let (join, idle, full) = (told_of("join"), told_of("idle"), told_of("full"));
            scope.spawn(move || {
                assert!(matches!(behind.join(), Err(TaskError::Unstarted)));
                join();
            });
            let waited = &pool;
            scope.spawn(move || {
                waited.wait_idle();
                idle();
            });
            scope.spawn(move || {
                assert!(waited.execute(|| ()).unwrap_err().is_closed());
                full();
            });
            let report = pool.stop(Duration::from_millis(20));
            assert_eq!(report.abandoned().len(), 1);
            let mut ended: Vec<_> = (0..3).map(|_| told.recv().unwrap()).collect();
            ended.sort_unstable();
            assert_eq!(ended, ["full", "idle", "join"]);
        });
        gate.open();
    });
}

#[test]
fn stopping_twice_returns_the_same_report_at_once() {
    let (pool, gate) = occupied_pool(2);
    let first = pool.stop(NOW);
    let second = pool.stop(LONG);
    assert_eq!(first.to_string(), second.to_string());
    assert_eq!(
        first.clone().to_string(),
        pool.stop_handle().stop(NOW).to_string()
    );
    gate.open();
}

#[test]
fn many_threads_that_stop_at_once_all_get_the_one_report() {
    within(LONG, "a concurrent stop", || {
        for _ in 0..200 {
            let (pool, gate) = occupied_pool(4);
            pool.execute(|| ()).unwrap();
            let reports: Vec<_> = thread::scope(|scope| {
                let stops: Vec<_> = (0..8_u32)
                    .map(|n| {
                        let stop = pool.stop_handle();
                        let limit = Duration::from_micros(u64::from(n % 4) * 100);
                        scope.spawn(move || stop.stop(limit))
                    })
                    .collect();
                stops.into_iter().map(|stop| stop.join().unwrap()).collect()
            });
            assert!(
                reports
                    .iter()
                    .all(|report| report.to_string() == reports[0].to_string())
            );
            assert_eq!(reports[0].unstarted().len(), 1);
            // Each owns the tasks; the first to take them has them.
            assert_eq!(reports[7].take_unstarted().len(), 1);
            assert!(
                reports
                    .iter()
                    .all(|report| report.take_unstarted().is_empty())
            );
            gate.open();
        }
    });
}

#[test]
fn a_later_plan_tightens_a_stop_and_never_loosens_it() {
    within(LONG, "a tightened stop", || {
        let (pool, gate) = occupied_pool(2);
        let token = pool.stop_handle().token();
        let endless = {
            let stop = pool.stop_handle();
            thread::spawn(move || stop.stop(Duration::MAX))
        };
        while pool.stop_handle().phase() == PoolPhase::Open {
            thread::yield_now();
        }
        pool.stop_handle()
            .request_stop(StopPlan::cancel(Duration::MAX));
        token.wait();
        assert!(pool.stop_handle().phase() >= PoolPhase::Cancelling);
        pool.stop_handle()
            .request_stop(StopPlan::drain(Duration::MAX));
        let report = pool.stop(NOW);
        assert_eq!(report.abandoned().len(), 1);
        assert_eq!(endless.join().unwrap().abandoned().len(), 1);
        assert_eq!(pool.stop_handle().phase(), PoolPhase::Done);
        gate.open();
    });
}

#[test]
fn a_request_does_not_wait_and_its_report_waits_in_the_pool() {
    within(LONG, "a request", || {
        let (pool, gate) = occupied_pool(2);
        let behind = pool.submit(|| 7).unwrap();
        pool.stop_handle().request_stop(NOW);
        while pool.stop_handle().phase() != PoolPhase::Done {
            thread::yield_now();
        }
        let report = pool.stop(LONG);
        assert_eq!(report.abandoned().len(), 1);
        let mut left = report.take_unstarted();
        left.remove(0).run();
        assert_eq!(behind.join().unwrap(), 7);
        gate.open();
    });
}

#[test]
fn the_stopping_thread_runs_no_user_code_before_the_report_is_made() {
    struct Tell(Arc<AtomicUsize>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let (pool, gate) = occupied_pool(8);
    let drops = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let tell = Tell(drops.clone());
        pool.execute(move || drop(tell)).unwrap();
    }
    let report = pool.stop(NOW);
    assert_eq!(drops.load(SeqCst), 0, "moved, not dropped");
    let clone = report.clone();
    drop(report);
    assert_eq!(drops.load(SeqCst), 0, "a clone still owns them");
    drop(clone);
    assert_eq!(drops.load(SeqCst), 5);
    // The pool itself does not.
    assert!(pool.stop(NOW).take_unstarted().is_empty());
    gate.open();
}

#[test]
fn a_loop_over_a_channel_ends_once_the_unstarted_senders_are_dropped() {
    within(LONG, "for r in rx", || {
        let (pool, gate) = occupied_pool(8);
        let (results, received) = unbounded();
        for n in 0..3 {
            let results = results.clone();
            pool.execute(move || results.send(n)).unwrap();
        }
        drop(results);
        let report = pool.stop(StopPlan::cancel(NOW));
        assert!(
            received.try_recv().unwrap_err().is_empty(),
            "not disconnected yet"
        );
        report.drop_unstarted();
        assert_eq!(received.iter().count(), 0);
        gate.open();
    });
}

#[test]
fn an_unstarted_task_goes_to_another_pool_and_its_handle_with_it() {
    within(LONG, "a resubmission", || {
        let (pool, gate) = occupied_pool(8);
        let joined = pool
            .submit(|| thread::current().name().map(str::to_owned))
            .unwrap();
        let cancelled = pool.submit(|| None::<String>).unwrap();
        let claimed = pool.submit(|| thread::current().id()).unwrap();
        let (tell, told) = bounded(1);
        pool.execute_with(move |ctx| tell.send(ctx.submitter().execute(|| ()).is_ok()))
            .unwrap();
        let report = pool.stop(NOW);
        assert!(joined.is_finished(), "unstarted is as good as ended");
        assert!(!cancelled.cancel(), "an unstarted task cannot be cancelled");

        let other = Pool::builder()
            .threads(1)
            .queue_capacity(8)
            .name("other")
            .build()
            .unwrap();
        let second_gate = Gate::new();
        drop(occupy(&other, &second_gate));
        for task in report.take_unstarted() {
            other.resubmit(task).unwrap();
        }
        assert!(!joined.is_finished(), "queued again");
        assert!(cancelled.cancel());
        let claim = other
            .submit(move || claimed.join().unwrap() == thread::current().id())
            .unwrap();
        second_gate.open();
        assert_eq!(joined.join().unwrap().as_deref(), Some("other-0"));
        assert!(matches!(cancelled.join(), Err(TaskError::Cancelled)));
        assert!(claim.join().unwrap());
        assert!(told.recv().unwrap(), "its submitter is the new pool's");
        let of_other = other.stop(LONG);
        // Four came over, and three were its own.
        assert_eq!(of_other.accepted(), 7, "{of_other}");
        assert_eq!((of_other.completed(), of_other.cancelled()), (6, 1));
        assert_eq!(report.unstarted().len(), 4, "the old report stands");
        gate.open();
    });
}

#[test]
fn a_refused_resubmission_gives_the_task_back_with_its_handle() {
    let (pool, gate) = occupied_pool(2);
    let handle = pool.submit(|| 7).unwrap();
    let task = pool.stop(NOW).take_unstarted().remove(0);
    let (full, second_gate) = occupied_pool(1);
    full.execute(|| ()).unwrap();
    let refused = full.try_resubmit(task).unwrap_err();
    assert!(refused.is_full() && handle.is_finished());
    let refused = pool.resubmit(refused.into_inner()).unwrap_err();
    assert!(refused.is_closed());
    let error: Box<dyn std::error::Error + Send + Sync> = refused.into();
    assert_eq!(error.to_string(), "the pool is closed");
    drop(error);
    assert!(matches!(handle.join(), Err(TaskError::Unstarted)));
    gate.open();
    second_gate.open();
}

#[test]
fn a_wait_that_saw_the_task_taken_out_says_so_even_if_it_runs_afterwards() {
    within(LONG, "a waiter", || {
        let (pool, gate) = occupied_pool(2);
        let handle = pool.submit(|| 7).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(move || handle.join());
            let report = pool.stop(NOW);
            let outcome = waiter.join().unwrap();
            assert!(matches!(outcome, Err(TaskError::Unstarted)));
            report.take_unstarted().remove(0).run();
        });
        gate.open();
    });
}

#[test]
fn a_thread_that_lingers_in_a_destructor_does_not_hold_up_the_stop() {
    thread_local! {
        static AT_EXIT: RefCell<Option<SlowDrop>> = const { RefCell::new(None) };
    }
    within(LONG, "a stop", || {
        let pool = Pool::builder().threads(3).name("tls").build().unwrap();
        let gate = Gate::new();
        let entrance = gate.entrance();
        pool.submit(move || AT_EXIT.set(Some(SlowDrop(entrance))))
            .unwrap()
            .join()
            .unwrap();
        let report = pool.stop(Duration::from_secs(3));
        assert_eq!(report.lingering().len(), 1, "{report}");
        assert!(report.lingering()[0].worker().starts_with("tls-"));
        assert!(!report.is_clean() && report.abandoned().is_empty());
        assert!(report.to_string().contains("lingering  tls-"), "{report}");
        gate.open();
    });
}

#[test]
fn stop_from_inside_a_task_lists_it_as_caller_and_waits_for_the_others_only() {
    within(LONG, "a stop inside", || {
        let pool = Pool::new(2).unwrap();
        let (tell, told) = bounded(1);
        let gate = Gate::new();
        let entrance = gate.entrance();
        let other = pool.submit(move || entrance.pass()).unwrap();
        let stop = pool.stop_handle();
        let caller = pool
            .task("the caller")
            .submit(move || {
                tell.send(()).unwrap();
                let report = stop.stop(LONG);
                (thread::current().id(), report)
            })
            .unwrap();
        told.recv().unwrap();
        gate.open();
        other.join().unwrap();
        let (thread, report) = caller.join().unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.stopping_tasks()[0].name(), "the caller");
        assert_eq!((report.accepted(), report.completed()), (2, 1));
        assert_ne!(thread, thread::current().id());
        while pool.stats().ended_late() != 1 {
            thread::yield_now();
        }
        assert_eq!(pool.stats().stopping_tasks(), 1);
    });
}

#[test]
fn with_no_other_worker_to_drain_a_stop_inside_takes_the_backlog_out_at_once() {
    within(LONG, "a stop inside", || {
        let pool = Pool::new(1).unwrap();
        let (stop, submitter) = (pool.stop_handle(), pool.submitter());
        let report = pool
            .submit(move || {
                let behind = submitter.submit(|| ()).unwrap();
                let report = stop.stop(Duration::MAX);
                assert!(matches!(behind.join(), Err(TaskError::Unstarted)));
                report
            })
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(
            (report.unstarted().len(), report.stopping_tasks().len()),
            (1, 1)
        );
    });
}

#[test]
fn every_task_on_the_stack_of_a_worker_inside_stop_is_caller() {
    within(LONG, "a stop inside a claimed task", || {
        let pool = Pool::new(1).unwrap();
        let stop = pool.stop_handle();
        let report = pool
            .task("outer")
            .submit_with(move |ctx| {
                let inner = ctx
                    .submitter()
                    .task("inner")
                    .submit(move || stop.stop(LONG));
                inner.unwrap().join().unwrap()
            })
            .unwrap()
            .join()
            .unwrap();
        let names: Vec<_> = report
            .stopping_tasks()
            .iter()
            .map(|info| info.name())
            .collect();
        assert_eq!(names, ["inner", "outer"], "the innermost first");
        assert!(report.is_clean() && report.abandoned().is_empty());
    });
}

#[test]
fn two_tasks_that_both_stop_the_pool_do_not_wait_for_each_other() {
    within(LONG, "two stops inside", || {
        for _ in 0..200 {
            let pool = Pool::new(2).unwrap();
            let gate = Gate::new();
            let both: Vec<_> = (0..2)
                .map(|_| {
                    let (stop, entrance) = (pool.stop_handle(), gate.entrance());
                    pool.submit(move || {
                        entrance.pass();
                        stop.stop(Duration::MAX)
                    })
                    .unwrap()
                })
                .collect();
            gate.open();
            for handle in both {
                match handle.join() {
                    Ok(report) => assert_eq!(report.accepted(), 2, "{report}"),
                    Err(TaskError::Unstarted) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    });
}

#[test]
fn a_stop_from_a_worker_hook_does_not_wait_for_that_worker() {
    within(LONG, "a stop from a hook", || {
        let (pass, handle) = bounded::<groundcrew::StopHandle>(1);
        let (tell, told) = bounded(1);
        let pool = Pool::builder()
            .threads(1)
            .on_worker_start(move |_| tell.send(handle.recv().unwrap().stop(LONG)).unwrap())
            .build()
            .unwrap();
        pass.send(pool.stop_handle()).unwrap();
        assert!(told.recv().unwrap().is_clean());
    });
}

#[test]
fn phases_only_move_forward() {
    within(LONG, "phases", || {
        let (pool, gate) = occupied_pool(2);
        let stop = pool.stop_handle();
        assert_eq!(stop.phase(), PoolPhase::Open);
        stop.close();
        stop.close();
        assert_eq!(stop.phase(), PoolPhase::Closed);
        stop.request_stop(StopPlan::cancel(LONG));
        while stop.phase() == PoolPhase::Closed {
            thread::yield_now();
        }
        assert_eq!(stop.phase(), PoolPhase::Cancelling);
        gate.open();
        drop(pool.stop(LONG));
        assert_eq!(stop.phase(), PoolPhase::Done);
        stop.close();
        stop.request_stop(LONG);
        assert_eq!(stop.phase(), PoolPhase::Done);
    });
}

#[test]
fn sixty_four_workers_on_few_cores_stop_clean() {
    let pool = Pool::new(64).unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..10_000 {
        let ran = ran.clone();
        pool.execute(move || ran.fetch_add(1, SeqCst)).unwrap();
    }
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.completed(), ran.load(SeqCst)), (10_000, 10_000));
    assert_eq!(pool.stats().workers_alive(), 0);
}

#[test]
fn ten_thousand_queued_tasks_are_handed_back_and_dropped_one_by_one() {
    let (pool, gate) = occupied_pool(10_000);
    let captured = Arc::new(());
    for _ in 0..10_000 {
        let held = [captured.clone(), captured.clone()];
        pool.execute(move || drop(held)).unwrap();
    }
    let report = pool.stop(NOW);
    assert_eq!(report.unstarted().len(), 10_000);
    assert!(
        report.to_string().contains("  10000 x ten_thousand_queued"),
        "{report}"
    );
    drop(report);
    assert_eq!(Arc::strong_count(&captured), 1);
    gate.open();
}

#[test]
fn an_idle_pool_stops_clean_with_a_deadline_of_zero() {
    // Workers that only have to leave are given a moment; on a machine that is
    // busy with other work that may be too short, which the report then says.
    let clean = (0..20)
        .filter(|_| Pool::new(2).unwrap().stop(NOW).is_clean())
        .count();
    assert!(clean > 0);
}

#[test]
fn what_a_task_was_given_is_gone_when_the_stop_returns() {
    let owned = Arc::new(());
    let pool = Pool::new(2).unwrap();
    for _ in 0..100 {
        let held = owned.clone();
        pool.execute(move || drop(held)).unwrap();
    }
    assert!(pool.stop(LONG).is_clean());
    assert_eq!(Arc::strong_count(&owned), 1);
}

#[test]
fn every_worker_calls_its_hooks_once_in_order_on_its_own_thread() {
    let (tell, told) = unbounded::<(&str, usize, ThreadId)>();
    let started = tell.clone();
    let pool = Pool::builder()
        .threads(3)
        .on_worker_start(move |index| {
            started
                .send(("start", index, thread::current().id()))
                .unwrap();
        })
        .on_worker_stop(move |index| tell.send(("stop", index, thread::current().id())).unwrap())
        .build()
        .unwrap();
    assert!(pool.stop(LONG).is_clean());
    let calls: Vec<_> = told.try_iter().collect();
    for index in 0..3 {
        let own: Vec<_> = calls.iter().filter(|call| call.1 == index).collect();
        assert_eq!((own[0].0, own[1].0, own.len()), ("start", "stop", 2));
        assert_eq!(own[0].2, own[1].2);
    }
}

#[test]
fn a_stop_keeps_its_deadline_while_an_unwanted_result_is_dropped() {
    within(LONG, "a stop", || {
        let pool = Pool::new(1).unwrap();
        let (gate, (tell, told)) = (Gate::new(), bounded(1));
        let entrance = gate.entrance();
        let go = Gate::new();
        let at_go = go.entrance();
        drop(
            pool.submit(move || {
                at_go.pass();
                tell.send(()).unwrap();
                SlowDrop(entrance)
            })
            .unwrap(),
        );
        go.open();
        told.recv().unwrap();
        // The task ends about now, and its result is stuck at the gate.
        while pool.stats().completed() == 0 {
            thread::yield_now();
        }
        let report = pool.stop(NOW);
        assert_eq!((report.completed(), report.lingering().len()), (1, 1));
        gate.open();
    });
}

#[test]
fn a_result_whose_drop_stops_the_pool_does_not_wait_for_itself() {
    struct Stops(groundcrew::StopHandle);
    impl Drop for Stops {
        fn drop(&mut self) {
            drop(self.0.stop(Duration::MAX));
        }
    }
    within(LONG, "a stop", || {
        for _ in 0..100 {
            let pool = Pool::new(1).unwrap();
            let stop = pool.stop_handle();
            drop(pool.submit(move || Stops(stop)).unwrap());
            let report = pool.stop(Duration::MAX);
            assert_eq!(report.accepted(), 1, "{report}");
        }
    });
}

#[test]
fn a_hook_that_runs_tasks_by_joining_them_does_not_hold_up_a_stop() {
    within(LONG, "a stop", || {
        let (pass, submitter) = bounded::<groundcrew::Submitter>(1);
        let (gate, (tell, told)) = (Gate::new(), bounded(1));
        let entrance = gate.entrance();
        let pool = Pool::builder()
            .threads(1)
            .on_worker_start(move |_| {
                let submitter = submitter.recv().unwrap();
                let here = thread::current().id();
                let ran_on = submitter.submit(|| thread::current().id()).unwrap();
                assert_eq!(ran_on.join().unwrap(), here);
                tell.send(()).unwrap();
                entrance.pass();
            })
            .build()
            .unwrap();
        pass.send(pool.submitter()).unwrap();
        // Begun while the hook runs a task, perhaps, and over when that ends.
        assert!(pool.wait_idle_timeout(LONG), "hooks do not count");
        told.recv().unwrap();
        assert!(pool.wait_idle_timeout(LONG));
        let report = pool.stop(NOW);
        assert_eq!((report.completed(), report.lingering().len()), (1, 1));
        gate.open();
    });
}

#[test]
fn a_wait_for_a_task_whose_cancel_is_stuck_ends_with_the_stop() {
    within(LONG, "a wait", || {
        let (pool, busy) = occupied_pool(4);
        struct Tells {
            tell: Sender<()>,
            _then: SlowDrop,
        }
        impl Drop for Tells {
            fn drop(&mut self) {
                self.tell.send(()).unwrap();
            }
        }
        let (gate, (tell, told)) = (Gate::new(), bounded(1));
        let slow = Tells {
            tell,
            _then: SlowDrop(gate.entrance()),
        };
        let handle = pool.submit(move || drop(slow)).unwrap();
        thread::scope(|scope| {
            let handle = &handle;
            let cancelling = scope.spawn(move || handle.cancel());
            let waiting = scope.spawn(move || handle.wait_timeout(Duration::MAX));
            told.recv().unwrap(); // the cancel drops what the task captured
            let behind = pool.submit(|| ()).unwrap();
            busy.open();
            behind.join().unwrap();
            assert!(pool.stop(LONG).is_clean());
            assert!(waiting.join().unwrap() && handle.is_finished());
            gate.open();
            cancelling.join().unwrap();
        });
    });
}

#[test]
fn a_task_that_was_refused_by_another_pool_still_belongs_to_its_own() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let own = Pool::builder()
        .threads(1)
        .on_panic(move |_, _| {
            count.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    let gate = Gate::new();
    drop(occupy(&own, &gate));
    let handle = own.submit(|| crate::common::expected_panic()).unwrap();
    let task = own.stop(NOW).take_unstarted().remove(0);
    let other = Pool::new(1).unwrap();
    other.stop_handle().close();
    other.resubmit(task).unwrap_err().into_inner().run();
    assert!(matches!(handle.join(), Err(TaskError::Panicked(_))));
    assert_eq!(told.load(SeqCst), 1);
    gate.open();
}

#[test]
fn a_claim_that_comes_late_leaves_the_task_to_the_pool_that_has_it_now() {
    within(LONG, "a late claim", || {
        for round in 0..300_u32 {
            let (own, other) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
            let (tell, told) = bounded(1);
            let joiner = own
                .submit_with(move |ctx| {
                    let target = ctx.submitter().submit(|| 7).unwrap();
                    tell.send(()).unwrap();
                    (0..round % 50).for_each(|_| std::hint::spin_loop());
                    target.join()
                })
                .unwrap();
            told.recv().unwrap();
            let report = own.stop(NOW);
            let moved = report.take_unstarted();
            let came_over = moved.len() as u64;
            for task in moved {
                other.resubmit(task).unwrap();
            }
            other.wait_idle();
            let of_other = other.stop(LONG);
            assert_eq!(
                (of_other.accepted(), of_other.completed()),
                (came_over, came_over)
            );
            drop(joiner.join());
        }
    });
}

#[test]
fn how_long_a_task_has_run_does_not_count_the_long_ones_before_it() {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = bounded(1);
    let gate = Gate::new();
    for number in 0..8 {
        let (tell, entrance) = (tell.clone(), gate.entrance());
        pool.execute(move || match number {
            // Once the worker knows that they are long.
            0..6 => thread::sleep(Duration::from_millis(20)),
            6 => tell.send(Instant::now()).unwrap(),
            _ => entrance.pass(),
        })
        .unwrap();
    }
    let before = told.recv().unwrap();
    while pool.stats().completed() < 7 {
        thread::yield_now();
    }
    let running = pool.running();
    let since = before.elapsed();
    if let [task] = &running[..] {
        assert!(
            task.running_for() <= since + Duration::from_millis(5),
            "{task:?}"
        );
    }
    gate.open();
}
