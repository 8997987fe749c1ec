//! A load, its contenders, and what they showed.

use crate::crews::{Crew, Raw, RustyPool, WORKERS};
use crate::harness::figure::{Ratio, median};
use crate::harness::process;
use crate::harness::report::number;
use crate::load::{Load, Sample};
use groundcrew::Pool;
use std::fmt;
use std::time::Duration;

pub(crate) struct Row {
    load: Load,
    /// Ours first, the raw loop second.
    contenders: Vec<Contender>,
    /// One for each round: how long one thread takes.
    in_turn: Vec<Duration>,
}

/// Runs a load on a pool made for it.
type Run = fn(Load) -> Sample;

struct Contender {
    name: &'static str,
    run: Run,
    samples: Vec<Sample>,
}

/// What is compared, and how it is read off a sample; more is better for the
/// first, less for the others.
type Measure = fn(&Sample) -> f64;
const SPEED: Measure = |sample| 1.0 / sample.took.as_secs_f64();
const CPU: Measure = |sample| sample.usage.cpu.as_secs_f64() * 1e3;
/// None counts as one, so that a ratio is a number.
const SWITCHES: Measure = |sample| sample.usage.switches.max(1) as f64;

fn ours(load: Load) -> Sample {
    let builder = Pool::builder().threads(WORKERS);
    let pool = builder.queue_capacity(load.capacity).build().unwrap();
    load.run(&pool)
}

fn raw(load: Load) -> Sample {
    load.run(&Raw::with_capacity(load.capacity))
}

fn unbounded<C: Crew>(load: Load) -> Sample {
    load.run(&C::new())
}

/// The default capacity of a pool, at which it is compared with pools whose queue
/// has no bound.
const DEFAULT_CAPACITY: usize = 1024;

fn contenders(load: Load) -> Vec<Contender> {
    let mut all: Vec<(&'static str, Run)> = vec![("groundcrew", ours), ("raw channel loop", raw)];
    if load.capacity == DEFAULT_CAPACITY {
        all.push(("rayon spawn", unbounded::<rayon::ThreadPool>));
        all.push(("threadpool", unbounded::<threadpool::ThreadPool>));
        all.push(("rusty_pool", unbounded::<RustyPool>));
    }
    let contender = |(name, run)| Contender {
        name,
        run,
        samples: Vec::new(),
    };
    all.into_iter().map(contender).collect()
}

impl Row {
    pub(crate) fn measure(load: Load, rounds: usize) -> Row {
        let mut contenders = contenders(load);
        let mut in_turn = Vec::new();
        let threads = process::threads();
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..=contenders.len()).collect();
            fastrand::Rng::with_seed(round as u64).shuffle(&mut order);
            for index in order {
                process::wait_for_threads(threads);
                match contenders.get_mut(index) {
                    Some(contender) => contender.samples.push((contender.run)(load)),
                    None => in_turn.push(load.run_in_turn()),
                }
            }
        }
        Row {
            load,
            contenders,
            in_turn,
        }
    }

    fn speed_up(&self, contender: &Contender) -> f64 {
        let pairs = contender.samples.iter().zip(&self.in_turn);
        let ratios = pairs.map(|(sample, alone)| alone.as_secs_f64() * SPEED(sample));
        median(&ratios.collect::<Vec<f64>>())
    }

    /// Ours divided by theirs, within each round.
    fn ratio(&self, theirs: &Contender, measure: Measure) -> Ratio {
        let pairs = self.contenders[0].samples.iter().zip(&theirs.samples);
        let ratio = |(ours, theirs)| measure(ours) / measure(theirs);
        Ratio::new(pairs.map(ratio).collect())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, contender) in self.contenders.iter().enumerate() {
            let middle = |measure: Measure| {
                let values: Vec<f64> = contender.samples.iter().map(measure).collect();
                number(median(&values))
            };
            let row = if index == 0 {
                self.load.to_string()
            } else {
                String::new()
            };
            write!(
                f,
                "| {row} | {} | {:.2} ",
                contender.name,
                self.speed_up(contender)
            )?;
            write!(f, "| {} | {} ", middle(CPU), middle(SWITCHES))?;
            for measure in [SPEED, CPU, SWITCHES] {
                match index {
                    0 => write!(f, "| ")?,
                    _ => write!(f, "| {} ", self.ratio(contender, measure))?,
                }
            }
            writeln!(f, "|")?;
        }
        Ok(())
    }
}
