//! New workers for places that were lost to stuck tasks.

use super::worker::{Hooks, Worker};
use crate::stop::{Replaced, Stopper};
use crate::sync::Weak;
use crate::threads;

pub(super) struct Replacements {
    pub(super) stopper: Weak<Stopper>,
    pub(super) hooks: Hooks,
    pub(super) stack_size: usize,
    pub(super) most: usize,
}

impl Replacements {
    /// This worker is stuck: another one takes its place, if there is one. Returns what to say
    /// of that, to be added to a sentence.
    pub(super) fn replace(&self, stuck: usize) -> String {
        let Some(stopper) = self.stopper.upgrade().filter(|_| self.most > 0) else {
            return String::new();
        };
        let replaced = stopper.replace(stuck, |index, name| {
            let worker = Worker {
                index,
                stack_size: self.stack_size,
                stopper: stopper.clone(),
                hooks: self.hooks.clone(),
            };
            threads::spawn_one("worker", name, self.stack_size, || worker.run())
        });
        match replaced {
            Replaced::By(name) => format!("; worker {name} takes the lost place"),
            Replaced::NoneSpare => {
                format!("; all {} places for new workers are taken", self.most)
            }
            Replaced::Failed(error) => format!("; a worker in its place: {error}"),
            Replaced::NotNeeded => String::new(),
        }
    }
}
