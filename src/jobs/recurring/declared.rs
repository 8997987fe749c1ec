//! A recurring job as a program declares it.

use super::recurrence::Recurrence;
use crate::jobs::new_job::NewJob;
use crate::store::{Due, JobSpec, RecurringJob, check_name};
use std::time::Duration;

/// A recurring job, checked.
#[derive(Clone, Debug)]
pub(in crate::jobs) struct Declared {
    pub(in crate::jobs) key: String,
    pub(in crate::jobs) recurrence: Recurrence,
    /// As a store returns it.
    pub(in crate::jobs) job: JobSpec,
    /// The texts by which declarations are compared.
    pub(super) schedule: String,
    pub(super) missed: String,
}

impl Declared {
    /// # Errors
    ///
    /// What is wrong, and what to write instead.
    pub(in crate::jobs) fn new(
        key: String,
        recurrence: Recurrence,
        job: NewJob,
    ) -> Result<Declared, String> {
        let named = |problem: String| format!("recurring job {key:?}: {problem}");
        check_name("key", &key).map_err(named)?;
        let checked = recurrence.check(&key);
        checked.map_err(|error| named(error.to_string()))?;
        let mut job = job.into_spec().map_err(|error| named(error.to_string()))?;
        if job.due != Due::Now {
            let text = "its schedule says when it is due; leave out `.delay(..)` and `.at(..)`";
            return Err(named(text.to_owned()));
        }
        if job.client_id.is_some() {
            let text = "a client id would be that of the first job alone; leave it out";
            return Err(named(text.to_owned()));
        }
        if !job.after.is_empty() {
            let text = "the jobs that it waits for are there once alone; leave out `.after(..)`";
            return Err(named(text.to_owned()));
        }
        job.timeout = job.timeout.map(whole_millis);
        job.expires = job.expires.map(whole_millis);
        Ok(Declared {
            schedule: recurrence.schedule_text(),
            missed: recurrence.missed_text(),
            key,
            recurrence,
            job,
        })
    }

    /// Whether the stored one is due at the same instants.
    pub(super) fn is_due_as(&self, stored: &RecurringJob) -> bool {
        stored.schedule == self.schedule && stored.missed == self.missed
    }
}

/// Rounded up, as stores keep it.
fn whole_millis(duration: Duration) -> Duration {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).map_or(duration, Duration::from_millis)
}
