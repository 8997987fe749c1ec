//! Queues of items, one claim at a time. `items.rs` has them at random.

use crate::common::host::{OnDrop, host, signal};
use crate::common::{Bomb, Gate, LONG, expected_panic, within};
use groundcrew::channel::{Sender, unbounded};
use groundcrew::host::{
    FailedIn, HostBuildError, HostStatus, ItemOutcome, QueueStats, Restart, ServiceOutcome,
    ServiceState, StopReason,
};
use groundcrew::retry::{Backoff, DeadLetterReason, GiveUpReason};
use groundcrew::{BoxError, CancelToken, Host, Retry, ServiceContext, WorkQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

type Handled = Result<(), BoxError>;

const SHORT: Duration = Duration::from_millis(100);

/// A handler that reports its item, and whose stop is requested before it returns.
fn holds(tell: &Sender<()>) -> impl Fn(&mut u32, &ServiceContext) -> Handled + use<> {
    let tell = tell.clone();
    move |_, ctx| {
        tell.send(()).unwrap();
        ctx.token().wait();
        Ok(())
    }
}

/// The terms that have to add up.
fn adds_up(stats: &QueueStats) -> bool {
    let ended = stats.handled() + stats.failed() + stats.panicked();
    let waiting = stats.queued() + stats.retrying() + stats.in_progress();
    stats.accepted() == waiting + ended + stats.unstarted()
}

#[test]
fn a_stop_handles_what_is_in_the_queue_and_refuses_what_comes_later() {
    let queue = WorkQueue::new(100);
    for item in 0..50 {
        queue.submit(item).unwrap();
    }
    let sum = Arc::new(AtomicUsize::new(0));
    let added = sum.clone();
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(2, move || {
                let added = added.clone();
                move |&mut item: &mut usize, _: &ServiceContext| {
                    added.fetch_add(item, SeqCst);
                    Handled::Ok(())
                }
            }),
        );
    });
    let report = within(LONG, "drain", || host.start().unwrap().stop());
    assert!(report.is_clean(), "{report}");
    assert_eq!(sum.load(SeqCst), 49 * 50 / 2);
    let stats = report.services()[0].queue().unwrap();
    assert_eq!((stats.accepted(), stats.handled()), (50, 50));
    let refused = queue.submit(7).unwrap_err();
    assert!(refused.is_closed() && refused.into_inner() == 7);
    assert_eq!(queue.take_unstarted(), [0; 0]);
}

#[test]
fn at_the_grace_the_handlers_are_cancelled_and_the_rest_comes_back_in_order() {
    within(LONG, "grace", || {
        let (queue, (tell, told)) = (WorkQueue::new(100), signal());
        // A grace long enough for a machine that is busy.
        let host = host(10 * SHORT, |host| {
            host.add("items", queue.workers(2, move || holds(&tell)));
        });
        let host = host.start().unwrap();
        for item in 0..10 {
            queue.submit(item).unwrap();
        }
        told.iter().take(2).count();
        let report = host.stop();
        // Both ended by themselves, and so nobody is abandoned.
        assert!(
            matches!(report.services()[0].outcome(), ServiceOutcome::Stopped),
            "{report}"
        );
        let rest: Vec<u32> = (2..10).collect();
        assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
        assert_eq!(report.services()[0].queue().unwrap().unstarted(), 8);
        assert_eq!(queue.take_unstarted(), rest);
        assert!(queue.take_unstarted().is_empty());
    });
}

