//! Spare places, for workers that take the places of others.
//!
//! A worker that is stuck is marked, so that it takes nothing more, and one in a spare
//! place works instead. When its task ends after all the stuck one leaves; its thread is
//! joined, and its place is a spare one.

use super::state::WorkerStatus;
use super::stopper::Stopper;
use crate::clock::Deadline;
use crate::sync::Arc;
use crate::threads::{self, Thread};
use std::io;

/// The outcome of a request for a new worker.
pub(crate) enum Replaced {
    /// By the worker of this name.
    By(Arc<str>),
    /// All spare places are taken.
    NoneSpare,
    /// The pool is closed, or this worker's place was taken before: there is no need.
    NotNeeded,
    Failed(io::Error),
}

impl Stopper {
    /// Lets a new worker, started by `start`, take the place of a stuck one.
    pub(crate) fn replace(
        self: &Arc<Self>,
        stuck: usize,
        start: impl FnOnce(usize, &Arc<str>) -> io::Result<Thread>,
    ) -> Replaced {
        let queue = &self.queue;
        let mut state = self.state.lock();
        if state.began.is_some() || queue.is_closed() || state.members[stuck].replaced {
            return Replaced::NotNeeded;
        }
        let mut members = state.members.iter_mut().enumerate();
        let spare = members.find(|(_, member)| member.standing == WorkerStatus::Spare);
        let Some((index, member)) = spare else {
            return Replaced::NoneSpare;
        };
        member.standing = WorkerStatus::Working;
        let name = member.name.clone();
        queue.slots[index].revive();
        queue.one_more_present();
        drop(state);
        let started = start(index, &name);
        let mut state = self.state.lock();
        match started {
            Ok(thread) => {
                state.members[index].thread = Some(thread);
                state.members[stuck].replaced = true;
                drop(state);
                self.changed.notify_all();
                queue.dismiss(stuck);
                Replaced::By(name)
            }
            Err(error) => {
                state.members[index].standing = WorkerStatus::Spare;
                drop(state);
                queue.leave(true);
                self.changed.notify_all();
                Replaced::Failed(error)
            }
        }
    }

    /// A worker whose place was taken has left: its own is a spare one, once its thread is
    /// joined, which a helper does. Where there is none, the stop joins it.
    pub(super) fn recycle(self: &Arc<Self>, index: usize) {
        let stopper = self.clone();
        let name = format!("{}-join", self.queue.name);
        // By a worker that leaves, and so has time.
        let patience = Deadline::after(threads::PATIENCE);
        let helper = threads::spawn_helper_until(&name, patience, move || {
            let thread = stopper.state.lock().members[index].thread.take();
            // None: a stop has begun, and joins it.
            let Some(thread) = thread else { return };
            thread.join();
            let mut state = stopper.state.lock();
            state.members[index].standing = WorkerStatus::Spare;
            state.members[index].replaced = false;
            stopper.changed.notify_all();
        });
        drop(helper.map_err(|(error, _)| error));
    }
}
