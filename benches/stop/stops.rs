//! The stop itself: of an idle pool, and past tasks that do not heed it.

use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::{millis, process};
use groundcrew::{Pool, StopPlan};
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WORKERS: usize = 64;

/// Time enough for all workers to go to sleep.
fn settle() {
    thread::sleep(Duration::from_millis(5));
}

/// Until all of its threads have ended, which not every pool waits for itself.
pub(crate) fn idle(title: &'static str, quick: bool) -> Figure {
    let rounds = if quick { 3 } else { 100 };
    let threads = process::threads();
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(|| {
                let pool = Pool::new(WORKERS).unwrap();
                settle();
                let start = Instant::now();
                let report = pool.stop(Duration::from_secs(5));
                process::wait_for_threads(threads);
                let millis = millis(start);
                assert!(report.is_clean(), "{report}");
                millis
            }),
        ),
        (
            "rusty_pool shutdown_join",
            Box::new(|| {
                let pool = rusty_pool::ThreadPool::new(WORKERS, WORKERS, Duration::from_secs(60));
                pool.start_core_threads();
                settle();
                let start = Instant::now();
                pool.shutdown_join();
                process::wait_for_threads(threads);
                millis(start)
            }),
        ),
    ];
    Figure::measure(title, "ms", Better::Lower, rounds, contenders)
}

/// How much later than its deadline a stop returns that leaves tasks behind
/// which keep every core busy.
pub(crate) fn overshoot(title: &'static str, quick: bool) -> Figure {
    const DEADLINE: Duration = Duration::from_millis(20);
    let rounds = if quick { 5 } else { 300 };
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let late = || {
        let pool = Pool::new(cores).unwrap();
        let go_on = Arc::new(AtomicBool::new(true));
        let running = Arc::new(AtomicUsize::new(0));
        for _ in 0..cores {
            let (go_on, running) = (go_on.clone(), running.clone());
            let deaf = move || {
                running.fetch_add(1, Ordering::SeqCst);
                while go_on.load(Ordering::Relaxed) {
                    spin_loop();
                }
            };
            pool.execute(deaf).unwrap();
        }
        while running.load(Ordering::SeqCst) < cores {
            thread::yield_now();
        }
        let start = Instant::now();
        let report = pool.stop(StopPlan::cancel(DEADLINE));
        let late = millis(start) - DEADLINE.as_secs_f64() * 1e3;
        assert_eq!(report.abandoned().len(), cores);
        go_on.store(false, Ordering::Relaxed);
        assert_eq!(report.wait_for_abandoned(Duration::from_secs(5)), 0);
        late
    };
    let contenders: Vec<Contender<'_>> = vec![("groundcrew", Box::new(late))];
    Figure::measure(title, "ms", Better::Lower, rounds, contenders).note_quantiles(&[0.5, 0.99])
}