#[test]
fn a_deaf_handler_is_abandoned_by_name_with_its_item_in_hand() {
    within(LONG, "deaf", || {
        let (queue, gate, (tell, told)) = (WorkQueue::new(100), Gate::new(), signal());
        let entrance = gate.entrance();
        let host = host(SHORT, |host| {
            host.add(
                "items",
                queue.workers(1, move || {
                    let (entrance, tell) = (entrance.clone(), tell.clone());
                    move |&mut item: &mut u32, ctx: &ServiceContext| {
                        ctx.note(format!("item {item}"));
                        tell.send(()).unwrap();
                        entrance.pass();
                        Handled::Ok(())
                    }
                }),
            );
        });
        let host = host.start().unwrap();
        queue.submit(1).unwrap();
        queue.submit(2).unwrap();
        told.recv().unwrap();
        let began = Instant::now();
        let report = host.stop();
        assert!(began.elapsed() < Duration::from_secs(5));
        let ServiceOutcome::Abandoned(abandoned) = report.services()[0].outcome() else {
            panic!("{report}")
        };
        let worker = abandoned.threads().iter().find(|it| it.name() == "items-0");
        assert_eq!(worker.unwrap().note(), Some("item 1"));
        let stats = report.services()[0].queue().unwrap();
        assert_eq!((stats.in_progress(), stats.unstarted()), (1, 1));
        assert_eq!(queue.take_unstarted(), [2]);
        gate.open();
        while queue.stats().handled() == 0 {
            thread::yield_now();
        }
        assert!(adds_up(&queue.stats()));
    });
}

#[test]
fn every_refusal_gives_the_item_back_and_a_stop_wakes_what_waits_for_room() {
    within(LONG, "refusals", || {
        let (queue, (tell, told)) = (WorkQueue::new(1), signal());
        let host = host(SHORT, |host| {
            host.add("items", queue.workers(1, move || holds(&tell)));
        });
        let host = host.start().unwrap();
        queue.submit(1).unwrap();
        told.recv().unwrap();
        queue.submit(2).unwrap();
        let full = queue.try_submit(3).unwrap_err();
        assert!(full.is_full() && full.into_inner() == 3);
        for late in [
            queue.submit_until(Duration::from_millis(1), 4),
            queue.submit_until(Instant::now(), 4),
        ] {
            let late = late.unwrap_err();
            assert!(late.is_timeout() && late.into_inner() == 4);
        }
        let blocked: Vec<_> = (0..4)
            .map(|item| {
                let queue = queue.clone();
                thread::spawn(move || match item % 2 {
                    0 => queue.submit(item),
                    _ => queue.submit_until(Duration::MAX, item),
                })
            })
            .collect();
        let _report = host.stop();
        for (item, blocked) in (0..).zip(blocked) {
            let refused = blocked.join().unwrap().unwrap_err();
            assert!(refused.is_closed() && refused.into_inner() == item);
        }
        assert_eq!(queue.take_unstarted(), [2]);
    });
}

#[test]
fn a_submit_ends_with_its_token_and_what_it_did_not_submit_comes_back() {
    let (queue, token) = (WorkQueue::new(1), CancelToken::new());
    queue.submit_until(&token, 1).unwrap();
    within(LONG, "a submit that waits", || {
        let waiter = thread::spawn({
            let (queue, token) = (queue.clone(), token.clone());
            move || queue.submit_until(&token, 2).unwrap_err()
        });
        token.cancel();
        let refused = waiter.join().unwrap();
        assert!(refused.is_cancelled() && !refused.is_timeout() && !refused.is_closed());
        let cause = std::error::Error::source(&refused).unwrap();
        assert!(cause.is::<groundcrew::cancel::Cancelled>());
        assert_eq!(refused.into_inner(), 2);
    });
    queue.close();
    let refused = queue.submit_until(&token, 3).unwrap_err();
    assert!(
        refused.is_cancelled(),
        "a service whose stop is requested does not fail"
    );
    let fresh = CancelToken::new();
    let refused = queue.submit_until(&fresh, 4).unwrap_err();
    assert!(refused.is_closed());
    assert_eq!(queue.stats().accepted(), 1);
}

#[test]
fn a_submit_that_waits_for_room_goes_in_when_there_is() {
    let (queue, tell) = (WorkQueue::new(1), unbounded());
    queue.submit(1).unwrap();
    let token = CancelToken::new();
    let waiter = thread::spawn({
        let (queue, token) = (queue.clone(), token.clone());
        move || queue.submit_until(&token, 2).is_ok()
    });
    let host = host(LONG, |host| {
        let tell = tell.0.clone();
        host.add(
            "items",
            queue.workers(1, move || {
                let tell = tell.clone();
                move |&mut item: &mut u32, _: &ServiceContext| Ok(tell.send(item)?)
            }),
        );
    });
    let host = host.start().unwrap();
    let items: Vec<u32> = within(LONG, "items", || tell.1.iter().take(2).collect());
    assert_eq!(items, [1, 2]);
    assert!(waiter.join().unwrap());
    assert!(host.stop().is_clean());
}

