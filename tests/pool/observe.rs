//! The observer: who is told of which task, when, and with which times.

use crate::common::{Gate, LONG, expected_panic, hasty, occupy, within};
use groundcrew::channel::{Receiver, bounded, unbounded};
use groundcrew::task::TaskOutcome;
use groundcrew::{Pool, PoolBuilder, StopHandle, StopPlan, Submitter, TaskHandle};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// What an observer was told.
#[derive(Debug)]
struct Told {
    name: String,
    outcome: TaskOutcome,
    waited: Option<Duration>,
    ran: Duration,
}

fn observed(builder: PoolBuilder) -> (Pool, Receiver<Told>) {
    let (tell, told) = unbounded();
    let builder = builder.observer(move |info, outcome, waited, ran| {
        let name = info.name().to_owned();
        let news = Told {
            name,
            outcome,
            waited,
            ran,
        };
        // The test may be over.
        let _ = tell.send(news);
    });
    (builder.build().unwrap(), told)
}

/// What was told so far, by name.
fn outcomes(told: &Receiver<Told>) -> Vec<(String, TaskOutcome)> {
    let mut all: Vec<_> = told.try_iter().map(|t| (t.name, t.outcome)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Works until so much time has passed; returns how much that was.
fn spin(least: Duration) -> Duration {
    let start = Instant::now();
    while start.elapsed() < least {
        thread::yield_now();
    }
    start.elapsed()
}

const A_WHILE: Duration = Duration::from_millis(20);

#[test]
fn it_is_called_once_for_every_task_that_ran_with_its_outcome() {
    let (pool, told) = observed(Pool::builder().threads(2));
    pool.task("executed").execute(|| ()).unwrap();
    pool.task("executed, panics")
        .execute(|| expected_panic())
        .unwrap();
    drop(pool.task("submitted").submit(|| ()).unwrap());
    let panics = pool.task("submitted, panics").submit(|| expected_panic());
    assert!(panics.unwrap().join().is_err());
    let inner = pool.submitter();
    pool.task("joins")
        .execute(move || {
            let claimed = inner.task("claimed").submit(|| ()).unwrap();
            claimed.join().unwrap();
        })
        .unwrap();
    pool.wait_idle();
    let named = |name: &str, outcome| (name.to_owned(), outcome);
    assert_eq!(
        outcomes(&told),
        [
            named("claimed", TaskOutcome::Completed),
            named("executed", TaskOutcome::Completed),
            named("executed, panics", TaskOutcome::Panicked),
            named("joins", TaskOutcome::Completed),
            named("submitted", TaskOutcome::Completed),
            named("submitted, panics", TaskOutcome::Panicked),
        ]
    );
    // Nor does it matter that a task has no name.
    for _ in 0..1_000 {
        pool.execute(|| ()).unwrap();
    }
    let report = pool.stop(LONG);
    assert_eq!(outcomes(&told).len(), 1_000);
    assert_eq!((report.completed(), report.panicked()), (1_004, 2));
}

#[test]
fn it_is_not_called_for_what_no_worker_ran() {
    let (pool, told) = observed(Pool::builder().threads(1));
    let gate = Gate::new();
    drop(occupy(&pool, &gate));
    let cancelled = pool.submit(|| ()).unwrap();
    assert!(cancelled.cancel());
    let late = || pool.task("late").start_within(Duration::ZERO);
    late().execute(|| ()).unwrap();
    assert!(late().submit(|| ()).unwrap().join().is_err());
    gate.open();
    pool.wait_idle();
    assert_eq!(
        outcomes(&told),
        [("occupied".into(), TaskOutcome::Completed)]
    );

    let gate = Gate::new();
    drop(occupy(&pool, &gate));
    pool.execute(|| ()).unwrap();
    let unstarted = pool.submit(|| ()).unwrap();
    let report = pool.stop(StopPlan::cancel(Duration::ZERO));
    for task in report.take_unstarted() {
        task.run();
    }
    assert!(unstarted.join().is_ok());
    assert_eq!(outcomes(&told), [], "what is run by hand counts nowhere");
    gate.open();
}

#[test]
fn for_an_abandoned_task_it_is_called_when_that_ends_however_it_does() {
    for panics in [false, true] {
        let (pool, told) = observed(hasty());
        let (gate, (tell, started)) = (Gate::new(), bounded(1));
        let entrance = gate.entrance();
        pool.execute(move || {
            tell.send(()).unwrap();
            entrance.pass();
            if panics {
                expected_panic();
            }
        })
        .unwrap();
        started.recv().unwrap();
        let report = pool.stop(Duration::ZERO);
        assert_eq!(report.abandoned().len(), 1);
        assert!(told.is_empty(), "it still runs");
        gate.open();
        assert_eq!(told.recv().unwrap().outcome, TaskOutcome::Abandoned);
        assert_eq!(pool.stats().ended_late(), 1);
    }
}

#[test]
fn for_a_task_that_calls_stop_it_is_given_the_outcome() {
    within(LONG, "a stop from a task", || {
        for panics in [false, true] {
            let (pool, told) = observed(Pool::builder().threads(1));
            let stop = pool.stop_handle();
            pool.execute(move || {
                drop(stop.stop(LONG));
                if panics {
                    expected_panic();
                }
            })
            .unwrap();
            let expected = match panics {
                true => TaskOutcome::Panicked,
                false => TaskOutcome::Completed,
            };
            assert_eq!(told.recv().unwrap().outcome, expected);
            assert_eq!(
                (pool.stats().stopping_tasks(), pool.stats().ended_late()),
                (1, 1)
            );
        }
    });
}

#[test]
fn it_is_called_by_the_worker_after_the_task_was_counted_and_its_handle_resolved() {
    within(LONG, "an observer", || {
        let (pass, handles) = unbounded::<TaskHandle<thread::ThreadId>>();
        let (tell, told) = unbounded();
        let pool = Pool::builder()
            .threads(2)
            .observer(move |info, _, _, _| {
                let handle = handles.recv().unwrap();
                let own = handle.info() == *info;
                let finished = handle.is_finished();
                let here = handle.join().unwrap() == thread::current().id();
                tell.send((own, finished, here)).unwrap();
            })
            .build()
            .unwrap();
        for _ in 0..100 {
            pass.send(pool.submit(|| thread::current().id()).unwrap())
                .unwrap();
            assert_eq!(told.recv().unwrap(), (true, true, true));
            assert_eq!(pool.stats().running(), 0);
        }
    });
}

#[test]
fn a_wait_until_idle_and_a_clean_stop_wait_for_it_and_a_join_does_not() {
    within(LONG, "a wait", || {
        let told = Arc::new(AtomicUsize::new(0));
        let (count, gate) = (told.clone(), Gate::new());
        let entrance = gate.entrance();
        let pool = Pool::builder()
            .threads(2)
            .observer(move |_, _, _, _| {
                entrance.pass();
                thread::yield_now();
                count.fetch_add(1, SeqCst);
            })
            .build()
            .unwrap();
        pool.submit(|| ()).unwrap().join().unwrap();
        assert_eq!(told.load(SeqCst), 0);
        assert!(!pool.wait_idle_timeout(Duration::ZERO));
        gate.open();
        let mut tasks = 1;
        for _ in 0..200 {
            pool.execute(|| ()).unwrap();
            drop(pool.submit(|| ()).unwrap());
            pool.wait_idle();
            pool.scope(|s| s.execute(|| ()));
            tasks += 3;
            assert_eq!(told.load(SeqCst), tasks);
        }
        (0..100).for_each(|_| pool.execute(|| ()).unwrap());
        assert!(pool.stop(LONG).is_clean());
        assert_eq!(told.load(SeqCst), tasks + 100);
    });
}

#[test]
fn a_stop_does_not_wait_for_it_beyond_its_deadline() {
    within(LONG, "a stop", || {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let pool = Pool::builder()
            .threads(1)
            .observer(move |_, _, _, _| entrance.pass())
            .build()
            .unwrap();
        pool.submit(|| ()).unwrap().join().unwrap();
        let report = pool.stop(Duration::ZERO);
        assert_eq!((report.completed(), report.abandoned().len()), (1, 0));
        assert_eq!(report.lingering().len(), 1);
        gate.open();
    });
}

#[test]
fn it_may_submit_join_and_stop() {
    within(LONG, "an observer", || {
        let own: Arc<OnceLock<(Submitter, StopHandle)>> = Arc::default();
        let (of_observer, (tell, told)) = (own.clone(), unbounded());
        let pool = Pool::builder()
            .threads(1)
            .observer(move |info, _, _, _| {
                let (submitter, stop) = of_observer.get().unwrap();
                match info.name() {
                    "first" => {
                        let second = submitter.task("second").submit(|| 7).unwrap();
                        assert_eq!(second.join().unwrap(), 7);
                        tell.send(0).unwrap();
                        tell.send(stop.stop(LONG).completed()).unwrap();
                    }
                    _ => tell.send(1).unwrap(),
                }
            })
            .build()
            .unwrap();
        let ways = (pool.submitter(), pool.stop_handle());
        assert!(own.set(ways).is_ok());
        pool.task("first").execute(|| ()).unwrap();
        assert_eq!(told.iter().take(3).collect::<Vec<_>>(), [1, 0, 2]);
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn one_that_panics_costs_nothing() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let pool = Pool::builder()
        .threads(1)
        .observer(move |_, _, _, _| {
            count.fetch_add(1, SeqCst);
            expected_panic()
        })
        .build()
        .unwrap();
    for _ in 0..50 {
        pool.execute(|| ()).unwrap();
        assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
    }
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.completed(), report.panicked()), (100, 0));
    assert_eq!(told.load(SeqCst), 100);
}

#[test]
fn how_long_a_task_waited_is_the_time_from_the_verb_to_its_start() {
    let (pool, told) = observed(Pool::builder().threads(1));
    let gate = Gate::new();
    let occupied = Instant::now();
    drop(occupy(&pool, &gate));
    drop(pool.task("submitted").submit(|| ()).unwrap());
    pool.task("executed").execute(|| ()).unwrap();
    pool.execute(|| ()).unwrap();
    let lay = spin(A_WHILE);
    gate.open();
    pool.wait_idle();
    let most = occupied.elapsed();
    assert!(told.recv().unwrap().waited.unwrap() <= most - lay);
    for task in told.try_iter() {
        let waited = task.waited.unwrap();
        assert!(lay <= waited && waited <= most, "{task:?}, {lay:?}");
    }
}

#[test]
fn how_long_a_resubmitted_task_waited_is_not_known() {
    let (old, _told) = observed(hasty());
    let gate = Gate::new();
    drop(occupy(&old, &gate));
    old.execute(|| ()).unwrap();
    drop(old.submit(|| ()).unwrap());
    let report = old.stop(Duration::ZERO);
    let (new, told) = observed(Pool::builder().threads(1));
    for task in report.take_unstarted() {
        new.resubmit(task).unwrap();
    }
    new.wait_idle();
    let waited: Vec<_> = told.try_iter().map(|task| task.waited).collect();
    assert_eq!(waited, [None, None]);
    // The place on the stack is used again.
    new.execute(|| ()).unwrap();
    new.wait_idle();
    assert!(told.recv().unwrap().waited.is_some());
    gate.open();
}

#[test]
fn how_long_a_task_ran_leaves_out_what_its_joins_ran_on_top() {
    let (pool, told) = observed(Pool::builder().threads(1));
    let start = Instant::now();
    let submitter = pool.submitter();
    pool.task("outer")
        .execute(move || {
            let inner = submitter.clone();
            let middle = submitter.submit(move || {
                spin(A_WHILE);
                inner.submit(|| spin(A_WHILE)).unwrap().join().unwrap();
            });
            middle.unwrap().join().unwrap();
            spin(A_WHILE);
        })
        .unwrap();
    pool.wait_idle();
    let whole = start.elapsed();
    let ran: Vec<_> = told.try_iter().map(|task| task.ran).collect();
    assert!(ran.iter().all(|ran| *ran >= A_WHILE), "{ran:?}");
    assert!(
        ran.iter().sum::<Duration>() <= whole,
        "{ran:?} in {whole:?}"
    );
}

#[test]
fn how_long_a_task_ran_leaves_out_what_ran_in_place() {
    let builder = Pool::builder().threads(1).queue_capacity(1);
    let (pool, told) = observed(builder.caller_runs_when_full());
    let start = Instant::now();
    let submitter = pool.submitter();
    pool.task("outer")
        .execute(move || {
            // The first of each lies in the queue, or both do.
            for _ in 0..3 {
                submitter.execute(|| spin(A_WHILE)).unwrap();
                drop(submitter.submit(|| spin(A_WHILE)).unwrap());
            }
            spin(A_WHILE);
        })
        .unwrap();
    pool.wait_idle();
    let whole = start.elapsed();
    let tasks: Vec<_> = told.try_iter().collect();
    assert_eq!(tasks.len(), 7);
    assert!(tasks.iter().all(|task| task.ran >= A_WHILE), "{tasks:?}");
    assert!(tasks.iter().all(|task| task.waited.is_some()), "{tasks:?}");
    let sum: Duration = tasks.iter().map(|task| task.ran).sum();
    assert!(sum <= whole, "{tasks:?} in {whole:?}");
}

#[test]
fn how_long_a_task_ran_leaves_out_observers_and_what_they_run_and_nothing_else() {
    within(LONG, "an observer", || {
        let own: Arc<OnceLock<Submitter>> = Arc::default();
        let (of_observer, (tell, told)) = (own.clone(), unbounded());
        let pool = Pool::builder()
            .threads(1)
            .observer(move |info, _, _, ran| {
                let mut observed_for = Duration::ZERO;
                if info.name() == "inner" {
                    let submitter = of_observer.get().unwrap();
                    let by_observer = submitter.task("by the observer");
                    let handle = by_observer.submit(|| spin(3 * A_WHILE)).unwrap();
                    handle.join().unwrap();
                    observed_for = spin(A_WHILE);
                }
                tell.send((info.name().to_owned(), ran, observed_for))
                    .unwrap();
            })
            .build()
            .unwrap();
        let submitter = pool.submitter();
        assert!(own.set(pool.submitter()).is_ok());
        let start = Instant::now();
        pool.task("outer")
            .execute(move || {
                let inner = submitter.task("inner").submit(|| ()).unwrap();
                inner.join().unwrap();
                spin(A_WHILE);
            })
            .unwrap();
        pool.wait_idle();
        let whole = start.elapsed();
        let all: Vec<_> = told.try_iter().collect();
        let names: Vec<_> = all.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["by the observer", "inner", "outer"]);
        assert!(all[2].1 >= A_WHILE, "nothing is taken off twice: {all:?}");
        let sum: Duration = all.iter().map(|(_, ran, more)| *ran + *more).sum();
        assert!(sum <= whole, "{all:?} in {whole:?}");
    });
}

#[cfg(feature = "histogram")]
mod histogram {
    use super::*;

    #[test]
    fn it_counts_what_the_observer_is_called_for() {
        let (pool, told) = observed(Pool::builder().threads(2).latency_histogram());
        for number in 0..1_000 {
            match number % 3 {
                0 => pool.execute(|| ()).unwrap(),
                1 => pool.task("named").execute(|| expected_panic()).unwrap(),
                _ => drop(pool.submit(|| ()).unwrap()),
            }
        }
        pool.execute(|| spin(A_WHILE)).unwrap();
        pool.wait_idle();
        let stats = pool.stats();
        let latency = stats.latency().unwrap();
        let told: Vec<_> = told.try_iter().collect();
        assert_eq!(told.len(), 1_001);
        assert_eq!(latency.ran().count(), 1_001);
        assert_eq!(latency.waited().count(), 1_001);
        // To within 1 percent.
        let about = |duration: Duration, other: Duration| {
            duration <= other.mul_f64(1.01) && other <= duration.mul_f64(1.01)
        };
        let longest = told.iter().map(|task| task.ran).max().unwrap();
        assert!(
            about(latency.ran().max(), longest),
            "{latency}, {longest:?}"
        );
        let mut waited: Vec<_> = told.iter().map(|task| task.waited.unwrap()).collect();
        waited.sort();
        let median = latency.waited().quantile(0.5);
        assert!(about(median, waited[500]), "{latency}, {:?}", waited[500]);
        let sum: Duration = waited.iter().sum();
        let mean = latency.waited().mean();
        assert!(about(mean, sum / 1_001), "{latency}, {:?}", sum / 1_001);
    }

    #[test]
    fn what_is_no_part_of_them_is_taken_for_the_nearest() {
        let pool = Pool::builder().threads(1).latency_histogram();
        let pool = pool.build().unwrap();
        let stats = pool.stats();
        let none = stats.latency().unwrap().ran();
        assert_eq!(none.quantile(0.5), Duration::ZERO);
        assert_eq!((none.mean(), none.max()), (Duration::ZERO, Duration::ZERO));
        pool.execute(|| ()).unwrap();
        pool.execute(|| spin(A_WHILE)).unwrap();
        pool.wait_idle();
        let stats = pool.stats();
        let ran = stats.latency().unwrap().ran();
        let (shortest, longest) = (ran.quantile(0.0), ran.quantile(1.0));
        assert!(shortest < longest, "{ran}");
        for below in [-1.0, -0.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(ran.quantile(below), shortest);
        }
        for above in [1.5, f64::MAX, f64::INFINITY] {
            assert_eq!(ran.quantile(above), longest);
        }
    }

    #[test]
    fn it_shows_in_the_statistics_where_it_is_on() {
        let pool = Pool::builder().threads(1).latency_histogram();
        let pool = pool.build().unwrap();
        pool.execute(|| ()).unwrap();
        pool.wait_idle();
        let line = pool.stats().to_string();
        assert!(line.contains("workers alive 1, waited p50 "), "{line}");
        assert!(line.contains("; ran p50 "), "{line}");
        assert!(!Pool::new(1).unwrap().stats().to_string().contains("p50"));
    }
}
