//! Submits from a pool's own workers: contract 4.

use crate::common::{Gate, LONG, occupied_pool, within};
use groundcrew::channel::{bounded, unbounded};
use groundcrew::{Pool, StopPlan, Submitter};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

#[test]
fn a_task_submits_any_number_to_a_full_queue_and_never_waits() {
    within(LONG, "submits from a task", || {
        let (pool, gate) = occupied_pool(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let (submitter, count) = (pool.submitter(), ran.clone());
        let (tell, told) = bounded(1);
        let submitting = pool
            .submit(move || {
                for _ in 0..1_000 {
                    let count = count.clone();
                    submitter
                        .execute(move || count.fetch_add(1, SeqCst))
                        .unwrap();
                }
                tell.send(()).unwrap();
            })
            .unwrap();
        gate.open();
        told.recv().unwrap();
        submitting.join().unwrap();
        pool.wait_idle();
        assert_eq!(ran.load(SeqCst), 1_000);
        let stats = pool.stats();
        assert_eq!((stats.overflow(), stats.overflow_peak()), (0, 999));
    });
}

#[test]
fn overflow_shows_in_the_statistics_and_in_the_report() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(1)
        .build()
        .unwrap();
    let (gate, submitter) = (Gate::new(), pool.submitter());
    let entrance = gate.entrance();
    let (tell, told) = bounded(1);
    pool.execute(move || {
        for _ in 0..5 {
            submitter.task("spilled").execute(|| ()).unwrap();
        }
        tell.send(()).unwrap();
        entrance.pass();
    })
    .unwrap();
    told.recv().unwrap();
    let stats = pool.stats();
    assert_eq!(
        (stats.queued(), stats.overflow(), stats.overflow_peak()),
        (1, 4, 4)
    );
    assert_eq!((stats.accepted(), stats.running()), (6, 1));
    let report = pool.stop(Duration::ZERO);
    assert_eq!(report.unstarted().len(), 5);
    let ids: Vec<_> = report.unstarted().iter().map(|info| info.id()).collect();
    assert!(ids.is_sorted(), "the oldest first: {ids:?}");
    gate.open();
    assert_eq!(report.wait_for_abandoned(LONG), 0);
}

#[test]
fn the_other_verbs_keep_to_the_bound_in_a_task_too() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(1)
        .build()
        .unwrap();
    pool.submit_with(|ctx| {
        let submitter = ctx.submitter();
        submitter.execute(|| ()).unwrap();
        assert!(submitter.try_submit(|| ()).unwrap_err().is_full());
        assert!(submitter.try_execute(|| ()).unwrap_err().is_full());
        let timeout = Duration::from_millis(1);
        assert!(
            submitter
                .task("in time")
                .when_full(timeout)
                .submit(|| ())
                .unwrap_err()
                .is_timeout()
        );
    })
    .unwrap()
    .join()
    .unwrap();
    assert_eq!(pool.stats().overflow_peak(), 0);
}

#[test]
fn a_producer_task_that_submits_its_own_consumer_and_then_feeds_it_finishes() {
    within(LONG, "a producer", || {
        // With one worker the feed must not wait; with two it may.
        for (threads, room) in [(1, None), (2, Some(1))] {
            let pool = Pool::builder()
                .threads(threads)
                .queue_capacity(1)
                .build()
                .unwrap();
            let submitter = pool.submitter();
            let producer = pool
                .submit(move || {
                    let (feed, food) = match room {
                        None => unbounded(),
                        Some(room) => bounded(room),
                    };
                    // The queue is full from here on.
                    submitter.execute(|| ()).unwrap();
                    submitter.execute(|| ()).unwrap();
                    let consumer = submitter.submit(move || food.iter().sum::<u64>()).unwrap();
                    for n in 0..100 {
                        feed.send(n).unwrap();
                    }
                    drop(feed);
                    consumer.join().unwrap()
                })
                .unwrap();
            assert_eq!(producer.join().unwrap(), 4950);
        }
    });
}

#[test]
fn tasks_behind_a_stuck_worker_are_run_by_the_others() {
    within(LONG, "stranded tasks", || {
        let pool = Pool::builder()
            .threads(2)
            .queue_capacity(1)
            .build()
            .unwrap();
        let (gate, submitter) = (Gate::new(), pool.submitter());
        let entrance = gate.entrance();
        let (tell, told) = unbounded();
        pool.execute(move || {
            for n in 0..10 {
                let tell = tell.clone();
                submitter.execute(move || tell.send(n).unwrap()).unwrap();
            }
            entrance.pass();
        })
        .unwrap();
        // All ten end while the worker that submitted them is at the gate.
        let mut seen: Vec<_> = (0..10).map(|_| told.recv().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        gate.open();
    });
}

#[test]
fn a_task_that_feeds_itself_does_not_starve_submitters_outside() {
    fn feed(submitter: Submitter, end: Arc<AtomicUsize>) {
        if end.load(SeqCst) == 0 {
            for _ in 0..2 {
                let (next, end) = (submitter.clone(), end.clone());
                // Refused at the end of the test, when the pool is closed.
                let _ = submitter.execute(move || feed(next, end));
            }
        }
    }
    within(LONG, "an outside task", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(2)
            .build()
            .unwrap();
        let end = Arc::new(AtomicUsize::new(0));
        let (submitter, watch) = (pool.submitter(), end.clone());
        pool.execute(move || feed(submitter, watch)).unwrap();
        for _ in 0..20 {
            pool.submit(|| ()).unwrap().join().unwrap();
        }
        end.store(1, SeqCst);
        drop(pool.stop(StopPlan::finish_running(LONG)));
    });
}

