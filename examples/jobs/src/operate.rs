//! What an operator does to jobs and queues.

use crate::output::print;
use crate::program::{self, Result, say};
use crate::rescan::OWNER;
use groundcrew::jobs::Jobs;
use groundcrew::store::{CancelOutcome, JobId, StoreError};
use os_display::Quotable;
use std::process::ExitCode;

pub(crate) fn retry(jobs: &Jobs, ids: &[i64]) -> Result<ExitCode> {
    each(ids, |id| {
        jobs.retry(id)?;
        Ok("available again")
    })
}

pub(crate) fn cancel(jobs: &Jobs, ids: &[i64]) -> Result<ExitCode> {
    each(ids, |id| {
        Ok(match jobs.cancel(id)? {
            CancelOutcome::Cancelled => "cancelled",
            _ => "cancelled soon: it runs, and was asked to end",
        })
    })
}

pub(crate) fn trigger(jobs: &Jobs, key: &str) -> Result<()> {
    let id = jobs.recurring(OWNER, key).trigger()?;
    print(format!("job {id}: enqueued\n"))
}

pub(crate) fn pause(jobs: &Jobs, queue: &str) -> Result<()> {
    let how = match jobs.pause(queue)? {
        true => "is paused",
        false => "was paused already",
    };
    print(format!("queue {} {how}\n", queue.quote()))
}

pub(crate) fn resume(jobs: &Jobs, queue: &str) -> Result<()> {
    let how = match jobs.resume(queue)? {
        true => "goes on",
        false => "was not paused",
    };
    print(format!("queue {} {how}\n", queue.quote()))
}

/// One after the other: what is refused does not keep the rest from it.
fn each(
    ids: &[i64],
    verb: impl Fn(JobId) -> std::result::Result<&'static str, StoreError>,
) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        match verb(JobId::new(*id)) {
            Ok(done) => print(format!("job {id}: {done}\n"))?,
            Err(error) => {
                say(error);
                code = program::FAILED.into();
            }
        }
    }
    Ok(code)
}
