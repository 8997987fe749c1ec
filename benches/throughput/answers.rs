//! Tasks with results: a thousand at a time, and one at a time.

use crate::crews::{Answers, Channel, OneShot, RustyPool};
use crate::harness::figure::{Better, Contender, Figure, median};
use crate::harness::process::CpuTimes;
use crate::scale::Scale;
use crossbeam_channel::bounded;
use rayon::ThreadPool as Rayon;
use std::cell::RefCell;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};
use threadpool::ThreadPool;

/// Millions a second: submit a thousand, join them all, again and again.
fn rate<C: Answers>(batches: u64) -> f64 {
    let crew = C::new();
    let start = Instant::now();
    for _ in 0..batches {
        let handles: Vec<_> = (0..1000_u64)
            .map(|task| crew.submit(move || black_box(task)))
            .collect();
        let sum: u64 = handles.into_iter().map(C::join).sum();
        assert_eq!(sum, 499_500);
    }
    batches as f64 * 1000.0 / start.elapsed().as_secs_f64() / 1e6
}

pub(crate) fn thousand(scale: &Scale) -> Figure {
    let batches = scale.tasks(200);
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(move || rate::<groundcrew::Pool>(batches)),
        ),
        (
            "rusty_pool evaluate",
            Box::new(move || rate::<RustyPool>(batches)),
        ),
        (
            "rayon + oneshot",
            Box::new(move || rate::<OneShot<Rayon>>(batches)),
        ),
        (
            "threadpool + channel",
            Box::new(move || rate::<Channel<ThreadPool>>(batches)),
        ),
    ];
    Figure::measure(
        "4. A thousand results at a time",
        "million/s",
        Better::Higher,
        scale.rounds,
        contenders,
    )
    .aim(
        2.0,
        &[
            "rusty_pool evaluate",
            "rayon + oneshot",
            "threadpool + channel",
        ],
    )
}

/// The median of the time from a submit to its result, in microseconds, and
/// what part of a core the whole process used meanwhile.
fn round_trip(trips: u64, mut trip: impl FnMut(u64)) -> (f64, f64) {
    let mut times = Vec::with_capacity(trips as usize);
    let (busy, start) = (CpuTimes::now(), Instant::now());
    for number in 0..trips {
        let start = Instant::now();
        trip(number);
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    let cores = CpuTimes::now().since(&busy).as_secs_f64() / start.elapsed().as_secs_f64();
    (median(&times), cores)
}

fn answer<C: Answers>(trips: u64) -> (f64, f64) {
    let crew = C::new();
    round_trip(trips, |number| {
        black_box(C::join(crew.submit(move || black_box(number))));
    })
}

pub(crate) fn one(scale: &Scale) -> Figure {
    let trips = scale.tasks(2_000);
    let install = || {
        let crew = <Rayon as crate::crews::Crew>::new();
        round_trip(trips, |number| {
            black_box(crew.install(move || black_box(number)));
        })
    };
    let cores: RefCell<Vec<(&'static str, f64)>> = RefCell::default();
    let shown = |name: &'static str, (micros, used): (f64, f64)| {
        cores.borrow_mut().push((name, used));
        micros
    };
    let contenders: Vec<Contender<'_>> = vec![
        (
            "groundcrew",
            Box::new(|| shown("groundcrew", answer::<groundcrew::Pool>(trips))),
        ),
        (
            "rusty_pool evaluate",
            Box::new(|| shown("rusty_pool", answer::<RustyPool>(trips))),
        ),
        (
            "rayon install",
            Box::new(|| shown("rayon install", install())),
        ),
        (
            "rayon + oneshot",
            Box::new(|| shown("rayon + oneshot", answer::<OneShot<Rayon>>(trips))),
        ),
        (
            "threadpool + channel",
            Box::new(|| shown("threadpool", answer::<Channel<ThreadPool>>(trips))),
        ),
    ];
    let figure = Figure::measure(
        "7. Round trip, median",
        "us",
        Better::Lower,
        scale.rounds,
        contenders,
    )
    .aim(
        1.0,
        &[
            "rusty_pool evaluate",
            "rayon install",
            "rayon + oneshot",
            "threadpool + channel",
        ],
    );
    let names = [
        "groundcrew",
        "rusty_pool",
        "rayon install",
        "rayon + oneshot",
        "threadpool",
    ];
    let used = names.map(|name| {
        let of_name = |(whose, used): &(&str, f64)| (*whose == name).then_some(*used);
        let used: Vec<f64> = cores.borrow().iter().filter_map(of_name).collect();
        format!("{name} {:.1}", median(&used))
    });
    figure
        .note(format!("Cores in use meanwhile: {}.", used.join(", ")))
        .note(waiting())
}

/// What it costs to wait for a task that takes a while, beside a thread that is
/// waited for by a channel.
fn waiting() -> String {
    let nap = || thread::sleep(Duration::from_millis(20));
    let crew = groundcrew::Pool::new(1).unwrap();
    let (ask, asked) = bounded::<()>(1);
    let (answer, answered) = bounded::<()>(1);
    let other = thread::spawn(move || {
        for () in asked {
            nap();
            answer.send(()).unwrap();
        }
    });
    let micros = |wait: &dyn Fn()| {
        let used: Vec<f64> = (0..9)
            .map(|_| {
                let before = CpuTimes::now();
                wait();
                CpuTimes::now().since(&before).as_secs_f64() * 1e6
            })
            .collect();
        median(&used)
    };
    let join = micros(&|| {
        groundcrew::Pool::submit(&crew, nap)
            .unwrap()
            .join()
            .unwrap()
    });
    let channel = micros(&|| {
        ask.send(()).unwrap();
        answered.recv().unwrap();
    });
    drop(ask);
    other.join().unwrap();
    format!(
        "CPU used while a join waits for 20 ms: {join:.0} us; by a thread and a channel: {channel:.0} us."
    )
}
