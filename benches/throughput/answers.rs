//! Tasks with results: a thousand at a time, and one at a time.

use crate::crews::{Answers, Crew, OneShot, RustyPool};
use crate::harness::figure::{Better, Contender, Figure, median};
use crate::harness::process::CpuTimes;
use crate::harness::scale::Scale;
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

const EVALUATE: &str = "rusty_pool evaluate";
const RAYON: &str = "rayon + oneshot";
const THREADPOOL: &str = "threadpool + oneshot";
const INSTALL: &str = "rayon install";

pub(crate) fn thousand(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let batches = scale.tasks(200);
    let contenders: Vec<Contender<'_>> = vec![
        ("groundcrew", Box::new(|| rate::<groundcrew::Pool>(batches))),
        (EVALUATE, Box::new(|| rate::<RustyPool>(batches))),
        (RAYON, Box::new(|| rate::<OneShot<Rayon>>(batches))),
        (
            THREADPOOL,
            Box::new(|| rate::<OneShot<ThreadPool>>(batches)),
        ),
    ];
    Figure::measure(title, "million/s", Better::Higher, scale.rounds, contenders)
        .note("A thousand fit into the default queue of 1,024 places.".to_owned())
}

/// The median of the time from a submit to its result, in microseconds, and
/// how many cores the whole process kept busy meanwhile.
fn round_trip(trips: u64, mut trip: impl FnMut(u64)) -> (f64, f64) {
    let mut times = Vec::with_capacity(trips as usize);
    let (before, start) = (CpuTimes::now(), Instant::now());
    for number in 0..trips {
        let start = Instant::now();
        trip(number);
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    let busy = CpuTimes::now().since(&before).as_secs_f64();
    (median(&times), busy / start.elapsed().as_secs_f64())
}

type RoundTrip = fn(u64) -> (f64, f64);

fn answer<C: Answers>(trips: u64) -> (f64, f64) {
    let crew = C::new();
    round_trip(trips, |number| {
        black_box(C::join(crew.submit(move || black_box(number))));
    })
}

fn install(trips: u64) -> (f64, f64) {
    let crew = <Rayon as Crew>::new();
    round_trip(trips, |number| {
        black_box(crew.install(move || black_box(number)));
    })
}

pub(crate) fn one(title: &'static str, quick: bool) -> Figure {
    let scale = Scale::new(quick);
    let trips = scale.tasks(2_000);
    let measures: [(&str, RoundTrip); 5] = [
        ("groundcrew", answer::<groundcrew::Pool>),
        (EVALUATE, answer::<RustyPool>),
        (INSTALL, install),
        (RAYON, answer::<OneShot<Rayon>>),
        (THREADPOOL, answer::<OneShot<ThreadPool>>),
    ];
    let cores: [RefCell<Vec<f64>>; 5] = Default::default();
    let contenders: Vec<Contender<'_>> = measures
        .iter()
        .zip(&cores)
        .map(|((name, measure), cores)| {
            let once = || {
                let (micros, busy) = measure(trips);
                cores.borrow_mut().push(busy);
                micros
            };
            (*name, Box::new(once) as Box<dyn FnMut() -> f64>)
        })
        .collect();
    let figure = Figure::measure(title, "us", Better::Lower, scale.rounds, contenders);
    let busy = measures.iter().zip(&cores);
    let busy = busy.map(|((name, _), cores)| format!("{name} {:.1}", median(&cores.borrow())));
    let busy = busy.collect::<Vec<_>>().join(", ");
    figure
        .note(format!("Cores busy meanwhile: {busy}."))
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