#[test]
fn a_panicking_handler_costs_its_item_and_a_new_one_is_made() {
    let (queue, (tell, told)) = (WorkQueue::new(100), unbounded());
    let made = Arc::new(AtomicUsize::new(0));
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, move || {
                let (nth, tell) = (made.fetch_add(1, SeqCst), tell.clone());
                // Its drop panics, too.
                let bomb = Bomb;
                move |&mut item: &mut u32, _: &ServiceContext| {
                    let _ = &bomb;
                    tell.send((nth, item)).unwrap();
                    match item {
                        1 | 2 => expected_panic(),
                        3 => Err("no luck".into()),
                        _ => Ok(()),
                    }
                }
            }),
        );
    });
    for item in 0..5 {
        queue.submit(item).unwrap();
    }
    let report = within(LONG, "panics", || host.start().unwrap().stop());
    // Each drop is a failure, and the queue goes on.
    let failures = report.failures().iter();
    let during: Vec<FailedIn> = failures.map(|failure| failure.failed_in()).collect();
    assert_eq!(during, [FailedIn::Drop; 3], "{report}");
    assert_eq!(report.exit_code(), 1);
    let told: Vec<_> = told.iter().collect();
    assert_eq!(told, [(0, 0), (0, 1), (1, 2), (2, 3), (2, 4)]);
    let stats = report.services()[0].queue().unwrap();
    assert_eq!(
        (stats.handled(), stats.failed(), stats.panicked()),
        (2, 1, 2)
    );
    assert_eq!(stats.failed_left(), 3);
    let failed: Vec<String> = queue
        .take_failed()
        .iter()
        .map(|it| it.to_string())
        .collect();
    let panicked = |number| format!("item {number} panicked: expected by the test");
    let expected = [
        panicked(2),
        panicked(3),
        "item 4 failed: no luck".to_owned(),
    ];
    assert_eq!(failed, expected);
}

#[test]
fn a_factory_that_panics_fails_the_start_and_leaves_no_worker_behind() {
    within(LONG, "factory", || {
        for workers in [1, 3] {
            let (queue, left) = (WorkQueue::new(100), Arc::new(AtomicUsize::new(0)));
            queue.submit(1).unwrap();
            let (tell, told) = signal();
            let (made, dropped) = (AtomicUsize::new(1), left.clone());
            let host = host(LONG, |host| {
                host.add(
                    "items",
                    queue.workers(workers, move || {
                        if made.fetch_add(1, SeqCst) == workers {
                            // One of the others has its hands full.
                            if workers > 1 {
                                told.recv().unwrap();
                            }
                            expected_panic();
                        }
                        let (hold, dropped) = (holds(&tell), dropped.clone());
                        let own = OnDrop::new(move || {
                            dropped.fetch_add(1, SeqCst);
                        });
                        move |item: &mut u32, ctx: &ServiceContext| {
                            let _ = &own;
                            hold(item, ctx)
                        }
                    }),
                );
            });
            let report = host.start().unwrap_err().into_report();
            let failure = report.reason().failure().unwrap().message().to_owned();
            assert_eq!(
                failure,
                "the factory of its handlers panicked: expected by the test"
            );
            assert_eq!(left.load(SeqCst), workers - 1, "handlers that are gone");
            let stats = queue.stats();
            assert!(adds_up(&stats) && stats.in_progress() == 0, "{stats:?}");
            let rest = queue.take_unstarted().len() as u64;
            assert_eq!(rest + stats.handled(), 1);
            assert_eq!(stats.handled(), u64::from(workers > 1));
        }
    });
}

#[test]
fn a_factory_that_fails_fails_the_start_with_its_error_and_keeps_the_items() {
    within(LONG, "factory", || {
        for workers in [1, 3] {
            let queue = WorkQueue::new(100);
            queue.submit(1).unwrap();
            let host = host(LONG, |host| {
                host.add(
                    "items",
                    queue.fallible_workers(workers, move || {
                        if workers > 0 {
                            Err("no connection")?;
                        }
                        Ok(|_: &mut u32, _: &ServiceContext| Handled::Ok(()))
                    }),
                )
                .on_failure(Restart::new());
            });
            let report = host.start().unwrap_err().into_report();
            let reason = report.reason().to_string();
            assert_eq!(reason, "service \"items\" failed in start: no connection");
            assert_eq!(queue.take_unstarted(), [1]);
        }
    });
}

