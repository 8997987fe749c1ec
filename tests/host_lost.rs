//! What a queue does with items that are not handled: none is lost without a sign.
//! `host_items.rs` has them at random.

mod common;

use common::host::{Puppet, host, signal};
use common::{Bomb, Entrance, Gate, LONG, expected_panic, within};
use groundcrew::channel::{Sender, unbounded};
use groundcrew::host::{ItemOutcome, QueueStats, ServiceOutcome, ServiceReport};
use groundcrew::schedule::RunOutcome;
use groundcrew::{
    Batcher, BoxError, CancelToken, Host, HostReport, Pool, Retry, Schedule, Scheduler,
    ServiceContext, SubmitError, WorkQueue,
};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

type Handled = Result<(), BoxError>;
type AnyError = BoxError;

const SHORT: Duration = Duration::from_millis(100);

fn service<'a>(report: &'a HostReport, name: &str) -> &'a ServiceReport {
    let mut services = report.services().iter();
    services.find(|it| it.name() == name).unwrap()
}

fn stats(report: &HostReport, name: &str) -> QueueStats {
    service(report, name).queue().unwrap().clone()
}

// Items whose handler failed.

#[test]
fn an_item_whose_handler_fails_or_panics_comes_back_with_the_reason() {
    let queue = WorkQueue::new(9);
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, || {
                |item: &mut String, _: &ServiceContext| -> Handled {
                    match item.as_str() {
                        "good" => return Ok(()),
                        "bad" => item.push_str(", tried"),
                        _ => expected_panic(),
                    }
                    Err("no luck".into())
                }
            }),
        );
    });
    for item in ["good", "bad", "ugly"] {
        queue.submit(item.to_owned()).unwrap();
    }
    let report = within(LONG, "stop", || host.start().unwrap().stop());
    assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
    assert!(report.to_string().contains(", 2 items failed"), "{report}");
    let counts = stats(&report, "items");
    assert_eq!(
        (counts.handled(), counts.failed(), counts.panicked()),
        (1, 1, 1)
    );
    assert_eq!((counts.failed_left(), counts.unstarted()), (2, 0));
    let mut failed = queue.take_failed();
    assert!(queue.take_failed().is_empty());
    assert_eq!(queue.stats().failed_left(), 0);
    let (panicked, failed) = (failed.pop().unwrap(), failed.pop().unwrap());
    assert_eq!((failed.number(), panicked.number()), (2, 3));
    assert!(failed.error().is_some() && !failed.is_panic());
    assert!(panicked.error().is_none() && panicked.is_panic());
    assert_eq!(failed.message(), "no luck");
    assert_eq!(panicked.message(), "expected by the test");
    assert_eq!(failed.into_inner(), "bad, tried");
    assert_eq!(panicked.into_inner(), "ugly");
}

#[test]
fn failed_items_that_were_taken_before_the_report_leave_it_clean() {
    let queue = WorkQueue::new(9);
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, || {
                |_: &mut u32, _: &ServiceContext| Handled::Err("no luck".into())
            }),
        );
    });
    let host = host.start().unwrap();
    queue.submit(7).unwrap();
    within(LONG, "a failure", || {
        while queue.stats().failed() == 0 {
            thread::yield_now();
        }
    });
    assert_eq!(queue.take_failed()[0].item(), &7);
    let report = host.stop();
    assert_eq!((report.is_clean(), report.exit_code()), (true, 0));
    assert_eq!(stats(&report, "items").failed(), 1);
}

#[test]
fn a_panic_in_the_drop_of_a_handled_item_is_counted() {
    let queue = WorkQueue::new(9);
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, || |_: &mut Bomb, _: &ServiceContext| Ok(())),
        );
    });
    queue.submit(Bomb).unwrap();
    let report = within(LONG, "stop", || host.start().unwrap().stop());
    let counts = stats(&report, "items");
    assert_eq!((counts.handled(), counts.panicked()), (0, 1));
    assert_eq!(counts.failed_left(), 0);
}

