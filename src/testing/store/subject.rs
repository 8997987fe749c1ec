//! What is checked.

use crate::clock::ManualClock;
use crate::store::Store;
use crate::sync::Arc;
use std::any::Any;
use std::fmt;

/// A store to check, which has no jobs yet, and what belongs to it.
pub struct Subject {
    pub(super) store: Arc<dyn Store>,
    pub(super) other: Arc<dyn Store>,
    pub(super) clock: Option<ManualClock>,
    _kept: Option<Box<dyn Any>>,
}

impl Subject {
    /// A store that goes by the real clock.
    pub fn new(store: impl Store) -> Subject {
        let store: Arc<dyn Store> = Arc::new(store);
        Subject {
            other: store.clone(),
            store,
            clock: None,
            _kept: None,
        }
    }

    /// Another handle to the same jobs, as another process would have. Without it the checks use
    /// the first in its place.
    #[must_use]
    pub fn other(mut self, store: impl Store) -> Subject {
        self.other = Arc::new(store);
        self
    }

    /// The manual clock of the store. Without one, the checks wait for a few milliseconds where
    /// time has to pass.
    #[must_use]
    pub fn clock(mut self, clock: &ManualClock) -> Subject {
        self.clock = Some(clock.clone());
        self
    }

    /// Drops `value` after the store: a temporary folder, for example.
    #[must_use]
    pub fn keep(mut self, value: impl Any) -> Subject {
        self._kept = Some(Box::new(value));
        self
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