#[test]
fn a_factory_that_fails_after_a_panic_fails_the_service_which_is_started_again() {
    let (queue, made) = (WorkQueue::new(100), Arc::new(AtomicUsize::new(0)));
    let (tell, told) = unbounded();
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.fallible_workers(1, move || {
                if made.fetch_add(1, SeqCst) == 1 {
                    Err("the connection is lost")?;
                }
                let tell = tell.clone();
                Ok(move |&mut item: &mut u32, _: &ServiceContext| {
                    if item == 0 {
                        expected_panic();
                    }
                    Ok(tell.send(item)?)
                })
            }),
        )
        .on_failure(Restart::new().backoff(Backoff::fixed(Duration::from_millis(1))));
    });
    for item in [0, 1, 2] {
        queue.submit(item).unwrap();
    }
    let host = host.start().unwrap();
    let items: Vec<u32> = within(LONG, "items", || told.iter().take(2).collect());
    assert_eq!(items, [1, 2]);
    // Its items may be handled before it counts as up, and so as mended.
    within(LONG, "the restart", || {
        host.handle().wait_until(|status| {
            let service = &status.services()[0];
            service.restarts() == 1 && service.state() == ServiceState::Up
        })
    });
    assert_eq!(queue.take_failed().len(), 1);
    let report = within(LONG, "stop", || host.stop());
    let failures: Vec<_> = report.failures().iter().map(|it| it.message()).collect();
    assert_eq!(failures, ["the connection is lost"]);
    assert_eq!(report.exit_code(), 0, "{report}");
}

#[test]
fn what_is_put_back_comes_first_and_counts_once() {
    let (queue, (tell, told)) = (WorkQueue::new(1), unbounded());
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, move || {
                let (tell, mut tries) = (tell.clone(), 0);
                move |&mut item: &mut u32, _: &ServiceContext| {
                    tell.send(item).unwrap();
                    tries += 1;
                    match tries {
                        // Beyond the capacity, and when it is closed.
                        1..=3 => Ok(ItemOutcome::PutBack),
                        _ => Ok(ItemOutcome::Handled),
                    }
                }
            }),
        );
    });
    queue.submit(1).unwrap();
    queue.close();
    let report = within(LONG, "put back", || host.start().unwrap().stop());
    assert_eq!(told.iter().collect::<Vec<_>>(), [1; 4]);
    let stats = report.services()[0].queue().unwrap();
    assert_eq!((stats.accepted(), stats.handled()), (1, 1));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn what_is_handed_back_is_handled_no_more_and_comes_first_in_the_report() {
    let (queue, calls) = (WorkQueue::new(9), Arc::new(AtomicUsize::new(0)));
    for item in 0..4 {
        queue.submit(item).unwrap();
    }
    let host = host(LONG, |host| {
        let calls = calls.clone();
        host.add(
            "items",
            queue.workers(1, move || {
                let calls = calls.clone();
                move |&mut item: &mut u32, ctx: &ServiceContext| {
                    calls.fetch_add(1, SeqCst);
                    match item {
                        0 | 2 => return Ok(ItemOutcome::HandBack),
                        1 => expected_panic(),
                        _ => ctx.request_stop("that is all"),
                    }
                    Ok(ItemOutcome::Handled)
                }
            }),
        );
    });
    let report = within(LONG, "drain", || host.run());
    assert_eq!(calls.load(SeqCst), 4, "each once");
    let stats = report.services()[0].queue().unwrap();
    assert!(adds_up(stats), "{stats:?}");
    assert_eq!((stats.handled(), stats.panicked()), (1, 1));
    assert_eq!((stats.failed(), stats.unstarted()), (0, 2));
    assert_eq!(report.exit_code(), 75);
    assert_eq!(queue.take_unstarted(), [0, 2]);
}

