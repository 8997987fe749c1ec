//! How batchers end: by each plan, whatever their handlers do, before their pool and after
//! it, and when they are dropped.

use crate::common::batch::{Dead, Handled, all, burying, expect_sum, telling};
use crate::common::{Gate, LONG, hasty, occupied_pool, occupy, within};
use groundcrew::batch::{BatchReport, BatcherBuilder};
use groundcrew::channel::{Receiver, Sender, bounded, unbounded};
use groundcrew::retry::{DeadLetterReason, PermanentError};
use groundcrew::{Batcher, Host, Pool, Retry, StopPlan, TaskContext};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing but what a test says fills a batch.
fn builder<T: Send + 'static>() -> BatcherBuilder<T> {
    Batcher::builder("it").max_age(Duration::MAX)
}

/// A handler that tells of its batch, and returns what it is told.
#[expect(clippy::type_complexity, reason = "it is made of closures")]
fn obedient() -> (
    impl Fn(&mut Vec<u32>, &TaskContext) -> Handled + Send + Sync,
    Receiver<Vec<u32>>,
    Sender<Handled>,
) {
    let (tell, told) = unbounded();
    let (command, commands) = unbounded::<Handled>();
    let handler = move |batch: &mut Vec<u32>, _: &TaskContext| {
        tell.send(batch.clone())?;
        commands.recv().unwrap_or(Ok(()))
    };
    (handler, told, command)
}

/// What a handler does that waits until its token is cancelled, or for ever.
fn heeding(ctx: &TaskContext) -> Handled {
    ctx.token().wait();
    Err("cut short")?
}

fn batcher(
    pool: &Pool,
    handler: impl Fn(&mut Vec<u32>, &TaskContext) -> Handled + Send + Sync + 'static,
) -> Batcher<u32> {
    let items = builder().max_items(2).capacity(1_000);
    items.build(pool.submitter(), handler).unwrap()
}

fn expect_left(report: &BatchReport<u32>, left: impl IntoIterator<Item = u32>) {
    let stats = report.stats();
    let sum = stats.handled() + stats.dead() + stats.unstarted() + report.abandoned() as u64;
    assert_eq!(stats.accepted(), sum, "{report}");
    let items = report.take_unstarted();
    assert_eq!(items, left.into_iter().collect::<Vec<_>>());
    assert!(report.take_unstarted().is_empty());
}

// By each plan.

#[test]
fn a_drain_handles_everything_the_partial_batch_included() {
    let pool = Pool::new(2).unwrap();
    let (handler, told) = telling();
    let items = batcher(&pool, handler);
    (0..5).for_each(|item| items.submit(item).unwrap());
    let report = within(LONG, "stop", || items.stop(LONG));
    assert!(report.is_clean() && report.elapsed() < LONG);
    assert_eq!(all(&told), [vec![0, 1], vec![2, 3], vec![4]]);
    expect_left(&report, []);
    let refused = items.submit(5).unwrap_err();
    assert!(refused.is_closed());
    assert_eq!(refused.to_string(), "the batcher is closed");
    assert_eq!(refused.into_inner(), 5);
    assert!(items.try_submit(6).unwrap_err().is_closed());
    assert!(items.submit_until(LONG, 7).unwrap_err().is_closed());
    assert!(
        items
            .submit_until(Instant::now(), 8)
            .unwrap_err()
            .is_closed()
    );
    within(LONG, "flush", || items.flush());
}

#[test]
fn a_drain_waits_for_another_attempt() {
    let pool = Pool::new(1).unwrap();
    let tries = AtomicUsize::new(0);
    let retry = Retry::fixed(Duration::from_millis(2));
    let items = builder()
        .retry(retry)
        .build(pool.submitter(), move |_: &mut Vec<u32>, _| {
            match tries.fetch_add(1, SeqCst) {
                0..3 => Err("busy")?,
                _ => Ok(()),
            }
        });
    let items = items.unwrap();
    items.submit(1).unwrap();
    let report = within(LONG, "stop", || items.stop(LONG));
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.stats().retries(), 3);
}

