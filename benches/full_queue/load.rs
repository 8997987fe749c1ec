//! What is run: so many tasks, of one length, from some producers.

use crate::crews::Crew;
use crate::harness::process::Usage;
use crate::harness::work;
use crate::tally;
use std::fmt;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Of each task, in microseconds.
    pub(crate) length: u64,
    pub(crate) producers: u64,
    pub(crate) capacity: usize,
    tasks: u64,
}

/// What one contender needed for a load.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) took: Duration,
    pub(crate) usage: Usage,
}

impl Load {
    pub(crate) fn all(quick: bool) -> Vec<Load> {
        let mut all = Vec::new();
        for length in [1, 10, 100, 1000] {
            for producers in [1, 4] {
                for capacity in [1, 16, 1024] {
                    all.push(Load::new(length, producers, capacity, quick));
                }
            }
        }
        all
    }

    /// A quarter of a second of work, but enough to fill the queue twice.
    fn new(length: u64, producers: u64, capacity: usize, quick: bool) -> Load {
        let tasks = match quick {
            true => 5_000 / length + 8,
            false => (250_000 / length).max(2 * capacity as u64),
        };
        Load {
            length,
            producers,
            capacity,
            tasks,
        }
    }

    /// Runs them one after the other.
    pub(crate) fn run_in_turn(self) -> Duration {
        let tasks = self.tasks.min(250_000 / self.length);
        let start = Instant::now();
        (0..tasks).for_each(|task| work::microseconds(self.length, task));
        start.elapsed().mul_f64(self.tasks as f64 / tasks as f64)
    }

    pub(crate) fn run<C: Crew>(self, crew: &C) -> Sample {
        self.submit(crew, 0, 64 / self.length + 4);
        tally::wait_for(tally::total());
        if self.producers == 1 {
            return self.measure(|| self.submit(crew, 0, self.tasks));
        }
        // A thread that has ended shows no usage any more: the producers wait
        // until theirs is read.
        let parties = self.producers as usize + 1;
        let (begin, end) = (Barrier::new(parties), Barrier::new(parties));
        thread::scope(|scope| {
            for producer in 0..self.producers {
                let (begin, end) = (&begin, &end);
                scope.spawn(move || {
                    begin.wait();
                    self.submit(crew, producer, self.tasks);
                    end.wait();
                });
            }
            let sample = self.measure(|| {
                begin.wait();
            });
            end.wait();
            sample
        })
    }

    fn measure(self, produce: impl FnOnce()) -> Sample {
        let target = tally::total() + self.tasks;
        let (own, others) = (Usage::of_current(), Usage::of_others());
        let start = Instant::now();
        produce();
        // What this thread needs to wait for the end is no part of it.
        let own = Usage::of_current().since(own);
        tally::wait_for(target);
        Sample {
            took: start.elapsed(),
            usage: Usage::of_others().since(others).plus(own),
        }
    }

    /// The part of this producer; a few that only warm up go all to the first.
    fn submit<C: Crew>(self, crew: &C, producer: u64, tasks: u64) {
        let step = if tasks == self.tasks {
            self.producers
        } else {
            1
        };
        for task in (producer..tasks).step_by(step as usize) {
            crew.execute(move || {
                work::microseconds(self.length, task);
                tally::count();
            });
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load {
            length,
            producers,
            capacity,
            ..
        } = self;
        let plural = if *producers == 1 { "" } else { "s" };
        write!(
            f,
            "{length} us, {producers} producer{plural}, capacity {capacity}"
        )
    }
}