#[test]
fn a_queue_whose_last_item_is_handed_back_ends() {
    let queue = WorkQueue::new(9);
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(3, || {
                |_: &mut u32, _: &ServiceContext| Ok(ItemOutcome::HandBack)
            }),
        );
    });
    queue.submit(1).unwrap();
    queue.submit(2).unwrap();
    queue.close();
    let host = host.start().unwrap();
    let is_over = |status: &HostStatus| status.services()[0].state() == ServiceState::Stopped;
    within(LONG, "the end of its work", || {
        host.handle().wait_until(is_over)
    });
    assert_eq!(host.stop().exit_code(), 75);
    let mut left = queue.take_unstarted();
    left.sort_unstable();
    assert_eq!(left, [1, 2]);
}

#[test]
fn items_of_a_host_that_never_started_come_back_once() {
    let queue = WorkQueue::new(100);
    queue.submit(7).unwrap();
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, || |_: &mut u32, _: &ServiceContext| Handled::Ok(())),
        );
    });
    host.handle().request_stop("too early");
    let handle = host.handle();
    let error = host.start().unwrap_err();
    assert!(queue.is_closed());
    assert!(matches!(
        error.report().reason(),
        StopReason::Requested { .. }
    ));
    let late = handle.stop();
    drop(error);
    assert_eq!(queue.clone().take_unstarted(), [7]);
    assert!(queue.take_unstarted().is_empty());
    assert_eq!(late.exit_code(), 75);
}

#[test]
fn items_whose_drops_panic_are_survived_wherever_they_are_dropped() {
    let queue = WorkQueue::new(100);
    let handler = || |_: &mut (u32, Bomb), _: &ServiceContext| Handled::Ok(());
    let host = host(LONG, |host| {
        host.add("items", queue.workers(1, handler));
    });
    queue.submit((0, Bomb)).unwrap();
    let report = within(LONG, "bombs", || host.start().unwrap().stop());
    assert_eq!(report.services()[0].queue().unwrap().panicked(), 1);

    let queue = WorkQueue::new(100);
    for item in 0..3 {
        queue.submit((item, Bomb)).unwrap();
    }
    let host = crate::common::host::host(LONG, |host| {
        host.add("items", queue.workers(1, handler));
    });
    // Nobody takes them out of the report.
    assert_eq!(host.handle().stop().exit_code(), 75);
}

#[test]
fn of_two_stops_at_once_one_gets_the_items() {
    within(LONG, "two stops", || {
        for _ in 0..20 {
            let queue = WorkQueue::new(100);
            for item in 0..10_u32 {
                queue.submit(item).unwrap();
            }
            let host = host(SHORT / 10, |host| {
                host.add(
                    "items",
                    queue.workers(1, || {
                        |_: &mut u32, ctx: &ServiceContext| {
                            ctx.token().wait();
                            Handled::Ok(())
                        }
                    }),
                );
            });
            let host = host.start().unwrap();
            let handle = host.handle().clone();
            let items = queue.clone();
            let other = thread::spawn(move || {
                let _report = handle.stop();
                items.take_unstarted()
            });
            let _report = host.stop();
            let mut items = queue.take_unstarted();
            let others = other.join().unwrap();
            assert!(items.is_empty() || others.is_empty());
            items.extend(others);
            let stats = queue.stats();
            assert_eq!(items.len() as u64, stats.unstarted());
            assert!(adds_up(&stats), "{stats:?}");
        }
    });
}

#[test]
fn a_queue_has_one_service_room_and_workers_or_the_host_is_not_built() {
    let handler = || |_: &mut u32, _: &ServiceContext| Handled::Ok(());
    let queue = WorkQueue::new(1);
    let _first = host(LONG, |host| {
        host.add("a", queue.workers(1, handler));
    });
    let no_retries = WorkQueue::new(1).max_retrying(0);
    let wrong = [
        (WorkQueue::new(0), 1),
        (WorkQueue::new(1), 0),
        (no_retries, 1),
    ];
    for (queue, workers) in [(queue, 1)].into_iter().chain(wrong) {
        let free = WorkQueue::new(1);
        let mut builder = Host::builder();
        builder.add("free", free.workers(1, handler));
        builder.add("b", queue.workers(workers, handler));
        let error = builder.build().unwrap_err();
        let is_so = match error {
            HostBuildError::QueueTaken(name) => name == "b" && queue.capacity() > 0,
            HostBuildError::EmptyQueue(name) => name == "b",
            _ => false,
        };
        assert!(is_so);
        // The other one is to be had.
        let again = host(LONG, |host| {
            host.add("a", free.workers(1, handler));
        });
        assert!(again.start().unwrap().stop().is_clean());
    }
}

