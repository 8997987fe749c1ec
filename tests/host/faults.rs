//! Faults that were found in the host, each with the test that fails without its fix.

use crate::common::host::{Diary, OnDrop, Puppet, host, signal, wait};
use crate::common::{Gate, LONG, expected_panic, occupied_pool, within};
use groundcrew::channel::unbounded;
use groundcrew::host::{
    FailurePolicy, HostBuildError, HostPhase, HostStatus, Restart, RunningHost, ServiceFailure,
    ServiceOutcome, ServiceState,
};
use groundcrew::retry::Backoff;
use groundcrew::{BoxError, Host, HostHandle, HostReport, Pool, ServiceContext, WorkQueue};
use std::cell::{Cell, RefCell};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

type Handled = Result<(), BoxError>;

const SHORT: Duration = Duration::from_millis(20);

fn at_once() -> Restart {
    let backoff = Backoff::fixed(Duration::ZERO);
    Restart::new().backoff(backoff).limit(1_000, LONG)
}

/// Whether the first service is in this state, after so many restarts.
fn is_in(status: &HostStatus, state: ServiceState, restarts: u64) -> bool {
    let service = &status.services()[0];
    service.state() == state && service.restarts() == restarts
}

// Queues.

#[test]
fn a_worker_whose_handler_cannot_be_made_again_takes_no_more_items() {
    let (queue, made) = (WorkQueue::new(100), AtomicUsize::new(0));
    for item in 0..100 {
        queue.submit(item).unwrap();
    }
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, move || {
                if made.fetch_add(1, SeqCst) > 0 {
                    expected_panic();
                }
                |_: &mut u32, _: &ServiceContext| -> Handled { expected_panic() }
            }),
        );
    });
    let report = within(LONG, "no handler", || host.run());
    let failure = report.reason().failure().unwrap();
    assert!(failure.message().contains("expected by the test"));
    let rest: Vec<u32> = (1..100).collect();
    assert_eq!(queue.take_unstarted(), rest);
    assert_eq!(report.services()[0].queue().unwrap().panicked(), 1);
}

#[test]
fn a_restarted_queue_has_the_workers_that_were_asked_for() {
    within(LONG, "workers", || {
        let (queue, barrier) = (WorkQueue::new(100), Arc::new(Barrier::new(2)));
        let (made, alive, most) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let seen = Arc::new((alive, most));
        let counted = seen.clone();
        let host = host(LONG, |host| {
            let (queue, barrier) = (&queue, barrier.clone());
            host.add(
                "items",
                queue.workers(2, move || {
                    // The third is to replace the handler that panicked, the fourth belongs
                    // to the second incarnation.
                    if matches!(made.fetch_add(1, SeqCst), 2 | 3) {
                        expected_panic();
                    }
                    let (barrier, counted) = (barrier.clone(), counted.clone());
                    let alive = counted.0.fetch_add(1, SeqCst) + 1;
                    counted.1.fetch_max(alive, SeqCst);
                    let own = OnDrop::new(move || {
                        counted.0.fetch_sub(1, SeqCst);
                    });
                    move |&mut item: &mut u32, _: &ServiceContext| -> Handled {
                        let _ = &own;
                        match item {
                            0 => expected_panic(),
                            _ => barrier.wait(),
                        };
                        Ok(())
                    }
                }),
            )
            .on_failure(at_once());
        });
        let host = host.start().unwrap();
        queue.submit(0).unwrap();
        assert!(
            host.handle()
                .wait_until(|it| is_in(it, ServiceState::Up, 2))
        );
        // Two work at once, or this never ends.
        for item in 1..5 {
            queue.submit(item).unwrap();
        }
        assert_eq!(queue.take_failed().len(), 1);
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.services()[0].queue().unwrap().handled(), 4);
        assert_eq!((seen.0.load(SeqCst), seen.1.load(SeqCst)), (0, 2));
    });
}

