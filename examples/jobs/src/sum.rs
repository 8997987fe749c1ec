//! The job, and its handler.

use crate::sums::Sums;
use groundcrew::jobs::{Job, JobContext, JobResult, PermanentError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

/// Computes the SHA-256 of a file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sum {
    /// Absolute, since workers may run in any folder.
    pub(crate) path: String,
}

impl Job for Sum {
    const KIND: &'static str = "sum";
}

/// How much is read at once, and how often a job looks whether it is to end.
const BLOCK: usize = 64 * 1024;

/// Reads the file, and stores its sum. `takes` is the time it takes in addition.
pub(crate) fn sum(job: &Sum, ctx: &JobContext, sums: &mut Sums, takes: Duration) -> JobResult {
    ctx.note(&*job.path);
    ctx.sleep(takes)?;
    let sum = read(&job.path, ctx).map_err(what_it_means)?;
    sums.store(&job.path, &sum)?;
    Ok(())
}

fn what_it_means(error: io::Error) -> Box<dyn Error + Send + Sync> {
    match error.kind() {
        // Another attempt would not find it either.
        ErrorKind::NotFound | ErrorKind::PermissionDenied => PermanentError::new(error).into(),
        _ => error.into(),
    }
}

fn read(path: &str, ctx: &JobContext) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        ctx.token().check().map_err(io::Error::other)?;
        match file.read(&mut block) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => {
                hasher.update(&block[..count]);
                bytes += count as u64;
                ctx.progress(bytes, length);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The digits of a sum.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
