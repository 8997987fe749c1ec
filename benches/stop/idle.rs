//! What a pool costs that has nothing to do.

use crate::harness::figure::{Better, Contender, Figure};
use crate::harness::process::{self, CpuTimes};
use groundcrew::Pool;
use std::thread;
use std::time::Duration;

pub(crate) fn left_alone(title: &'static str, quick: bool) -> Figure {
    let alone = Duration::from_secs(if quick { 1 } else { 5 });
    let pool = Pool::new(4).unwrap();
    for number in 0..1000 {
        pool.execute(move || number).unwrap();
    }
    pool.wait_idle();
    // Until the last of them is in bed.
    thread::sleep(Duration::from_millis(50));
    let mut used = Duration::ZERO;
    let wakes = || {
        let (wakes, busy) = (process::wakes_of_others(), CpuTimes::of_others());
        thread::sleep(alone);
        used = CpuTimes::of_others().since(&busy);
        (process::wakes_of_others() - wakes) as f64
    };
    let contenders: Vec<Contender<'_>> = vec![("groundcrew", Box::new(wakes))];
    let figure = Figure::measure(title, "wake-ups", Better::Lower, 1, contenders);
    let (seconds, micros) = (alone.as_secs(), used.as_micros());
    figure.note(format!("CPU used in {seconds} s: {micros} us."))
}