#[test]
fn a_queue_that_stops_the_host_is_drained_by_the_workers_that_it_has_left() {
    within(LONG, "left", || {
        let (queue, made) = (WorkQueue::new(100), AtomicUsize::new(0));
        let (lose, gate) = (Gate::new(), Gate::new());
        let entrances = (lose.entrance(), gate.entrance());
        let host = host(LONG, |host| {
            host.add(
                "items",
                queue.workers(2, move || {
                    if made.fetch_add(1, SeqCst) > 1 {
                        expected_panic();
                    }
                    let (lost, entrance) = entrances.clone();
                    move |&mut item: &mut u32, _: &ServiceContext| -> Handled {
                        if item == 0 {
                            lost.pass();
                            expected_panic();
                        }
                        entrance.pass();
                        Ok(())
                    }
                }),
            );
        });
        let host = host.start().unwrap();
        for item in 0..10 {
            queue.submit(item).unwrap();
        }
        lose.open();
        let stops = |it: &HostStatus| it.phase() == HostPhase::Stopping;
        assert!(host.handle().wait_until(stops));
        gate.open();
        let report = host.wait();
        let stats = report.services()[0].queue().unwrap();
        assert_eq!((stats.handled(), stats.panicked()), (9, 1), "{report}");
        assert_eq!(report.exit_code(), 1);
    });
}

/// A queue of one worker, whose first item costs it its handler and so an incarnation;
/// the handler of the second one is made when the gate is open.
fn restarts_once(queue: &WorkQueue<u32>, gate: &Gate) -> Host {
    let (made, entrance) = (AtomicUsize::new(0), gate.entrance());
    host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, move || {
                match made.fetch_add(1, SeqCst) {
                    0 => {}
                    1 => expected_panic(),
                    _ => entrance.pass(),
                }
                |&mut item: &mut u32, _: &ServiceContext| -> Handled {
                    match item {
                        0 => expected_panic(),
                        _ => Ok(()),
                    }
                }
            }),
        )
        .on_failure(at_once());
    })
}

#[test]
fn a_queue_that_its_program_closed_stays_closed_over_a_restart() {
    within(LONG, "closed", || {
        let (queue, gate) = (WorkQueue::new(100), Gate::new());
        for item in 0..3 {
            queue.submit(item).unwrap();
        }
        queue.close();
        let host = restarts_once(&queue, &gate).start().unwrap();
        let handle = host.handle();
        assert!(handle.wait_until(|it| is_in(it, ServiceState::Starting, 1)));
        let refused = queue.try_submit(3).unwrap_err();
        assert!(queue.is_closed() && refused.is_closed() && refused.into_inner() == 3);
        gate.open();
        // What it had is worked on, and then it has done its work.
        assert!(handle.wait_until(|it| is_in(it, ServiceState::Stopped, 1)));
        assert_eq!(queue.take_failed().len(), 1);
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        let stats = report.services()[0].queue().unwrap();
        assert_eq!((stats.accepted(), stats.handled()), (3, 2));
    });
}

#[test]
fn a_restart_turns_no_submitter_away() {
    within(LONG, "submitters", || {
        let (queue, gate) = (WorkQueue::new(1), Gate::new());
        let host = restarts_once(&queue, &gate).start().unwrap();
        queue.submit(0).unwrap();
        let starts_again = |it: &HostStatus| is_in(it, ServiceState::Starting, 1);
        assert!(host.handle().wait_until(starts_again));
        queue.submit(1).unwrap();
        assert!(queue.try_submit(2).unwrap_err().is_full());
        thread::scope(|scope| {
            // There is room for it when the queue is up again.
            let waits = scope.spawn(|| queue.submit(2));
            gate.open();
            waits.join().unwrap().unwrap();
        });
        assert!(
            host.handle()
                .wait_until(|it| is_in(it, ServiceState::Up, 1))
        );
        assert_eq!(queue.take_failed().len(), 1);
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.services()[0].queue().unwrap().handled(), 2);
    });
}