#[test]
fn finish_lets_the_running_batch_finish_and_hands_back_the_rest_in_order() {
    let pool = Pool::new(1).unwrap();
    let (handler, told, command) = obedient();
    let items = batcher(&pool, handler);
    (0..7).for_each(|item| items.submit(item).unwrap());
    told.recv().unwrap();
    let report = within(LONG, "stop", || {
        thread::scope(|scope| {
            let stop = scope.spawn(|| items.stop(StopPlan::finish_running(LONG)));
            while items.stats().unstarted() == 0 {
                thread::yield_now();
            }
            command.send(Ok(())).unwrap();
            stop.join().unwrap()
        })
    });
    assert_eq!(report.stats().handled(), 2);
    expect_left(&report, 2..7);
}

#[cfg(target_os = "linux")]
#[test]
fn flush_waits_for_what_a_handler_has_in_hand_and_says_if_a_stop_took_it_out() {
    for (fails, kept) in [(false, 2..4), (true, 0..4)] {
        let pool = Pool::new(1).unwrap();
        let (handler, told, command) = obedient();
        let items = batcher(&pool, handler);
        (0..2).for_each(|item| items.submit(item).unwrap());
        told.recv().unwrap();
        let (flushed, report) = within(LONG, "flush", || {
            thread::scope(|scope| {
                let (tell, told) = unbounded();
                let items = &items;
                let first = scope.spawn(move || {
                    tell.send(Sleeps::of_this_thread()).unwrap();
                    items.flush()
                });
                told.recv().unwrap().wait_until_asleep();
                (2..4).for_each(|item| items.submit(item).unwrap());
                let stop = scope.spawn(|| items.stop(StopPlan::finish_running(LONG)));
                while items.stats().unstarted() < 2 {
                    thread::yield_now();
                }
                assert!(!first.is_finished(), "a handler has it in hand");
                let end = if fails { Err("busy".into()) } else { Ok(()) };
                command.send(end).unwrap();
                (first.join().unwrap(), stop.join().unwrap())
            })
        });
        assert_eq!(flushed, !fails);
        expect_left(&report, kept);
        assert!(!items.flush(), "2 and 3 were taken out");
    }
}

#[test]
fn a_flush_that_waits_for_a_hung_handler_returns_with_the_report() {
    let pool = hasty().build().unwrap();
    let (handler, begun, command) = obedient();
    let items = builder().max_items(1);
    let items = items.build(pool.submitter(), handler).unwrap();
    items.submit(0).unwrap();
    begun.recv().unwrap();
    within(LONG, "flush", || {
        thread::scope(|scope| {
            let flush = scope.spawn(|| items.flush());
            thread::sleep(Duration::from_millis(20)); // until it waits, probably
            let report = items.stop(Duration::ZERO);
            assert_eq!(report.abandoned(), 1);
            assert!(!flush.join().unwrap(), "the handler still has it");
        });
    });
    command.send(Ok(())).unwrap();
}

#[test]
fn what_fails_while_the_backlog_is_out_is_handed_back_before_what_came_after_it() {
    for error in [true, false] {
        let pool = Pool::new(1).unwrap();
        let (handler, told, command) = obedient();
        let items = batcher(&pool, handler);
        (0..7).for_each(|item| items.submit(item).unwrap());
        told.recv().unwrap();
        let report = within(LONG, "stop", || {
            thread::scope(|scope| {
                let stop = scope.spawn(|| items.stop(StopPlan::finish_running(LONG)));
                while items.stats().unstarted() == 0 {
                    thread::yield_now();
                }
                let error: Handled = match error {
                    true => Err("busy".into()),
                    false => Err(PermanentError::new("no").into()),
                };
                command.send(error).unwrap();
                stop.join().unwrap()
            })
        });
        expect_left(&report, 0..7);
    }
}

#[test]
fn cancel_cancels_the_tokens_and_what_was_cut_short_is_no_failed_attempt() {
    for plan in [StopPlan::cancel(LONG), StopPlan::drain(LONG).grace(LONG)] {
        let pool = Pool::new(2).unwrap();
        let (bury, told) = burying();
        let (tell, begun) = unbounded();
        let items = builder()
            .max_items(2)
            .in_flight(2)
            .retry(Retry::fixed(Duration::ZERO).attempts(1))
            .dead_letter(bury)
            .build(pool.submitter(), move |_: &mut Vec<u32>, ctx| {
                tell.send(())?;
                heeding(ctx)
            });
        let items = items.unwrap();
        (0..9).for_each(|item| items.submit(item).unwrap());
        begun.recv().unwrap();
        begun.recv().unwrap();
        let report = within(LONG, "stop", || items.stop(plan));
        expect_left(&report, 0..9);
        assert!(told.is_empty());
    }
}