#[test]
fn in_place_a_task_runs_on_top_of_the_one_that_submits_it() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(1)
        .caller_runs_when_full()
        .build()
        .unwrap();
    pool.submit_with(|ctx| {
        let submitter = ctx.submitter();
        submitter.execute(|| ()).unwrap();
        let here = thread::current().id();
        let handle = submitter.submit(move || thread::current().id()).unwrap();
        assert!(handle.is_finished(), "it ran before the submit returned");
        assert_eq!(handle.join().unwrap(), here);
        let (tell, told) = bounded(1);
        submitter.execute(move || tell.send(()).unwrap()).unwrap();
        told.try_recv().unwrap();
    })
    .unwrap()
    .join()
    .unwrap();
    assert_eq!(pool.stats().overflow_peak(), 0);
    pool.wait_idle();
    assert_eq!(pool.stats().accepted(), 4);
}

#[test]
fn in_place_stops_at_half_of_the_stack_and_goes_on_in_the_list() {
    fn deeper(submitter: &Submitter, left: u32, ended: &Arc<AtomicUsize>) {
        let ballast = std::hint::black_box([0_u8; 4096]);
        if left > 0 {
            let (next, count) = (submitter.clone(), ended.clone());
            submitter
                .execute(move || deeper(&next, left - 1, &count))
                .unwrap();
        }
        ended.fetch_add(usize::from(ballast[left as usize % 4096]) + 1, SeqCst);
    }
    within(LONG, "a deep recursion", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(1)
            .stack_size(256 * 1024)
            .caller_runs_when_full()
            .build()
            .unwrap();
        let ended = Arc::new(AtomicUsize::new(0));
        let (submitter, count) = (pool.submitter(), ended.clone());
        pool.execute(move || {
            submitter.execute(|| ()).unwrap();
            deeper(&submitter, 10_000, &count);
        })
        .unwrap();
        pool.wait_idle();
        assert_eq!(ended.load(SeqCst), 10_001);
        assert!(pool.stats().overflow_peak() > 0);
    });
}

#[test]
fn a_task_that_feeds_itself_does_not_starve_what_its_worker_submitted_before() {
    fn feed(submitter: Submitter, left: Arc<AtomicUsize>) {
        if left.load(SeqCst) > 0 {
            let next = submitter.clone();
            submitter.execute(move || feed(next, left)).unwrap();
        }
    }
    within(LONG, "the tasks before", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(1)
            .build()
            .unwrap();
        let left = Arc::new(AtomicUsize::new(5));
        let (submitter, seen) = (pool.submitter(), left.clone());
        pool.execute(move || {
            for _ in 0..5 {
                let seen = seen.clone();
                submitter
                    .execute(move || seen.fetch_sub(1, SeqCst))
                    .unwrap();
            }
            feed(submitter, seen);
        })
        .unwrap();
        pool.wait_idle();
        assert_eq!(left.load(SeqCst), 0);
    });
}

#[test]
fn a_stream_from_outside_does_not_starve_the_list_of_a_worker_that_is_busy() {
    within(LONG, "the tasks of the busy worker", || {
        let pool = Pool::builder()
            .threads(2)
            .queue_capacity(4)
            .build()
            .unwrap();
        let (gate, submitter) = (Gate::new(), pool.submitter());
        let (entrance, left) = (gate.entrance(), Arc::new(AtomicUsize::new(50)));
        let count = left.clone();
        pool.execute(move || {
            for _ in 0..50 {
                let count = count.clone();
                submitter
                    .execute(move || count.fetch_sub(1, SeqCst))
                    .unwrap();
            }
            entrance.pass();
        })
        .unwrap();
        while left.load(SeqCst) > 0 {
            pool.execute(|| ()).unwrap();
        }
        gate.open();
    });
}

#[test]
fn every_worker_helps_to_drain_the_list_of_one_until_it_is_empty() {
    const WORKERS: usize = 8;
    const TASKS: usize = 2_000;
    within(LONG, "the drain of one list", || {
        let pool = Pool::builder()
            .threads(WORKERS)
            .queue_capacity(1)
            .build()
            .unwrap();
        let (gate, submitter) = (Gate::new(), pool.submitter());
        let entrance = gate.entrance();
        let (tell, told) = unbounded();
        let (spilled, all_spilled) = bounded(1);
        let together = Arc::new(Barrier::new(WORKERS));
        pool.execute(move || {
            for _ in 0..TASKS {
                let (tell, together) = (tell.clone(), together.clone());
                let nap = move || {
                    thread_local! {
                        static RAN: Cell<usize> = const { Cell::new(0) };
                    }
                    // None gets far ahead of one that is slow.
                    let before = RAN.replace(RAN.get() + 1);
                    if before <= 40 && before % 10 == 0 {
                        together.wait();
                    }
                    thread::sleep(Duration::from_micros(100));
                    tell.send(thread::current().id()).unwrap();
                };
                submitter.execute(nap).unwrap();
            }
            spilled.send(()).unwrap();
            entrance.pass();
        })
        .unwrap();
        all_spilled.recv().unwrap();
        gate.open();
        assert!(pool.stop(LONG).is_clean());
        let mut ran = HashMap::new();
        for worker in told {
            *ran.entry(worker).or_insert(0) += 1;
        }
        assert_eq!(ran.values().sum::<usize>(), TASKS);
        assert_eq!(ran.len(), WORKERS, "{ran:?}");
        assert!(ran.values().all(|ran| ran * 50 > TASKS), "{ran:?}");
    });
}

#[test]
fn a_full_queue_shows_as_its_peak_where_tasks_run_in_place() {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(2)
        .caller_runs_when_full()
        .build()
        .unwrap();
    let submitter = pool.submitter();
    pool.submit(move || (0..10).for_each(|_| submitter.execute(|| ()).unwrap()))
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(pool.stats().queue_peak(), 2);
}