#[test]
fn a_queue_misses_its_heartbeat_only_with_an_item_in_hand() {
    within(LONG, "silent queue", || {
        let (queue, gate) = (WorkQueue::new(100), Gate::new());
        let entrance = gate.entrance();
        let host = host(LONG, |host| {
            host.add(
                "items",
                queue.workers(1, move || {
                    let entrance = entrance.clone();
                    move |_: &mut u32, _: &ServiceContext| -> Handled {
                        entrance.pass();
                        Ok(())
                    }
                }),
            )
            .heartbeat_timeout(SHORT)
            .fail_on_missed_heartbeat()
            .on_failure(at_once());
        });
        let host = host.start().unwrap();
        // This needs its time, to be silent in.
        thread::sleep(3 * SHORT);
        assert!(host.is_alive() && !host.status().services()[0].heartbeat_overdue());
        assert_eq!(host.status().services()[0].failures(), 0);
        queue.submit(0).unwrap();
        let has_failed = |it: &HostStatus| it.services()[0].failures() == 1;
        assert!(host.handle().wait_until(has_failed));
        gate.open();
        assert!(
            host.handle()
                .wait_until(|it| is_in(it, ServiceState::Up, 1))
        );
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.failures()[0].message(), "no heartbeat for 0.02 s");
    });
}

#[cfg(feature = "testing")]
#[test]
fn to_take_an_item_is_a_heartbeat_at_once() {
    within(LONG, "take", || {
        let (queue, clock) = (WorkQueue::new(1), groundcrew::testing::ManualClock::new());
        let host = host(LONG, |host| {
            host.clock(&clock);
            host.add(
                "items",
                queue.workers(1, || |_: &mut u32, _: &ServiceContext| Handled::Ok(())),
            )
            .heartbeat_timeout(LONG);
        });
        let host = host.start().unwrap();
        for item in 1..=1_000 {
            clock.advance(2 * LONG);
            queue.submit(item).unwrap();
            while queue.stats().handled() < u64::from(item) {
                assert!(host.is_alive(), "item {item}");
            }
        }
        assert!(host.stop().is_clean());
    });
}

#[test]
fn a_note_of_a_handler_is_in_the_status() {
    within(LONG, "note", || {
        let (queue, gate, (tell, told)) = (WorkQueue::new(100), Gate::new(), signal());
        let entrance = gate.entrance();
        let host = host(LONG, |host| {
            host.add(
                "items",
                queue.workers(1, move || {
                    let (entrance, tell) = (entrance.clone(), tell.clone());
                    move |&mut item: &mut u32, ctx: &ServiceContext| -> Handled {
                        ctx.note(format!("item {item}"));
                        tell.send(()).unwrap();
                        entrance.pass();
                        Ok(())
                    }
                }),
            );
        });
        let host = host.start().unwrap();
        queue.submit(7).unwrap();
        told.recv().unwrap();
        assert_eq!(host.status().services()[0].note(), Some("item 7"));
        gate.open();
        assert!(host.stop().is_clean());
    });
}

// Pools.

#[test]
fn a_late_request_hurries_the_pools_whose_turn_never_came() {
    within(LONG, "hurry", || {
        let (pool, gate) = occupied_pool(1);
        let submitter = pool.submitter();
        submitter.execute(|| ()).unwrap();
        let host = host(2 * LONG, |host| {
            host.startup_task("migrate", |_| Err("no such table")?);
            host.add("pool", pool).after(["migrate"]);
        });
        let handle = host.handle();
        let report = thread::scope(|scope| {
            scope.spawn(move || {
                // It waits for room until the stop of the pool is requested.
                submitter.execute(|| ()).unwrap_err();
                handle.request_stop_within(Duration::ZERO, "hurry");
            });
            host.start().unwrap_err().into_report()
        });
        let pool = &report.pools()[0];
        assert_eq!((pool.abandoned().len(), pool.unstarted().len()), (1, 1));
        assert_eq!(report.exit_code(), 1);
        gate.open();
    });
}

#[test]
fn a_heartbeat_of_a_pool_is_refused() {
    let mut host = Host::builder();
    host.add("pool", Pool::new(1).unwrap())
        .heartbeat_timeout(SHORT)
        .on_failure(at_once());
    let error = host.build().unwrap_err();
    assert_eq!(error, HostBuildError::PoolHeartbeat("pool".to_owned()));
}