#[test]
fn a_batcher_without_dead_letters_whose_items_die_leaves_the_host_not_clean() {
    for buries in [false, true] {
        let pool = Pool::new(1).unwrap();
        let mut items = Batcher::builder("items").max_items(1);
        if buries {
            items = items.dead_letter(|_, _| ());
        }
        let fails =
            |_: &mut Vec<u32>, _: &_| Err(groundcrew::retry::PermanentError::new("no luck"))?;
        let items = items.build(pool.submitter(), fails).unwrap();
        let host = host(LONG, |host| {
            host.add("pool", pool);
            host.add("items", &items);
        });
        let host = host.start().unwrap();
        items.submit(7).unwrap();
        let report = within(LONG, "stop", || host.stop());
        assert_eq!(report.is_clean(), buries, "{report}");
        let (items, left) = (service(&report, "items"), u64::from(!buries));
        assert_eq!(items.items_left(), left);
        assert_eq!(items.batcher().unwrap().dead(), 1);
    }
}

// Items whose handler was abandoned.

/// A host whose handler has the item 1 in hand and does not heed its stop.
fn abandons(
    queue: &WorkQueue<u32>,
    gate: &Gate,
    outcome: Result<ItemOutcome, String>,
) -> HostReport {
    let (entrance, (tell, told)) = (gate.entrance(), signal());
    let host = host(SHORT, |host| {
        host.add(
            "items",
            queue.workers(1, move || {
                let (entrance, tell, outcome) = (entrance.clone(), tell.clone(), outcome.clone());
                move |_: &mut u32, _: &ServiceContext| {
                    tell.send(()).unwrap();
                    entrance.pass();
                    Ok(outcome.clone()?)
                }
            }),
        );
    });
    let host = host.start().unwrap();
    queue.submit(1).unwrap();
    told.recv().unwrap();
    queue.submit(2).unwrap();
    within(LONG, "stop", || host.stop())
}

fn wait_until_none_is_in_hand<T: Send + 'static>(queue: &WorkQueue<T>) {
    within(LONG, "the late end", || {
        while queue.stats().in_progress() > 0 {
            thread::yield_now();
        }
    });
}

#[test]
fn what_an_abandoned_handler_has_in_hand_comes_back_as_maybe_handled_if_copies_are_kept() {
    let (queue, gate) = (WorkQueue::new(9).keep_copy(), Gate::new());
    assert!(queue.take_maybe_handled().is_empty());
    let report = abandons(&queue, &gate, Err("too late".to_owned()));
    assert!(matches!(
        report.services()[0].outcome(),
        ServiceOutcome::Abandoned(_)
    ));
    let counts = stats(&report, "items");
    assert_eq!((counts.in_progress(), counts.unstarted()), (1, 1));
    assert_eq!(queue.take_unstarted(), [2]);
    assert_eq!(queue.take_maybe_handled(), [1]);
    assert!(queue.take_maybe_handled().is_empty());
    gate.open();
    wait_until_none_is_in_hand(&queue);
    // Its owner has it already.
    assert!(queue.take_failed().is_empty() && queue.take_maybe_handled().is_empty());
    assert_eq!(queue.stats().failed(), 1);
}

#[test]
fn what_an_abandoned_handler_ends_after_the_report_is_no_longer_in_doubt() {
    for keeps in [false, true] {
        let handled = Ok(ItemOutcome::Handled);
        let failed = Err("too late".to_owned());
        for outcome in [
            handled,
            failed,
            Ok(ItemOutcome::PutBack),
            Ok(ItemOutcome::HandBack),
        ] {
            let (mut queue, gate) = (WorkQueue::new(9), Gate::new());
            if keeps {
                queue = queue.keep_copy();
            }
            let _report = abandons(&queue, &gate, outcome.clone());
            gate.open();
            wait_until_none_is_in_hand(&queue);
            assert!(queue.take_maybe_handled().is_empty());
            let failed = queue.take_failed().iter().map(|it| *it.item()).collect();
            let left = (queue.take_unstarted(), failed);
            let expected = match outcome {
                Err(_) => (vec![2], vec![1]),
                Ok(ItemOutcome::Handled) => (vec![2], vec![]),
                Ok(_) => (vec![2, 1], vec![]),
            };
            assert_eq!(left, expected, "{outcome:?}");
        }
    }
}