#[test]
fn a_stop_takes_a_batch_out_of_its_wait_for_another_attempt() {
    for plan in [
        StopPlan::cancel(LONG),
        StopPlan::finish_running(LONG),
        StopPlan::drain(Duration::ZERO),
    ] {
        let pool = Pool::new(1).unwrap();
        let items = builder()
            .max_items(2)
            .retry(Retry::fixed(Duration::from_secs(3600)))
            .build(pool.submitter(), |_: &mut Vec<u32>, _| Err("busy")?)
            .unwrap();
        (0..5).for_each(|item| items.submit(item).unwrap());
        while items.stats().retries() == 0 {
            thread::yield_now();
        }
        let report = within(LONG, "stop", || items.stop(plan));
        expect_left(&report, 0..5);
    }
}

#[test]
fn a_stop_of_zero_or_by_a_past_moment_returns_at_once() {
    for past in [true, false] {
        let (pool, gate) = occupied_pool(1);
        let items = batcher(&pool, |_, _| Ok(()));
        (0..5).for_each(|item| items.submit(item).unwrap());
        let report = within(LONG, "stop", || match past {
            true => items.stop(Instant::now()),
            false => items.stop(Duration::ZERO),
        });
        gate.open();
        expect_left(&report, 0..5);
        assert!(!report.is_clean());
    }
    let pool = Pool::new(1).unwrap();
    let items = batcher(&pool, |_, _| Ok(()));
    assert!(items.stop(Duration::ZERO).is_clean(), "nothing was in it");
}

#[test]
fn a_hung_handler_is_abandoned_and_what_it_gives_back_later_is_a_dead_letter() {
    let pool = hasty().build().unwrap();
    let (bury, told) = burying();
    let (handler, begun, command) = obedient();
    let items = builder().max_items(3).dead_letter(bury);
    let items = items.build(pool.submitter(), handler).unwrap();
    (0..5).for_each(|item| items.submit(item).unwrap());
    begun.recv().unwrap();
    let limit = Duration::from_millis(30);
    let report = within(LONG, "stop", || items.stop(limit));
    assert!(report.elapsed() >= limit);
    assert_eq!(report.abandoned(), 3);
    let text = report.to_string();
    assert!(
        text.ends_with(": 2 unstarted, 3 abandoned of 5 accepted"),
        "{text}"
    );
    expect_left(&report, [3, 4]);

    command.send(Err(PermanentError::new("no").into())).unwrap();
    let dead = |item| Dead {
        item,
        cause: DeadLetterReason::Stopped,
        error: None,
        attempts: 1,
    };
    let late: Vec<_> = (0..3).map(|_| told.recv().unwrap()).collect();
    assert_eq!(late, [dead(0), dead(1), dead(2)]);
    let stats = items.stats();
    assert_eq!(
        (stats.dead(), stats.unstarted(), stats.waiting()),
        (3, 2, 0)
    );
    assert_eq!(stats.calls(), 1);
}

// Who calls it, and how often.

#[test]
fn a_second_stop_returns_the_same_numbers_and_no_items() {
    let (pool, gate) = occupied_pool(1);
    let items = batcher(&pool, |_, _| Ok(()));
    (0..5).for_each(|item| items.submit(item).unwrap());
    let first = items.stop(Duration::ZERO);
    let second = within(LONG, "stop", || items.clone().stop(LONG));
    gate.open();
    assert_eq!(second.stats(), first.stats());
    assert!(!second.is_clean() && second.take_unstarted().is_empty());
    assert_eq!(first.take_unstarted().len(), 5);
}

#[test]
fn of_stops_at_the_same_time_the_strictest_wins_and_one_has_the_items() {
    let pool = Pool::new(1).unwrap();
    let (tell, begun) = unbounded();
    let items = batcher(&pool, move |_, ctx| {
        tell.send(())?;
        heeding(ctx)
    });
    (0..9).for_each(|item| items.submit(item).unwrap());
    begun.recv().unwrap();
    let left: Vec<u32> = within(LONG, "stops", || {
        thread::scope(|scope| {
            let plans = [
                StopPlan::drain(Duration::MAX),
                StopPlan::finish_running(Duration::MAX),
                StopPlan::cancel(Duration::MAX),
                StopPlan::drain(Duration::MAX),
            ];
            let items = &items;
            let stops = plans.map(|plan| scope.spawn(move || items.stop(plan).take_unstarted()));
            stops
                .into_iter()
                .flat_map(|stop| stop.join().unwrap())
                .collect()
        })
    });
    assert!(left.into_iter().eq(0..9));
}

