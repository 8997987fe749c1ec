//! How late the runs of a thousand entries are, with periods from 10 ms to 1 s.

use crate::harness::figure::{Better, Contender, Figure, quantile};
use groundcrew::schedule::OverlapPolicy;
use groundcrew::{Pool, Schedule, Scheduler};
use scheduled_thread_pool::ScheduledThreadPool;
use std::cell::RefCell;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const ENTRIES: u32 = 1000;
const WORKERS: usize = 2;

/// In milliseconds, of all runs.
type Latenesses = Arc<Mutex<Vec<f64>>>;

fn period(nth: u32) -> Duration {
    Duration::from_millis(10) + Duration::from_millis(990) * nth / (ENTRIES - 1)
}

fn note(latenesses: &Latenesses, lateness: Duration) {
    latenesses
        .lock()
        .unwrap()
        .push(lateness.as_secs_f64() * 1e3);
}

fn ours(time: Duration) -> Vec<f64> {
    let pool = Pool::new(WORKERS).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let latenesses = Latenesses::default();
    for nth in 0..ENTRIES {
        let latenesses = latenesses.clone();
        scheduler
            .entry(nth.to_string(), Schedule::every(period(nth)))
            .overlap(OverlapPolicy::Queue)
            .run(move |ctx| {
                note(&latenesses, ctx.lateness());
                Ok(())
            })
            .unwrap();
    }
    scheduler.start().unwrap();
    thread::sleep(time);
    drop((scheduler, pool));
    std::mem::take(&mut *latenesses.lock().unwrap())
}

fn theirs(time: Duration) -> Vec<f64> {
    let pool = ScheduledThreadPool::new(WORKERS);
    let latenesses = Latenesses::default();
    for nth in 0..ENTRIES {
        let (latenesses, period) = (latenesses.clone(), period(nth));
        let (start, runs) = (Instant::now(), AtomicU32::new(0));
        pool.execute_at_fixed_rate(period, period, move || {
            let due = start + period * (runs.fetch_add(1, Relaxed) + 1);
            note(&latenesses, due.elapsed());
        });
    }
    thread::sleep(time);
    drop(pool);
    std::mem::take(&mut *latenesses.lock().unwrap())
}

/// While so many threads keep a core busy each.
fn beside<T>(busy: usize, measure: impl FnOnce() -> T) -> T {
    let go_on = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..busy {
            scope.spawn(|| {
                while go_on.load(Relaxed) {
                    spin_loop();
                }
            });
        }
        let measured = measure();
        go_on.store(false, Relaxed);
        measured
    })
}

pub(crate) fn idle(title: &'static str, quick: bool) -> Figure {
    measure(title, quick, 0)
}

pub(crate) fn half_busy(title: &'static str, quick: bool) -> Figure {
    measure(title, quick, cores() / 2)
}

pub(crate) fn busy(title: &'static str, quick: bool) -> Figure {
    measure(title, quick, cores())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}

/// While `busy` other threads keep a core busy each.
fn measure(title: &'static str, quick: bool, busy: usize) -> Figure {
    let (rounds, millis) = if quick { (1, 300) } else { (5, 3000) };
    let time = Duration::from_millis(millis);
    let all: RefCell<Vec<(&str, Vec<f64>)>> = RefCell::default();
    let measure = |name: &'static str, of: fn(Duration) -> Vec<f64>| {
        let all = &all;
        let measure = move || {
            let latenesses = beside(busy, || of(time));
            let most = quantile(&latenesses, 0.99);
            all.borrow_mut().push((name, latenesses));
            most
        };
        (name, Box::new(measure) as Box<dyn FnMut() -> f64>)
    };
    let contenders: Vec<Contender<'_>> = vec![
        measure("groundcrew", ours),
        measure("scheduled-thread-pool", theirs),
    ];
    let names: Vec<_> = contenders.iter().map(|(name, _)| *name).collect();
    let figure = Figure::measure(title, "ms", Better::Lower, rounds, contenders);
    let all = all.into_inner();
    names.into_iter().fold(figure, |figure, name| {
        let of_name = all.iter().filter(|(of, _)| *of == name);
        let values: Vec<f64> = of_name.flat_map(|(_, values)| values).copied().collect();
        let of = |part| quantile(&values, part);
        figure.note(format!(
            "{name}: 50 % within {:.2} ms, 99 % within {:.2}, all within {:.2}; {} runs.",
            of(0.5),
            of(0.99),
            of(1.0),
            values.len()
        ))
    })
}