#[test]
fn an_item_without_a_copy_is_not_dropped_for_one() {
    // Copies are asked for when it is in hand already.
    let (queue, gate) = (WorkQueue::new(9), Gate::new());
    let _report = abandons(&queue, &gate, Err("too late".to_owned()));
    let queue = queue.keep_copy();
    assert!(queue.take_maybe_handled().is_empty());
    gate.open();
    wait_until_none_is_in_hand(&queue);
    assert_eq!(queue.take_failed().remove(0).into_inner(), 1);

    // The copy is being made when the report is, and then panics.
    struct Slow(Entrance, Sender<()>);
    impl Clone for Slow {
        fn clone(&self) -> Slow {
            self.1.send(()).unwrap();
            self.0.pass();
            expected_panic()
        }
    }
    let (queue, gate) = (WorkQueue::new(9).keep_copy(), Gate::new());
    let (tell, told) = signal();
    let host = host(SHORT, |host| {
        host.add(
            "items",
            queue.workers(1, || |_: &mut Slow, _: &ServiceContext| Ok(())),
        );
    });
    let host = host.start().unwrap();
    queue.submit(Slow(gate.entrance(), tell)).unwrap();
    told.recv().unwrap();
    let _report = within(LONG, "stop", || host.stop());
    assert!(queue.take_maybe_handled().is_empty());
    gate.open();
    wait_until_none_is_in_hand(&queue);
    assert_eq!(queue.take_failed().len(), 1);
}

#[test]
fn a_copy_that_panics_fails_its_item() {
    struct Uncopied;
    impl Clone for Uncopied {
        fn clone(&self) -> Uncopied {
            expected_panic()
        }
    }
    let queue = WorkQueue::new(9).keep_copy();
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, || |_: &mut Uncopied, _: &ServiceContext| Ok(())),
        );
    });
    queue.submit(Uncopied).unwrap();
    let report = within(LONG, "stop", || host.start().unwrap().stop());
    assert_eq!(stats(&report, "items").panicked(), 1);
    assert_eq!(queue.take_failed().len(), 1);
}

// Items that were refused.

/// A service that submits numbers until it is refused, and the queue that it submits to.
fn refused_producer(is_after: bool, waits: bool) -> (WorkQueue<u64>, HostReport) {
    let (queue, gate) = (WorkQueue::new(2), Gate::new());
    let (entrance, (tell, told)) = (gate.entrance(), signal());
    let mut host = Host::builder();
    host.name("h").stop_timeout(LONG);
    host.add(
        "jobs",
        queue.workers(1, move || {
            let (entrance, tell) = (entrance.clone(), tell.clone());
            move |_: &mut u64, _: &ServiceContext| {
                let _ = tell.send(());
                entrance.pass();
                Ok(())
            }
        }),
    );
    let jobs = queue.clone();
    let producer = host.background("producer", move |ctx| {
        for number in 0.. {
            match waits {
                true => jobs.submit(number)?,
                false => jobs.submit_until(ctx.token(), number)?,
            }
        }
        Ok(())
    });
    if is_after {
        producer.after(["jobs"]);
    }
    let host = host.build().unwrap().start().unwrap();
    told.recv().unwrap();
    within(LONG, "a full queue", || {
        while queue.stats().queued() < 2 {
            thread::yield_now();
        }
    });
    host.handle().request_stop("enough");
    let over = |index: usize, it: &groundcrew::host::HostStatus| {
        it.services()[index].state() == groundcrew::host::ServiceState::Stopped
    };
    assert!(host.handle().wait_until(|it| over(1, it)));
    gate.open();
    let report = within(LONG, "stop", || host.stop());
    (queue, report)
}

#[test]
fn an_item_dropped_inside_its_refusal_is_unprocessed() {
    for (is_after, waits) in [(true, false), (false, false), (false, true)] {
        let (queue, report) = refused_producer(is_after, waits);
        assert!(report.failures().is_empty(), "{report}");
        assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
        let counts = stats(&report, "jobs");
        assert_eq!(
            (counts.accepted(), counts.handled(), counts.unstarted()),
            (4, 3, 1),
            "{report}"
        );
        assert_eq!(queue.take_unstarted(), [3]);
    }
}

