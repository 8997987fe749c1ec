//! A load, its contenders, and what they showed.

use crate::crews::{Crew, Raw, RustyPool, WORKERS};
use crate::harness::figure::{median, quantile};
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
/// One more or less is no difference where there are hardly any.
const WAITS: Measure = |sample| sample.usage.waits.max(1) as f64;
const SWITCHES: Measure = |sample| sample.usage.switches as f64;

/// An aim, and whether it was met.
pub(crate) struct Verdict {
    text: String,
    pub(crate) reached: bool,
}

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

/// The default capacity of a pool, at which it has to keep up with pools whose
/// queue has no bound.
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

    /// Ours divided by theirs, for every round.
    fn ratios(&self, theirs: &Contender, measure: Measure) -> Vec<f64> {
        let pairs = self.contenders[0].samples.iter().zip(&theirs.samples);
        let ratio = |(ours, theirs)| measure(ours) / measure(theirs);
        pairs.map(ratio).collect()
    }

    /// Against the raw loop; at the default capacity also against the best of the others.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let raw = &self.contenders[1];
        let speed = median(&self.ratios(raw, SPEED));
        let cpu = median(&self.ratios(raw, CPU));
        let waits = median(&self.ratios(raw, WAITS));
        let least = if self.load.capacity < DEFAULT_CAPACITY {
            1.0
        } else {
            0.98
        };
        let mut verdicts = vec![
            Verdict::at_least(least, speed, "speed-up of the raw loop"),
            Verdict::at_most(1.03, cpu, "CPU of the raw loop"),
            Verdict::at_most(1.5, waits, "waits of the raw loop"),
        ];
        let others = self.contenders[2..].iter();
        let ratios = others.map(|other| median(&self.ratios(other, SPEED)));
        if let Some(least) = ratios.min_by(f64::total_cmp) {
            verdicts.push(Verdict::at_least(1.0, least, "speed-up of the best pool"));
        }
        verdicts.into_iter()
    }
}

impl Verdict {
    fn at_least(least: f64, got: f64, what: &str) -> Verdict {
        Verdict {
            text: format!("{got:.2} x {what} (at least {least})"),
            reached: got >= least,
        }
    }

    fn at_most(most: f64, got: f64, what: &str) -> Verdict {
        Verdict {
            text: format!("{got:.2} x {what} (at most {most})"),
            reached: got <= most,
        }
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
            write!(
                f,
                "| {} | {} | {} ",
                middle(CPU),
                middle(WAITS),
                middle(SWITCHES)
            )?;
            for measure in [SPEED, CPU, WAITS] {
                let ratios = self.ratios(contender, measure);
                let [low, middle, high] = [0.05, 0.5, 0.95].map(|of| quantile(&ratios, of));
                match index {
                    0 => write!(f, "| ")?,
                    _ => write!(f, "| {middle:.2} ({low:.2} to {high:.2}) ")?,
                }
            }
            writeln!(f, "|")?;
        }
        for verdict in self.verdicts().filter(|verdict| !verdict.reached) {
            writeln!(f, "| | MISSED: {} | | | | | | | |", verdict.text)?;
        }
        Ok(())
    }
}
