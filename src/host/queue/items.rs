//! Queues and their items, without their type.

use super::stats::QueueStats;
use super::store::Store;
use crate::unwind;
use std::any::{Any, type_name};
use std::collections::VecDeque;

/// A queue, as its host knows it.
pub(crate) trait Hosted: Send + Sync {
    /// `false`: a service has it already.
    fn claim(&self) -> bool;
    fn release(&self);
    /// Closes the queue, and takes out what waits.
    fn take_out(&self) -> Taken;
    fn stats(&self) -> QueueStats;
}

pub(crate) struct Taken {
    pub(crate) items: Box<dyn Items>,
    pub(crate) stats: QueueStats,
}

/// Items that were taken out.
pub(crate) trait Items: Send {
    /// Moves them into a `Vec` of their type; `false`: it is of another one.
    fn take_into(&mut self, vec: &mut dyn Any) -> bool;
    fn type_of_items(&self) -> &'static str;
}

impl<T: Send + 'static> Hosted for Store<T> {
    fn claim(&self) -> bool {
        self.set_hosted(true)
    }

    fn release(&self) {
        self.set_hosted(false);
    }

    fn take_out(&self) -> Taken {
        let (items, stats) = self.take_out();
        Taken {
            items: Box::new(Leftover(items)),
            stats,
        }
    }

    fn stats(&self) -> QueueStats {
        self.stats()
    }
}

/// Dropped under guard: items are the program's code.
pub(crate) struct Leftover<T>(pub(crate) VecDeque<T>);

impl<T: Send + 'static> Items for Leftover<T> {
    fn take_into(&mut self, vec: &mut dyn Any) -> bool {
        match vec.downcast_mut::<Vec<T>>() {
            Some(vec) => {
                vec.extend(self.0.drain(..));
                true
            }
            None => false,
        }
    }

    fn type_of_items(&self) -> &'static str {
        type_name::<T>()
    }
}

impl<T> Drop for Leftover<T> {
    fn drop(&mut self) {
        for item in self.0.drain(..) {
            unwind::drop_guarded(item, || "an item that was not processed".to_owned());
        }
    }
}