#[test]
fn a_run_is_over_with_its_last_one_shot_whatever_serves_it() {
    let (pool, queue) = (Pool::new(1).unwrap(), WorkQueue::new(100));
    let (submitter, items) = (pool.submitter(), queue.clone());
    let host = host(LONG, |host| {
        host.add("pool", pool);
        host.add(
            "items",
            queue.workers(1, || |_: &mut u32, _: &ServiceContext| Handled::Ok(())),
        );
        host.background("import", move |_| {
            submitter.execute(|| ())?;
            Ok(items.submit(1)?)
        })
        .one_shot()
        .after(["pool", "items"]);
    });
    let report = within(LONG, "batch", || host.run());
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.pools()[0].completed(), 1);
    assert_eq!(report.services()[1].queue().unwrap().handled(), 1);
}

// Failures.

#[test]
fn a_cancelled_inside_an_io_error_is_no_failure() {
    let host = host(LONG, |host| {
        host.background("polls", |ctx| {
            ctx.sleep(Duration::MAX).map_err(io::Error::other)?;
            unreachable!("it sleeps for ever");
        });
    });
    let report = within(LONG, "cancelled", || host.start().unwrap().stop());
    assert!(report.is_clean(), "{report}");
}

#[test]
fn the_work_of_a_one_shot_is_not_done_again_because_its_stop_failed() {
    let (runs, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = counted.clone();
    let host = host(LONG, |host| {
        host.service("import", move || {
            let (runs, count) = (runs.clone(), count.clone());
            Puppet::new()
                .run(move |ctx| {
                    count.fetch_add(1, SeqCst);
                    match runs.fetch_add(1, SeqCst) {
                        0 => Ok(()),
                        _ => {
                            ctx.request_stop("it is done again");
                            Ok(())
                        }
                    }
                })
                .stop(|_| Err("the temporary file is not there")?)
        })
        .one_shot()
        .on_failure(at_once());
    });
    let report = within(LONG, "import", || host.run());
    assert_eq!((counted.load(SeqCst), report.exit_code()), (1, 1));
}

#[test]
fn a_stop_in_the_middle_of_a_restart_exits_with_1() {
    within(LONG, "restarting", || {
        let (tell, told) = signal();
        let host = host(LONG, |host| {
            let mut made = 0;
            host.service("flaky", move || {
                made += 1;
                let (nth, tell) = (made, tell.clone());
                Puppet::new()
                    .start(move |ctx| match nth {
                        1 => Ok(()),
                        _ => {
                            tell.send(())?;
                            wait(ctx)
                        }
                    })
                    .run(|_| Err("lost")?)
            })
            .on_failure(at_once());
        });
        let host = host.start().unwrap();
        told.recv().unwrap();
        let report = host.stop();
        assert_eq!((report.exit_code(), report.failures().len()), (1, 1));
        let ServiceOutcome::Failed(failure) = report.services()[0].outcome() else {
            panic!("{report}")
        };
        assert_eq!(failure.message(), "lost");
    });
}

#[test]
fn the_error_of_a_one_shot_that_was_not_ready_does_not_suggest_one_shot() {
    let host = host(LONG, |host| {
        host.background("index", |_| Ok(()))
            .one_shot()
            .signals_ready();
    });
    let report = within(LONG, "index", || host.run());
    let message = report.failures()[0].message();
    assert!(!message.contains("one_shot"), "{message}");
}

#[test]
fn an_ignored_service_that_does_not_end_leaves_the_host_ready() {
    within(LONG, "ignored", || {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let host = host(LONG, |host| {
            host.service("metrics", move || {
                let entrance = entrance.clone();
                Puppet::new().run(|_| Err("lost")?).stop(move |_| {
                    entrance.pass();
                    Ok(())
                })
            })
            .stop_timeout(SHORT)
            .on_failure(FailurePolicy::Ignore);
        });
        let host = host.start().unwrap();
        for failures in [1, 2] {
            // First it is lost, and then it has not ended in its time.
            let has_failed = |it: &HostStatus| it.services()[0].failures() >= failures;
            assert!(host.handle().wait_until(has_failed));
            assert!(host.is_ready() && host.status().phase() == HostPhase::Running);
        }
        gate.open();
        let report = host.stop();
        assert_eq!((report.exit_code(), report.failures().len()), (1, 2));
    });
}

// Stops.

#[test]
fn the_stop_of_an_abandoned_service_is_not_called_after_the_report() {
    within(LONG, "abandoned", || {
        let (gate, (tell, told)) = (Gate::new(), unbounded());
        let entrance = gate.entrance();
        let host = host(SHORT, |host| {
            host.service("slow", move || {
                let (entrance, stops, drops) = (entrance.clone(), tell.clone(), tell.clone());
                Puppet::new()
                    .run(move |_| {
                        entrance.pass();
                        Ok(())
                    })
                    .stop(move |_| Ok(stops.send("stop")?))
                    .own(OnDrop::new(move || drops.send("drop").unwrap()))
            });
        });
        let report = host.start().unwrap().stop();
        let ending = report.services()[0].outcome();
        assert!(matches!(ending, ServiceOutcome::Abandoned(_)), "{report}");
        gate.open();
        assert_eq!(told.recv(), Ok("drop"));
    });
}

#[test]
fn a_request_before_the_start_cancels_the_token() {
    let host = Host::builder().build().unwrap();
    let token = host.handle().token();
    host.handle().request_stop("never mind");
    assert!(token.is_cancelled());
    assert!(host.handle().token().is_cancelled());
}

#[test]
fn a_host_may_be_dropped_by_the_destructor_of_a_thread_local() {
    thread_local! {
        static KEPT: RefCell<Option<RunningHost>> = const { RefCell::new(None) };
    }
    within(LONG, "thread-local", || {
        let diary = Diary::default();
        let written = diary.clone();
        let host = host(LONG, |host| {
            host.service("web", move || written.puppet("web"));
        });
        let host = host.start().unwrap();
        let keeps = thread::spawn(move || KEPT.set(Some(host)));
        keeps.join().unwrap();
        assert_eq!(diary.pages().last().unwrap(), "web drop");
    });
}

// What can be done with them.

#[test]
fn what_can_be_shared_is_shared() {
    fn is_shared<T: Send + Sync>() {}
    fn is_sent<T: Send>() {}
    fn is_cloned<T: Clone>() {}
    is_shared::<HostHandle>();
    is_shared::<RunningHost>();
    is_shared::<HostReport>();
    is_shared::<HostStatus>();
    is_shared::<ServiceContext>();
    is_shared::<ServiceFailure>();
    // Its items are given on, and never shared.
    is_shared::<WorkQueue<Cell<u32>>>();
    is_sent::<Host>();
    is_cloned::<HostHandle>();
    is_cloned::<HostReport>();
    is_cloned::<HostStatus>();
    is_cloned::<ServiceFailure>();
    is_cloned::<WorkQueue<Box<dyn FnOnce() + Send>>>();
}

#[test]
fn a_build_that_fails_changes_nothing_and_another_one_follows() {
    within(LONG, "build", || {
        let (pool, queue, (tell, told)) = (Pool::new(1).unwrap(), WorkQueue::new(100), unbounded());
        let submitter = pool.submitter();
        let mut host = Host::builder();
        host.name("batch").stop_timeout(LONG);
        host.add("pool", pool);
        let handled = tell.clone();
        host.add(
            "items",
            queue.workers(1, move || {
                let handled = handled.clone();
                move |&mut item: &mut u32, _: &ServiceContext| Ok(handled.send(item)?)
            }),
        );
        host.background("web", wait).after(["db", "pool"]);
        for _ in 0..2 {
            let error = host.build().unwrap_err();
            assert!(matches!(error, HostBuildError::UnknownDependency { .. }));
        }
        host.background("db", wait);
        let host = host.build().unwrap().start().unwrap();
        submitter.execute(move || tell.send(1).unwrap()).unwrap();
        assert_eq!(told.recv(), Ok(1));
        queue.submit(2).unwrap();
        assert_eq!(told.recv(), Ok(2));
        let report = host.stop();
        assert!(report.is_clean() && report.host() == "batch", "{report}");
        let names: Vec<_> = report.services().iter().map(|it| it.name()).collect();
        assert_eq!(names, ["pool", "items", "web", "db"]);
    });
}