#[test]
fn an_item_taken_out_of_its_refusal_is_its_submitter_s_alone() {
    let (queue, token) = (WorkQueue::new(1), CancelToken::new());
    queue.submit(1).unwrap();
    token.cancel();
    assert_eq!(queue.submit_until(&token, 2).unwrap_err().into_inner(), 2);
    // There may be room for it another time.
    drop(queue.try_submit(3));
    drop(queue.submit_until(Duration::ZERO, 3));
    queue.close();
    assert_eq!(queue.submit(4).unwrap_err().into_inner(), 4);
    assert!(queue.take_unstarted().is_empty());
    assert_eq!(queue.stats().accepted(), 1);
    drop(queue.submit(5));
    drop(queue.try_submit(6));
    assert_eq!(queue.take_unstarted(), [5, 6]);
    let counts = queue.stats();
    assert_eq!((counts.accepted(), counts.unstarted()), (3, 2));
}

#[test]
fn an_item_dropped_inside_the_refusal_of_a_batcher_is_unhandled() {
    let pool = Pool::new(1).unwrap();
    let make = Batcher::builder("items").capacity(1);
    let items = make
        .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))
        .unwrap();
    let host = host(LONG, |host| {
        host.add("pool", pool);
        host.add("items", &items);
        let items = items.clone();
        // Not after the batcher, and so later than that.
        host.background("producer", move |ctx| {
            ctx.token().wait();
            while !items.stats().to_string().is_empty() {
                items.submit(7)?;
                thread::yield_now();
            }
            Ok(())
        });
    });
    let report = within(LONG, "stop", || host.start().unwrap().stop());
    assert!(report.failures().is_empty(), "{report}");
    assert_eq!(report.exit_code(), 75);
    assert_eq!(service(&report, "items").batcher().unwrap().unstarted(), 1);
    assert_eq!(items.take_unstarted(), [7]);
    drop(items.submit(8));
    assert_eq!(items.take_unstarted(), [8]);
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(items.submit(9).unwrap_err().into_inner(), 9);
    assert!(items.take_unstarted().is_empty());
}

// Refusals by the host's own stop.

/// Keeps what is logged at warn and error.
struct Logger(Mutex<Vec<String>>);

static LOGGER: Logger = Logger(Mutex::new(Vec::new()));

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = format!("{} {}", record.level(), record.args());
            self.0.lock().unwrap().push(text);
        }
    }

    fn flush(&self) {}
}

/// What of it contains `part`.
fn logged(part: &str) -> Vec<String> {
    let records = LOGGER.0.lock().unwrap();
    let records = records.iter().filter(|record| record.contains(part));
    records.cloned().collect()
}

#[test]
fn an_after_that_is_missing_is_logged_once_with_both_names() {
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
    for (name, is_after) in [("wired", true), ("forgetful", false)] {
        let queue = WorkQueue::<u32>::new(9);
        let (run, stop) = (queue.clone(), queue.clone());
        let host = host(LONG, |host| {
            host.name(name);
            host.add(
                "jobs",
                queue.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
            );
            let producer = host.service("producer", move || {
                let (run, stop) = (run.clone(), stop.clone());
                Puppet::new()
                    .run(move |ctx| {
                        ctx.token().wait();
                        while ctx.time_left() > Duration::ZERO && !is_after {
                            run.submit(7)?;
                        }
                        Ok(())
                    })
                    .stop(move |_| {
                        stop.close();
                        Ok(stop.submit(8)?)
                    })
            });
            if is_after {
                producer.after(["jobs"]);
            }
        });
        let report = within(LONG, "stop", || host.start().unwrap().stop());
        assert!(report.failures().is_empty(), "{report}");
        let missing = format!("host {name}: service \"producer\" needed \"jobs\"");
        if is_after {
            assert!(logged(&missing).is_empty());
            continue;
        }
        within(LONG, "the log", || {
            while logged(&missing).is_empty() {
                thread::yield_now();
            }
        });
        let records = logged(&missing);
        assert_eq!(records.len(), 1, "{records:?}");
        assert!(records[0].starts_with("WARN "));
        assert!(records[0].contains(".after([\"jobs\"])"), "{records:?}");
    }
}

