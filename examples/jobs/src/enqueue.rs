//! Makes jobs of the files below folders.

use crate::output::print;
use crate::program::{Result, say};
use crate::sum::{Sum, hex};
use groundcrew::jobs::{Jobs, NewJob};
use os_display::Quotable;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use walkdir::WalkDir;

/// This many are enqueued in one transaction.
const AT_ONCE: usize = 1000;

/// Enqueues a job for each regular file at and below the paths, unless it is known, with the options
/// of `how`. Returns whether all have one; what was left out was said.
pub(crate) fn all(jobs: &Jobs, paths: &[PathBuf], how: impl Fn(NewJob) -> NewJob) -> Result<bool> {
    let (mut new, mut known, mut has_all) = (0, 0, true);
    let mut batch = Vec::new();
    let mut send = |batch: &mut Vec<NewJob>| -> Result<()> {
        for enqueued in jobs.enqueue_many(batch.drain(..))? {
            match enqueued.is_new {
                true => new += 1,
                false => known += 1,
            }
        }
        Ok(())
    };
    for path in paths {
        let path = fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.quote()))?;
        for entry in WalkDir::new(path).sort_by_file_name() {
            let found = entry.map_err(|error| error.to_string());
            let job = match &found {
                Ok(entry) if !entry.file_type().is_file() => continue,
                Ok(entry) => job_of(entry.path()),
                Err(error) => Err(error.clone()),
            };
            match job {
                Ok(job) => batch.push(how(job)),
                Err(error) => {
                    say(error);
                    has_all = false;
                }
            }
            if batch.len() == AT_ONCE {
                send(&mut batch)?;
            }
        }
    }
    send(&mut batch)?;
    print(format!("{new} new jobs, {known} known\n"))?;
    Ok(has_all)
}

/// The job of a file, with a client id that is the same until the file changes.
fn job_of(path: &Path) -> std::result::Result<NewJob, String> {
    let Some(name) = path.to_str() else {
        let name = path.quote();
        return Err(format!("{name}: its name is not UTF-8, which JSON wants"));
    };
    let file = fs::metadata(path).map_err(|error| format!("{}: {error}", path.quote()))?;
    let changed = file.modified().ok();
    let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let identity = format!("{name}\n{}\n{changed:?}", file.len());
    let job = NewJob::of(&Sum {
        path: name.to_owned(),
    });
    Ok(job.client_id(hex(&Sha256::digest(identity))))
}
