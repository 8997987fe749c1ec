//! What a service consists of, before it has a name and a host.

use super::factory::{FromFactory, MakeService};
use crate::host::core::PoolSlot;
use crate::host::items::ItemStore;
use crate::host::machine::Options;
use crate::host::service::Service;
use crate::pool::Pool;
use crate::sync::Arc;

/// What every kind of service is made into by [`IntoService`](crate::host::IntoService).
#[expect(missing_debug_implementations, reason = "cannot be named outside")]
pub struct Parts {
    pub(super) make: Box<dyn MakeService>,
    pub(super) options: Options,
    /// The pool that it runs on, if that is known.
    pub(super) runs_on: Option<u64>,
    pub(super) kind: Kind,
}

pub(in crate::host) enum Kind {
    Plain,
    Pool(Pool, PoolSlot),
    /// Its items are counted in the report.
    Items(Arc<dyn ItemStore>),
    /// As `Items`, with threads of its own.
    Queue(Arc<dyn ItemStore>, Workers),
}

/// What a queue's service works with, to be checked at the build.
#[derive(Clone, Copy)]
pub(in crate::host) struct Workers {
    pub(in crate::host) count: usize,
    pub(in crate::host) capacity: usize,
    pub(in crate::host) stack_size: usize,
}

impl Parts {
    pub(crate) fn new(make: impl MakeService + 'static) -> Parts {
        Parts {
            make: Box::new(make),
            options: Options::new(),
            runs_on: None,
            kind: Kind::Plain,
        }
    }

    /// `factory` makes the service of each incarnation.
    pub(crate) fn from_factory<S: Service + 'static>(
        factory: impl FnMut() -> S + Send + 'static,
    ) -> Parts {
        Parts::new(FromFactory(factory))
    }

    /// It runs on the pool with this number, and so comes after that if it is a service, too.
    pub(crate) fn runs_on(mut self, pool: u64) -> Parts {
        self.runs_on = Some(pool);
        self
    }

    /// It has items, whose counts are part of the report.
    pub(crate) fn with_items(mut self, store: Arc<dyn ItemStore>) -> Parts {
        self.kind = Kind::Items(store);
        self
    }

    pub(in crate::host) fn with_options(mut self, set: impl FnOnce(&mut Options)) -> Parts {
        set(&mut self.options);
        self
    }

    pub(in crate::host) fn of_kind(mut self, kind: Kind) -> Parts {
        self.kind = kind;
        self
    }
}

impl Kind {
    pub(super) fn items(&self) -> Option<&Arc<dyn ItemStore>> {
        match self {
            Kind::Items(store) | Kind::Queue(store, _) => Some(store),
            Kind::Plain | Kind::Pool(..) => None,
        }
    }
}