#[test]
fn the_log_says_which_item_failed() {
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Info);
    let queue = WorkQueue::new(9);
    let host = host(LONG, |host| {
        host.add(
            "named",
            queue.workers(1, || {
                |&mut item: &mut u32, _: &ServiceContext| match item {
                    2 => Err("no luck".into()),
                    _ => Ok(()),
                }
            }),
        );
    });
    (1..4).for_each(|item| queue.submit(item).unwrap());
    let report = within(LONG, "stop", || host.start().unwrap().stop());
    assert_eq!(report.exit_code(), 75);
    let record = "ERROR queue named: item 2 failed: no luck";
    assert_eq!(logged("queue named: "), [record]);
}

/// What the error of a service looks like in a program.
#[derive(Debug)]
struct Wrapped(SubmitError<u32>);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the producer cannot go on")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Stops a host one of whose services uses another one that has stopped already, by `use_it`.
fn report_of_a_late_user(
    wire: impl FnOnce(&mut groundcrew::HostBuilder) -> Box<dyn Fn() -> Result<(), AnyError> + Send>,
) -> HostReport {
    let mut builder = Host::builder();
    builder.name("h").stop_timeout(LONG);
    let use_it = wire(&mut builder);
    builder.background("late", move |ctx| {
        ctx.token().wait();
        loop {
            use_it()?;
            thread::yield_now();
        }
    });
    let host = builder.build().unwrap().start().unwrap();
    within(LONG, "stop", || host.stop())
}

#[test]
fn a_refusal_by_the_stop_of_its_own_host_is_no_failure_of_a_service() {
    let report = report_of_a_late_user(|host| {
        let queue = WorkQueue::new(9);
        host.add(
            "other",
            queue.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
        );
        Box::new(move || Ok(queue.submit(7).map_err(Wrapped)?))
    });
    assert!(report.failures().is_empty(), "{report}");
    assert_eq!(report.exit_code(), 75, "its item is left");

    let report = report_of_a_late_user(|host| {
        let pool = Pool::new(1).unwrap();
        let submitter = pool.submitter();
        host.add("other", pool);
        Box::new(move || Ok(submitter.execute(|| ())?))
    });
    assert_eq!(report.exit_code(), 0, "{report}");

    let report = report_of_a_late_user(|host| {
        let pool = Pool::new(1).unwrap();
        let submitter = pool.submitter();
        host.add("other", pool);
        Box::new(move || Ok(submitter.for_each([1, 2], |_| ())?))
    });
    assert_eq!(report.exit_code(), 0, "{report}");
}

#[test]
fn a_refusal_that_is_not_due_to_the_stop_is_a_failure_still() {
    // By its program, and by the stop of another host.
    let queue = WorkQueue::new(9);
    queue.close();
    let jobs = queue.clone();
    let one = host(LONG, |host| {
        host.background("producer", move |_| Ok(jobs.submit(7)?));
    });
    let report = within(LONG, "run", || one.run());
    assert_eq!(report.exit_code(), 1);
    assert_eq!(
        report.reason().to_string(),
        "service \"producer\" failed in run: the work queue is closed"
    );

    let queue = WorkQueue::new(9);
    let other = host(LONG, |host| {
        host.add(
            "jobs",
            queue.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
        );
    });
    assert!(other.start().unwrap().stop().is_clean());
    let one = host(LONG, |host| {
        host.background("producer", move |ctx| {
            ctx.token().wait();
            Ok(queue.submit(7)?)
        });
    });
    let report = within(LONG, "stop", || one.start().unwrap().stop());
    assert_eq!(report.exit_code(), 1, "{report}");
    let message = report.failures()[0].message();
    assert!(
        message.starts_with("the work queue is closed: host "),
        "{message}"
    );
}

/// A queue of a host that has stopped.
fn stopped_elsewhere() -> WorkQueue<u32> {
    let queue = WorkQueue::new(9);
    let other = host(LONG, |host| {
        host.add(
            "elsewhere",
            queue.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
        );
    });
    drop(within(LONG, "stop", || other.start().unwrap().stop()));
    queue
}