#[test]
fn a_stop_wakes_those_that_wait_for_room() {
    let (pool, gate) = occupied_pool(1);
    let items = builder().capacity(1);
    let items = items
        .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))
        .unwrap();
    items.submit(0).unwrap();
    within(LONG, "submits", || {
        thread::scope(|scope| {
            let waiting: Vec<_> = (1..4)
                .map(|item| {
                    scope.spawn({
                        let items = &items;
                        move || items.submit(item)
                    })
                })
                .collect();
            let timed = scope.spawn(|| items.submit_until(Duration::MAX, 4));
            let report = items.stop(Duration::ZERO);
            expect_left(&report, [0]);
            for refused in waiting.into_iter().chain([timed]) {
                assert!(refused.join().unwrap().unwrap_err().is_closed());
            }
        });
    });
    gate.open();
}

#[test]
fn a_stop_by_the_only_worker_of_the_pool_handles_the_batches_itself() {
    let pool = Pool::new(1).unwrap();
    let items = batcher(&pool, |_, _| Ok(()));
    let inside = items.clone();
    let task = move || {
        (0..5).for_each(|item| inside.submit(item).unwrap());
        inside.stop(LONG)
    };
    let report = within(LONG, "stop", || pool.submit(task).unwrap().join().unwrap());
    assert!(report.is_clean());
    assert_eq!(report.stats().handled(), 5);
}

#[test]
fn a_stop_by_the_only_worker_of_the_pool_cancels_the_handler_on_its_own_stack() {
    let pool = Pool::new(1).unwrap();
    let items = batcher(&pool, |_, ctx| heeding(ctx));
    let inside = items.clone();
    let task = move || {
        (0..5).for_each(|item| inside.submit(item).unwrap());
        inside.stop(StopPlan::drain(LONG).grace(LONG - Duration::from_millis(20)))
    };
    let report = within(LONG, "stop", || pool.submit(task).unwrap().join().unwrap());
    assert!(report.elapsed() < LONG / 2);
    expect_left(&report, 0..5);
}

/// A batcher whose handler has it in its hands.
fn with_itself(
    pool: &Pool,
    in_flight: usize,
    handler: impl Fn(&Mutex<Option<Batcher<u32>>>, &mut Vec<u32>) -> Handled + Send + Sync + 'static,
) -> Batcher<u32> {
    let own: Arc<Mutex<Option<Batcher<u32>>>> = Arc::default();
    let of_handler = own.clone();
    let items = builder()
        .max_items(2)
        .in_flight(in_flight)
        .build(pool.submitter(), move |batch: &mut Vec<u32>, _| {
            handler(&of_handler, batch)
        })
        .unwrap();
    *own.lock().unwrap() = Some(items.clone());
    items
}

#[test]
fn a_stop_from_inside_the_handler_hands_back_at_once_what_only_that_could_handle() {
    let pool = Pool::new(2).unwrap();
    let (tell, told) = unbounded();
    let items = with_itself(&pool, 1, move |own, batch| {
        let own = own.lock().unwrap().clone().unwrap();
        let report = own.stop(LONG);
        tell.send((
            report.elapsed(),
            report.abandoned(),
            report.take_unstarted(),
        ))?;
        batch.clear();
        Ok(())
    });
    let (elapsed, abandoned, left) = within(LONG, "stop", || {
        // The last one comes too late, if it is quick.
        for item in 0..7 {
            if let Err(refused) = items.submit(item) {
                refused.into_inner(); // dropped with the refusal it would count as unhandled
                break;
            }
        }
        told.recv().unwrap()
    });
    assert!(elapsed < LONG / 2);
    assert_eq!(abandoned, 2);
    assert!(left.into_iter().eq(2..items.stats().accepted() as u32));
    drop(within(LONG, "stop", || items.stop(LONG)));
    assert_eq!(items.stats().handled(), 2);
    expect_sum(&items.stats());
}