#[test]
fn a_stack_too_small_for_a_panic_is_refused_for_services_and_for_workers() {
    const LEAST: usize = 64 * 1024;
    for bytes in [0, 1, LEAST - 1] {
        let mut builder = Host::builder();
        builder.stack_size(bytes);
        let error = builder.build().unwrap_err();
        assert_eq!(error, HostBuildError::SmallStack(bytes));
        assert!(error.to_string().contains("at least 65536"), "{error}");

        // Workers take what is set when their queue is added.
        let queue = WorkQueue::<u32>::new(1);
        builder.add(
            "queue",
            queue.workers(1, || |_, _: &ServiceContext| Handled::Ok(())),
        );
        builder.stack_size(LEAST);
        assert_eq!(
            builder.build().unwrap_err(),
            HostBuildError::SmallStack(bytes)
        );
    }
    let panics = host(LONG, |host| {
        host.stack_size(LEAST);
        host.background("panics", |_| expected_panic());
    });
    let report = within(LONG, "a small stack", || panics.run());
    assert!(report.failures()[0].is_panic(), "{report}");
}

#[test]
fn a_handler_that_waits_for_the_stop_waits_for_itself_until_the_deadline() {
    within(LONG, "inside", || {
        let (queue, gate, (tell, told)) = (WorkQueue::new(100), Gate::new(), unbounded());
        let entrance = gate.entrance();
        let host = host(Duration::from_millis(200), |host| {
            host.add(
                "items",
                queue.workers(1, move || {
                    let (entrance, tell) = (entrance.clone(), tell.clone());
                    move |_: &mut u32, ctx: &ServiceContext| {
                        entrance.pass();
                        Ok(tell.send(ctx.host().stop())?)
                    }
                }),
            );
        });
        let host = host.start().unwrap();
        queue.submit(1).unwrap();
        queue.submit(2).unwrap();
        gate.open();
        let report = told.recv().unwrap();
        assert!(matches!(
            report.services()[0].outcome(),
            ServiceOutcome::Abandoned(_)
        ));
        let stats = report.services()[0].queue().unwrap();
        assert_eq!((stats.in_progress(), stats.unstarted()), (1, 1));
        assert_eq!(queue.take_unstarted(), [2]);
        drop(host);
    });
}

/// What a handler returns that fails on purpose.
type Failing = Result<(), BoxError>;

#[test]
fn a_closure_for_dead_letters_gets_what_failed_or_panicked_and_the_report_is_clean() {
    let (bury, buried) = unbounded();
    let queue = WorkQueue::new(9).dead_letter(move |item: u32, why| {
        bury.send((item, why.reason(), why.message().to_owned()))
            .unwrap();
        if item == 1 {
            expected_panic();
        }
    });
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, || {
                |&mut item: &mut u32, _: &ServiceContext| -> Failing {
                    match item {
                        0 => Ok(()),
                        2 => expected_panic(),
                        _ => Err("no luck".into()),
                    }
                }
            }),
        );
    });
    (0..4).for_each(|item| queue.submit(item).unwrap());
    let report = within(LONG, "dead letters", || host.start().unwrap().stop());
    assert!(report.is_clean(), "{report}");
    let gave_up = DeadLetterReason::GaveUp(GiveUpReason::Attempts);
    let no_luck = |item| (item, gave_up, "no luck".to_owned());
    let panicked = (
        2,
        DeadLetterReason::Panicked,
        "expected by the test".to_owned(),
    );
    let expected = [no_luck(1), panicked, no_luck(3)];
    assert_eq!(buried.try_iter().collect::<Vec<_>>(), expected);
    let stats = queue.stats();
    assert_eq!(
        (stats.failed(), stats.panicked(), stats.failed_left()),
        (2, 1, 0)
    );
    assert!(adds_up(&stats) && queue.take_failed().is_empty());
}