#[test]
fn a_batch_that_the_stop_of_another_host_refuses_is_given_up_like_any_other() {
    for is_hosted in [false, true] {
        let (pool, elsewhere, (tell, told)) =
            (Pool::new(1).unwrap(), stopped_elsewhere(), signal());
        let items = Batcher::builder("items")
            .max_items(1)
            .retry(Retry::fixed(Duration::from_millis(1)).attempts(3))
            .dead_letter(move |_, why| assert!(why.attempts() == 3 && tell.send(()).is_ok()))
            .build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
                Ok(elsewhere.submit(batch[0])?)
            })
            .unwrap();
        let host = host(LONG, |host| {
            if is_hosted {
                host.add("items", &items);
            }
        });
        let host = host.start().unwrap();
        items.submit(7).unwrap();
        assert!(told.recv_timeout(LONG).is_ok());
        drop(within(LONG, "stop", || host.stop()));
    }
}

#[test]
fn a_run_that_the_stop_of_another_host_refuses_has_failed() {
    let (pool, elsewhere) = (Pool::new(1).unwrap(), stopped_elsewhere());
    let scheduler = Scheduler::new(pool.submitter());
    let every = Schedule::every(Duration::from_millis(1));
    let entry = scheduler.entry("submit", every);
    entry.run(move |_| Ok(elsewhere.submit(7)?)).unwrap();
    scheduler.start().unwrap();
    let failed = || {
        let status = scheduler.status();
        let last = status[0].last().map(|last| last.outcome().clone());
        matches!(last, Some(RunOutcome::Failed(_)))
    };
    within(LONG, "a failed run", || {
        while !failed() {
            thread::yield_now();
        }
    });
    scheduler.stop();
}

#[test]
fn a_refusal_during_the_start_by_a_stop_is_no_failure_of_the_start() {
    // Often: the stop may come before the thread of the pool's service has begun it. The pool
    // is stopped nevertheless, or the task below would go on until the deadline.
    for _ in 0..30 {
        let pool = Pool::new(1).unwrap();
        let (submitter, (tell, told)) = (pool.submitter(), signal());
        let host = host(LONG, |host| {
            host.add("workers", pool);
            // Not after the pool, which stops meanwhile.
            host.startup_task("posts", move |_| {
                tell.send(())?;
                loop {
                    submitter.execute(|| ())?;
                    thread::yield_now();
                }
            });
        });
        let handle = host.handle();
        let stopper = thread::spawn(move || {
            told.recv().unwrap();
            handle.request_stop("a signal");
        });
        let error = within(LONG, "start", || host.start().unwrap_err());
        stopper.join().unwrap();
        let report = error.into_report();
        assert!(report.failures().is_empty(), "{report}");
        assert_eq!(report.exit_code(), 0, "{report}");
    }
}

#[test]
fn an_item_whose_handler_is_refused_by_the_stop_has_not_failed() {
    let (first, second) = (WorkQueue::new(9), WorkQueue::new(9));
    let (gate, (tell, told)) = (Gate::new(), signal());
    let entrance = gate.entrance();
    let host = host(LONG, |host| {
        let next = second.clone();
        host.add(
            "first",
            first.workers(1, move || {
                let (next, entrance, tell) = (next.clone(), entrance.clone(), tell.clone());
                move |&mut item: &mut u32, _: &ServiceContext| {
                    let _ = tell.send(());
                    entrance.pass();
                    Ok(next.submit(item * 10)?)
                }
            }),
        );
        host.add(
            "second",
            second.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
        );
    });
    let host = host.start().unwrap();
    first.submit(1).unwrap();
    told.recv().unwrap();
    first.submit(2).unwrap();
    host.handle().request_stop("enough");
    within(LONG, "the stop of the second", || {
        while !second.is_closed() {
            thread::yield_now();
        }
    });
    gate.open();
    let report = within(LONG, "stop", || host.stop());
    let counts = stats(&report, "first");
    assert_eq!((counts.failed(), counts.unstarted()), (0, 2), "{report}");
    assert_eq!((report.exit_code(), report.failures().len()), (75, 0));
    assert_eq!(first.take_unstarted(), [1, 2]);
    assert_eq!(second.take_unstarted(), [10, 20]);
}