#[test]
fn handlers_that_all_stop_their_batcher_do_not_wait_for_each_other() {
    let pool = Pool::new(3).unwrap();
    let (tell, told) = unbounded();
    let inside = AtomicUsize::new(0);
    let items = with_itself(&pool, 3, move |own, _| {
        inside.fetch_add(1, SeqCst);
        while inside.load(SeqCst) < 3 {
            thread::yield_now();
        }
        let own = own.lock().unwrap().clone().unwrap();
        Ok(tell.send(own.stop(LONG).elapsed())?)
    });
    within(LONG, "stops", || {
        (0..6).for_each(|item| items.submit(item).unwrap());
        for _ in 0..3 {
            assert!(told.recv().unwrap() < LONG / 2);
        }
        let report = items.stop(LONG);
        assert_eq!((report.stats().handled(), report.abandoned()), (6, 0));
    });
}

#[test]
fn a_stop_from_a_dead_letter_closure_does_not_wait_for_itself() {
    let pool = Pool::new(1).unwrap();
    let own: Arc<Mutex<Option<Batcher<u32>>>> = Arc::default();
    let of_closure = own.clone();
    let (tell, told) = unbounded();
    let items = builder()
        .max_items(1)
        .dead_letter(move |_, _| {
            let own = of_closure.lock().unwrap().take().unwrap();
            tell.send(own.stop(LONG).elapsed()).unwrap();
        })
        .build(pool.submitter(), |_: &mut Vec<u32>, _| {
            Err(PermanentError::new("no"))?
        })
        .unwrap();
    *own.lock().unwrap() = Some(items.clone());
    items.submit(1).unwrap();
    let elapsed = within(LONG, "stop", || told.recv().unwrap());
    assert!(elapsed < LONG / 2);
}

// The pool ends first.

#[test]
fn what_the_pool_left_the_batcher_hands_back() {
    enum How {
        Stopped,
        Kept,
        HandedBack,
        Dropped,
    }
    for how in [How::Stopped, How::Kept, How::HandedBack, How::Dropped] {
        let (pool, gate) = (hasty().build().unwrap(), Gate::new());
        drop(occupy(&pool, &gate));
        let items = batcher(&pool, |_, _| panic!("nothing runs"));
        (0..5).for_each(|item| items.submit(item).unwrap());
        let kept = within(LONG, "the end of the pool", || match how {
            How::Kept => Some(pool.stop(Duration::ZERO)),
            How::Stopped => {
                drop(pool.stop(Duration::ZERO));
                None
            }
            How::HandedBack => {
                pool.stop(StopPlan::finish_running(Duration::ZERO))
                    .drop_unstarted();
                None
            }
            How::Dropped => {
                drop(pool);
                None
            }
        });
        (5..8).for_each(|item| items.submit(item).unwrap());
        let report = within(LONG, "stop", || items.stop(Duration::MAX));
        expect_left(&report, 0..8);
        drop(kept);
        assert!(items.submit(9).unwrap_err().is_closed());
        gate.open();
    }
}

#[test]
fn a_pool_that_is_only_closed_runs_the_batches_that_have_a_task_and_no_more() {
    let (pool, gate) = occupied_pool(1);
    let (handler, told) = telling();
    let items = batcher(&pool, handler);
    (0..3).for_each(|item| items.submit(item).unwrap());
    pool.stop_handle().close();
    items.submit(3).unwrap();
    gate.open();
    let report = within(LONG, "stop", || items.stop(Duration::MAX));
    let handled: Vec<u32> = all(&told).concat();
    assert!(handled.starts_with(&[0, 1]), "{handled:?}");
    expect_left(&report, handled.len() as u32..4);
    assert!(pool.stop(LONG).is_clean());
}

#[test]
fn items_that_come_after_the_pools_end_are_kept_until_the_capacity_is_reached() {
    let pool = Pool::new(1).unwrap();
    let retry = Retry::fixed(Duration::ZERO);
    let items = builder().max_items(2).capacity(5).retry(retry);
    let items = items
        .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))
        .unwrap();
    drop(pool);
    (0..5).for_each(|item| items.submit(item).unwrap());
    // There will be no room any more.
    assert_eq!(items.try_submit(5).unwrap_err().into_inner(), 5);
    let refused = within(LONG, "submit", || items.submit(5).unwrap_err());
    assert!(refused.is_closed());
    assert_eq!(refused.into_inner(), 5);
    assert!(!within(LONG, "flush", || items.flush()), "nobody will");
    let report = within(LONG, "stop", || items.stop(Duration::MAX));
    expect_left(&report, 0..5);
    assert!(!items.flush(), "the stop took them out");
}

