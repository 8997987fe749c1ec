//! The places of limited jobs.

use crate::store::JobId;
use crate::store::place::Place;
use std::collections::{BTreeMap, BTreeSet};

/// The jobs with one key that have not ended and are due.
#[derive(Default)]
pub(super) struct Limited {
    pub(super) max: u32,
    /// Those that are available or run.
    pub(super) holders: BTreeSet<JobId>,
    /// By queue.
    pub(super) blocked: BTreeMap<String, BTreeSet<Place>>,
}