#[test]
fn a_late_failure_goes_to_the_closure_unless_the_owner_has_taken_the_copy() {
    within(LONG, "late", || {
        for is_taken in [false, true] {
            let (bury, buried) = unbounded();
            let closure = move |item: u32, _: &_| bury.send(item).unwrap();
            let queue = WorkQueue::new(9).keep_copy().dead_letter(closure);
            let (gate, (tell, told)) = (Gate::new(), signal());
            let entrance = gate.entrance();
            let host = host(SHORT, |host| {
                host.add(
                    "items",
                    queue.workers(1, move || {
                        let (entrance, tell) = (entrance.clone(), tell.clone());
                        move |_: &mut u32, _: &ServiceContext| -> Failing {
                            tell.send(()).unwrap();
                            entrance.pass();
                            Err("no luck".into())
                        }
                    }),
                );
            });
            let host = host.start().unwrap();
            queue.submit(7).unwrap();
            told.recv().unwrap();
            assert_eq!(host.stop().exit_code(), 75);
            let copies = match is_taken {
                true => queue.take_maybe_handled(),
                false => Vec::new(),
            };
            gate.open();
            while queue.stats().failed() == 0 {
                thread::yield_now();
            }
            let has = copies.into_iter().chain(buried.try_iter());
            assert_eq!(has.collect::<Vec<_>>(), [7], "taken: {is_taken}");
            assert!(queue.take_maybe_handled().is_empty() && adds_up(&queue.stats()));
        }
    });
}

#[test]
fn items_wait_for_their_next_attempt_while_their_service_is_restarted() {
    within(LONG, "restart", || {
        let queue = WorkQueue::new(9).retry(Retry::fixed(10 * SHORT).attempts(2));
        // Before the first is due again.
        queue.submit(1).unwrap();
        queue.submit(2).unwrap();
        let (starts, (tell, told)) = (AtomicUsize::new(0), unbounded());
        let backoff = Backoff::fixed(Duration::ZERO);
        let host = host(LONG, |host| {
            host.add(
                "items",
                queue.fallible_workers(1, move || {
                    // There is no handler after the first panic.
                    if starts.fetch_add(1, SeqCst) == 1 {
                        Err("no connection")?;
                    }
                    let (tell, nth) = (tell.clone(), starts.load(SeqCst));
                    Ok(move |&mut item: &mut u32, _: &ServiceContext| -> Failing {
                        tell.send((nth, item)).unwrap();
                        match (item, nth) {
                            (2, _) => expected_panic(),
                            (_, 1) => Err("no luck".into()),
                            _ => Ok(()),
                        }
                    })
                }),
            )
            .on_failure(Restart::new().backoff(backoff));
        });
        let host = host.start().unwrap();
        assert_eq!(
            told.iter().take(3).collect::<Vec<_>>(),
            [(1, 1), (1, 2), (3, 1)]
        );
        let report = host.stop();
        let stats = report.services()[0].queue().unwrap();
        assert_eq!(
            (stats.handled(), stats.panicked(), stats.retries()),
            (1, 1, 1)
        );
    });
}

#[test]
fn a_handler_notices_the_stop_of_its_service_before_it_is_cancelled() {
    let queue = WorkQueue::new(10);
    let (tell, told) = unbounded();
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, move || {
                let tell = tell.clone();
                move |_: &mut u32, ctx: &ServiceContext| {
                    tell.send(ctx.stopping().is_cancelled()).unwrap();
                    ctx.stopping().wait();
                    tell.send(ctx.is_cancelled()).unwrap();
                    Handled::Ok(())
                }
            }),
        );
        host.background("ordinary", |ctx| {
            ctx.stopping().wait();
            assert!(ctx.is_cancelled());
            Ok(())
        });
    });
    queue.submit(7).unwrap();
    let report = within(LONG, "a stop", || {
        let host = host.start().unwrap();
        assert_eq!(told.recv(), Ok(false));
        host.stop()
    });
    assert!(
        report.is_clean() && report.failures().is_empty(),
        "{report}"
    );
    assert_eq!(told.recv(), Ok(false));
}