#[test]
fn a_submitter_that_waits_for_room_is_woken_when_the_pool_ends() {
    let (pool, gate) = occupied_pool(1);
    let items = builder().max_items(2).capacity(4);
    let items = items
        .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))
        .unwrap();
    (0..4).for_each(|item| items.submit(item).unwrap());
    let (refused, late) = within(LONG, "submit", || {
        thread::scope(|scope| {
            let waiting = scope.spawn(|| items.submit(4).unwrap_err());
            let timed = scope.spawn(|| items.submit_until(LONG, 5).unwrap_err());
            let late = items.submit_until(Duration::from_millis(30), 6);
            drop(pool.stop(Duration::ZERO));
            let timed = timed.join().unwrap();
            assert!(timed.is_closed() && timed.into_inner() == 5);
            (waiting.join().unwrap(), late.unwrap_err())
        })
    });
    assert!(refused.is_closed());
    assert_eq!(refused.into_inner(), 4);
    assert!(late.is_timeout());
    gate.open();
    let report = within(LONG, "stop", || items.stop(Duration::MAX));
    expect_left(&report, 0..4);
}

/// The times at which the current thread went to sleep, and whether it sleeps.
#[cfg(target_os = "linux")]
struct Sleeps(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl Sleeps {
    fn of_this_thread() -> Sleeps {
        let thread = std::fs::read_link("/proc/thread-self").unwrap();
        Sleeps(std::path::Path::new("/proc").join(thread).join("status"))
    }

    fn field(&self, name: &str) -> String {
        let status = std::fs::read_to_string(&self.0).unwrap();
        let field = status.lines().find_map(|line| line.strip_prefix(name));
        field.unwrap().trim().to_owned()
    }

    fn count(&self) -> u64 {
        self.field("voluntary_ctxt_switches:").parse().unwrap()
    }

    /// Until it has gone to sleep for what it waits for.
    fn wait_until_asleep(&self) {
        while !self.field("State:").starts_with('S') {
            thread::yield_now();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_wait_for_a_batcher_sleep_until_there_is_something_to_do() {
    let (pool, gate) = occupied_pool(1);
    let items = builder().max_items(2).capacity(2);
    let items = items
        .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))
        .unwrap();
    (0..2).for_each(|item| items.submit(item).unwrap());
    let (tell, told) = unbounded();
    within(LONG, "waits", || {
        thread::scope(|scope| {
            let (tell_other, items) = (tell.clone(), &items);
            scope.spawn(move || {
                tell.send(Sleeps::of_this_thread()).unwrap();
                items.submit(2).unwrap();
            });
            scope.spawn(move || {
                tell_other.send(Sleeps::of_this_thread()).unwrap();
                assert!(items.flush());
            });
            let waiting: Vec<Sleeps> = told.iter().take(2).collect();
            // What comes before the wait may sleep, too, for a lock.
            thread::sleep(Duration::from_millis(50));
            waiting.iter().for_each(Sleeps::wait_until_asleep);
            let before: Vec<u64> = waiting.iter().map(Sleeps::count).collect();
            thread::sleep(Duration::from_millis(200));
            let after: Vec<u64> = waiting.iter().map(Sleeps::count).collect();
            assert_eq!(before, after, "they looked by themselves");
            gate.open();
        });
    });
}

#[test]
fn a_pool_that_ends_while_a_batcher_drains_hands_the_rest_to_it() {
    let pool = hasty().build().unwrap();
    let (handler, begun, command) = obedient();
    let items = batcher(&pool, handler);
    (0..6).for_each(|item| items.submit(item).unwrap());
    begun.recv().unwrap();
    let report = within(LONG, "stop", || {
        thread::scope(|scope| {
            let stop = scope.spawn(|| items.stop(Duration::MAX));
            let stopped = pool.stop(Duration::ZERO);
            assert_eq!(stopped.abandoned().len(), 1);
            command.send(Err("busy".into())).unwrap();
            stop.join().unwrap()
        })
    });
    expect_left(&report, 0..6);
}

#[test]
fn a_task_that_a_pool_handed_back_can_be_run_and_handles_what_is_there() {
    let (pool, gate) = occupied_pool(1);
    let (handler, told) = telling();
    let items = batcher(&pool, handler);
    (0..4).for_each(|item| items.submit(item).unwrap());
    let report = pool.stop(Duration::ZERO);
    gate.open();
    let tasks = report.take_unstarted();
    assert_eq!(tasks.len(), 1);
    assert!(tasks[0].info().to_string().contains("\"it\""));
    let other = Pool::new(1).unwrap();
    for task in tasks {
        other.resubmit(task).unwrap();
    }
    assert_eq!(told.recv().unwrap(), [0, 1]);
    other.wait_idle();
    let report = within(LONG, "stop", || items.stop(LONG));
    let handled = report.stats().handled();
    assert!(handled >= 2);
    expect_left(&report, handled as u32..4);
}

// Drops.

#[test]
fn dropped_it_handles_what_there_is() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = batcher(&pool, handler);
    (0..3).for_each(|item| items.submit(item).unwrap());
    let clone = items.clone();
    drop(items);
    clone.submit(3).unwrap();
    clone.submit(4).unwrap();
    within(LONG, "drop", || drop(clone));
    assert!(all(&told).concat().into_iter().eq(0..5));
}

#[test]
fn dropped_after_its_pool_what_is_left_goes_to_the_closure_for_dead_letters() {
    let pool = Pool::new(1).unwrap();
    let (bury, told) = burying();
    let items = builder().max_items(2).dead_letter(bury);
    let items = items
        .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))
        .unwrap();
    drop(pool);
    (0..3).for_each(|item| items.submit(item).unwrap());
    within(LONG, "drop", || drop(items));
    let dead: Vec<_> = all(&told);
    assert!(dead.iter().map(|dead| dead.item).eq(0..3));
    assert!(
        dead.iter()
            .all(|dead| dead.cause == DeadLetterReason::Stopped && dead.attempts == 0)
    );
}

