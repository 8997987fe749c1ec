//! What each worker of a pool keeps for its tasks: a value of each type that the program has
//! declared, made when a task first asks for it. It never leaves its worker's thread.

use crate::sync::Arc;
use crate::unwind::{self, Guarded};
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::mem;
use std::rc::Rc;

type Make = dyn Fn(usize) -> Rc<dyn Any> + Send + Sync;

/// How the values are made: `PoolBuilder::worker_state`.
#[derive(Clone, Default)]
pub(crate) struct StateMakers {
    by_type: Vec<(TypeId, Arc<Make>)>,
}

impl StateMakers {
    /// Replaces the one for this type, if there is one.
    pub(crate) fn add<T: 'static>(&mut self, make: impl Fn(usize) -> T + Send + Sync + 'static) {
        let make = Guarded::new(make, "the closure that makes a worker's state");
        let own = TypeId::of::<T>();
        self.by_type.retain(|(other, _)| *other != own);
        self.by_type
            .push((own, Arc::new(move |worker| Rc::new(make(worker)))));
    }

    fn get(&self, wanted: TypeId) -> Option<&Make> {
        let found = self.by_type.iter().find(|(own, _)| *own == wanted);
        found.map(|(_, make)| &**make)
    }
}

/// The values of one worker.
#[derive(Default)]
pub(super) struct WorkerStates {
    made: RefCell<Vec<Rc<dyn Any>>>,
}

impl WorkerStates {
    /// The value of this type, which `makers` make if there is none yet.
    pub(super) fn get<T: 'static>(&self, makers: &StateMakers, worker: usize) -> Option<Rc<T>> {
        let make = makers.get(TypeId::of::<T>())?;
        if let Some(made) = self.find() {
            return Some(made);
        }
        // Not borrowed meanwhile: this is code of the program, and may run tasks that ask, too.
        let new = make(worker);
        self.made.borrow_mut().push(new);
        self.find()
    }

    fn find<T: 'static>(&self) -> Option<Rc<T>> {
        let made = self.made.borrow();
        made.iter().find_map(|state| state.clone().downcast().ok())
    }

    /// Drops what no task holds any more, the newest first.
    pub(super) fn clear(&self) {
        let mut made = mem::take(&mut *self.made.borrow_mut());
        while let Some(state) = made.pop() {
            unwind::drop_guarded(state, || "the state of a worker".to_owned());
        }
    }
}
