//! The recurring job: the folder again.

use crate::enqueue;
use crate::program::Result;
use groundcrew::jobs::{Job, JobResult, Jobs};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::slice;

/// Enqueues what is new in a folder, or has changed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Rescan {
    pub(crate) folder: PathBuf,
}

impl Job for Rescan {
    const KIND: &'static str = "rescan";
}

/// The workers that declare it, and its key.
pub(crate) const OWNER: &str = "sums";
pub(crate) const KEY: &str = "rescan";

pub(crate) fn rescan(job: &Rescan, jobs: &Jobs) -> JobResult {
    match enqueue::all(jobs, slice::from_ref(&job.folder), |job| job)? {
        true => Ok(()),
        false => Err("some of it cannot be read".into()),
    }
}

/// Whether one is there to be done.
pub(crate) fn is_left(jobs: &Jobs) -> Result<bool> {
    let lanes = jobs.counts()?;
    let own = lanes.iter().filter(|lane| lane.kind == Rescan::KIND);
    let states = groundcrew::store::JobState::ALL.into_iter();
    let left = states.filter(|state| !state.is_ended());
    let left = left.map(|state| own.clone().map(|lane| lane.states[state]).sum::<u64>());
    Ok(left.sum::<u64>() > 0)
}