#[test]
fn dropped_in_a_worker_of_its_pool_it_handles_what_there_is() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = batcher(&pool, handler);
    (0..3).for_each(|item| items.submit(item).unwrap());
    within(LONG, "drop", || {
        pool.submit(move || drop(items)).unwrap().join().unwrap()
    });
    assert!(all(&told).concat().into_iter().eq(0..3));
}

#[test]
fn dropped_in_its_own_handler_it_does_not_wait_for_itself() {
    let pool = Pool::new(1).unwrap();
    let (gate, (tell, told)) = (Gate::new(), bounded(1));
    let entrance = gate.entrance();
    let items = with_itself(&pool, 1, move |own, _| {
        entrance.pass();
        let own = own.lock().unwrap().take();
        let began = Instant::now();
        drop(own);
        Ok(tell.send(began.elapsed())?)
    });
    (0..6).for_each(|item| items.submit(item).unwrap());
    drop(items);
    gate.open();
    let took = within(LONG, "drop", || told.recv().unwrap());
    assert!(took < Duration::from_secs(4), "{took:?}");
    within(LONG, "the end of the pool", || drop(pool));
}

#[test]
fn dropped_by_a_thread_local_that_outlives_others_it_does_not_panic() {
    struct Last(Option<Batcher<u32>>);
    impl Drop for Last {
        fn drop(&mut self) {
            let items = self.0.take().unwrap();
            items.flush();
            drop(items);
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = batcher(&pool, handler);
    let ended = thread::spawn(move || {
        // Before and after whatever of ours is there.
        LAST.with(|last| *last.borrow_mut() = Some(Last(Some(items.clone()))));
        items.submit(1).unwrap();
        items.flush();
        items.submit(2).unwrap();
    });
    within(LONG, "thread-locals", || ended.join().unwrap());
    assert_eq!(all(&told), [[1], [2]]);
}

#[test]
fn nothing_of_it_is_left_when_the_pool_and_the_batcher_are_gone() {
    for pool_first in [true, false] {
        for stopped in [true, false] {
            let pool = hasty().build().unwrap();
            let own = Arc::new(());
            let of_handler = own.clone();
            let items = builder()
                .max_items(1)
                .max_age(Duration::from_secs(3600))
                .in_flight(3)
                .retry(Retry::fixed(Duration::from_secs(3600)))
                .build(pool.submitter(), move |_: &mut Vec<Arc<()>>, _| {
                    let _own = &of_handler;
                    match pool_first || stopped {
                        true => Err("busy")?,
                        false => Ok(()), // or the drop would wait for its 5 s
                    }
                })
                .unwrap();
            for _ in 0..20 {
                let _ = items.try_submit(own.clone());
            }
            if stopped {
                drop(items.stop(Duration::ZERO));
            }
            within(LONG, "drops", || match pool_first {
                true => {
                    drop(pool);
                    drop(items);
                }
                false => {
                    drop(items);
                    drop(pool);
                }
            });
            // The last task may still be on its way out of a worker's hands.
            within(LONG, "the last owner", || {
                while Arc::strong_count(&own) > 1 {
                    thread::yield_now();
                }
            });
        }
    }
}

// In a host.

#[test]
fn in_a_host_it_stops_after_those_that_use_it_and_before_its_pool() {
    let pool = Pool::new(1).unwrap();
    let (handler, told) = telling();
    let items = batcher(&pool, handler);
    let mut host = Host::builder();
    host.add("items", &items);
    host.add("workers", pool);
    let writer = items.clone();
    host.background("writer", move |ctx| {
        ctx.token().wait();
        // Its last words.
        Ok(writer.submit(7)?)
    })
    .after(["items"]);
    let host = host.build().unwrap().start().unwrap();
    items.submit(6).unwrap();
    let report = within(LONG, "stop", || host.stop());
    assert!(report.is_clean(), "{report}");
    assert_eq!(all(&told).concat(), [6, 7]);
    let counts = report
        .services()
        .iter()
        .find_map(|service| service.batcher())
        .unwrap();
    assert_eq!(
        (counts.accepted(), counts.handled(), counts.unstarted()),
        (2, 2, 0)
    );
    assert!(items.submit(8).unwrap_err().is_closed());
}

#[test]
fn in_a_host_a_pool_that_is_after_its_own_batcher_is_refused() {
    let pool = Pool::new(1).unwrap();
    let items = batcher(&pool, |_, _| Ok(()));
    let mut host = Host::builder();
    host.add("workers", pool).after(["items"]);
    host.add("items", &items);
    let error = host.build().unwrap_err().to_string();
    let circle = [
        "\"workers\" after \"items\" after",
        "\"items\" after \"workers\" after",
    ];
    assert!(circle.iter().any(|part| error.contains(part)), "{error}");
}

#[test]
fn in_a_host_what_was_not_handled_is_handed_back_as_items() {
    let pool = hasty().build().unwrap();
    let gate = Gate::new();
    let (entrance, (tell, told)) = (gate.entrance(), unbounded());
    let items = batcher(&pool, move |batch, _| {
        tell.send(batch.clone())?;
        entrance.pass();
        Ok(())
    });
    let mut host = Host::builder();
    host.stop_timeout(Duration::from_millis(80));
    host.add("workers", pool);
    host.add("items", &items);
    let host = host.build().unwrap();
    let host = host.start().unwrap();
    (0..7).for_each(|item| items.submit(item).unwrap());
    told.recv().unwrap();
    let now = host.handle().status();
    let counts = now
        .services()
        .iter()
        .find_map(|service| service.batcher())
        .unwrap();
    assert_eq!((counts.waiting(), counts.in_progress()), (7, 2));

    let report = within(LONG, "stop", || host.stop());
    assert!(!report.is_clean());
    assert_eq!(items.take_unstarted(), [2, 3, 4, 5, 6]);
    assert!(items.take_unstarted().is_empty());
    let counts = report
        .services()
        .iter()
        .find_map(|service| service.batcher())
        .unwrap();
    assert_eq!((counts.in_progress(), counts.unstarted()), (2, 5));
    gate.open();
}

#[test]
fn one_batcher_is_one_service() {
    let pool = Pool::new(1).unwrap();
    let items = batcher(&pool, |_, _| Ok(()));
    let mut host = Host::builder();
    host.add("one", &items);
    host.add("two", &items.clone());
    let error = host.build().unwrap_err().to_string();
    let expected = "the queue, or batcher, of service \"two\" is that of another service already";
    assert!(error.starts_with(expected), "{error}");
    // The failed build has let it go.
    let mut host = Host::builder();
    host.add("one", &items);
    let host = host.build().unwrap();
    let mut other = Host::builder();
    other.add("other", &items);
    assert!(other.build().is_err());
    drop(host);
}