#[test]
fn an_item_whose_handler_leaves_at_the_stop_has_not_failed() {
    let (queue, (tell, told)) = (WorkQueue::new(9), signal());
    let host = host(10 * SHORT, |host| {
        host.add(
            "items",
            queue.workers(1, move || {
                let tell = tell.clone();
                move |_: &mut u32, ctx: &ServiceContext| {
                    tell.send(()).unwrap();
                    Ok(ctx.sleep(LONG)?)
                }
            }),
        );
    });
    let host = host.start().unwrap();
    queue.submit(1).unwrap();
    queue.submit(2).unwrap();
    told.recv().unwrap();
    let report = within(LONG, "stop", || host.stop());
    let counts = stats(&report, "items");
    assert_eq!((counts.failed(), counts.unstarted()), (0, 2), "{report}");
    assert_eq!(queue.take_unstarted(), [1, 2]);
}

// Workers that submit to their own queue.

#[test]
fn workers_that_submit_to_their_own_full_queue_do_not_wait() {
    const DEPTH: u32 = 6;
    let count = Arc::new(AtomicUsize::new(0));
    for cancellable in [false, true] {
        count.store(0, SeqCst);
        let (queue, (tell, told)) = (WorkQueue::new(2), unbounded());
        let (own, counted) = (queue.clone(), count.clone());
        let host = host(LONG, |host| {
            host.add(
                "tree",
                queue.workers(2, move || {
                    let (own, counted, tell) = (own.clone(), counted.clone(), tell.clone());
                    move |&mut depth: &mut u32, ctx: &ServiceContext| {
                        if depth < DEPTH {
                            for _ in 0..2 {
                                match cancellable {
                                    true => own.submit_until(ctx.token(), depth + 1),
                                    false => own.submit(depth + 1),
                                }
                                .map_err(|error| error.to_string())?;
                            }
                        }
                        if counted.fetch_add(1, SeqCst) + 1 == (1 << (DEPTH + 1)) - 1 {
                            tell.send(()).unwrap();
                        }
                        Ok(())
                    }
                }),
            );
        });
        let host = host.start().unwrap();
        queue.submit(0).unwrap();
        within(LONG, "127 items", || told.recv().unwrap());
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        let counts = stats(&report, "tree");
        assert_eq!(counts.handled(), 127);
        assert!(counts.overflow_peak() > 0 && counts.overflow() == 0);
    }
}

#[test]
fn a_worker_that_wants_the_bound_of_its_own_queue_is_refused() {
    let (queue, (tell, told)) = (WorkQueue::new(1), unbounded());
    let own = queue.clone();
    let host = host(LONG, |host| {
        host.add(
            "items",
            queue.workers(1, move || {
                let (own, tell) = (own.clone(), tell.clone());
                move |&mut item: &mut u32, _: &ServiceContext| {
                    if item == 0 {
                        own.submit(1).unwrap();
                        let full = own.try_submit(2).unwrap_err().is_full();
                        let late = own.submit_until(Duration::ZERO, 3).unwrap_err();
                        tell.send((full, late.is_timeout())).unwrap();
                    }
                    Ok(())
                }
            }),
        );
    });
    let host = host.start().unwrap();
    queue.submit(0).unwrap();
    let refused = within(LONG, "refusals", || told.recv().unwrap());
    assert_eq!(refused, (true, true));
    assert!(host.stop().is_clean());
}

#[test]
fn a_batch_that_submits_until_cancelled_to_its_own_full_batcher_does_not_wait() {
    let pool = Pool::new(1).unwrap();
    let (tell, told) = unbounded();
    let (give, given) = unbounded::<Batcher<u32>>();
    let token = CancelToken::new();
    let make = Batcher::builder("items").max_items(1).capacity(1);
    let items = make.build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
        if batch[0] == 0 {
            let own = given.recv()?;
            for item in [1, 2] {
                own.submit_until(&token, item)?;
            }
        }
        Ok(tell.send(batch[0])?)
    });
    let items = items.unwrap();
    give.send(items.clone()).unwrap();
    items.submit(0).unwrap();
    let done: Vec<u32> = within(LONG, "three items", || told.iter().take(3).collect());
    assert_eq!(done, [0, 1, 2]);
}
