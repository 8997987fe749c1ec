//! Holds what was written against the input, and against what one thread makes
//! of that.

use crate::blocks::{Blocks, Member};
use crate::failure::Failure;
use flate2::bufread::MultiGzDecoder;
use groundcrew::CancelToken;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

/// That there is no difference.
pub(crate) struct Checked {
    /// How long it took one thread to compress the input.
    pub(crate) alone: Duration,
}

pub(crate) fn check(
    input: &Path,
    output: &Path,
    block: usize,
    level: u32,
    token: &CancelToken,
) -> Result<Checked, Failure> {
    let started = Instant::now();
    let mut written = File::open(output).map_err(Failure::Read)?;
    for block in Blocks::new(File::open(input).map_err(Failure::Read)?, block) {
        stop_if(token)?;
        let member = block.and_then(|block| Member::new(&block, level));
        let expected = member.map_err(Failure::Read)?.bytes;
        same("what one thread writes", &expected, &mut written)?;
    }
    same_end("what one thread writes", &mut written)?;
    let alone = started.elapsed();

    let written = BufReader::new(File::open(output).map_err(Failure::Read)?);
    let mut decompressed = MultiGzDecoder::new(written);
    for block in Blocks::new(File::open(input).map_err(Failure::Read)?, block) {
        stop_if(token)?;
        same(
            "the input",
            &block.map_err(Failure::Read)?,
            &mut decompressed,
        )?;
    }
    same_end("the input", &mut decompressed)?;
    Ok(Checked { alone })
}

fn stop_if(token: &CancelToken) -> Result<(), Failure> {
    let interrupted = |_| Failure::Read(ErrorKind::Interrupted.into());
    token.check().map_err(interrupted)
}

/// Reads on, and finds these bytes.
fn same(what: &str, expected: &[u8], found: &mut impl Read) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(expected.len());
    let mut next = found.take(expected.len() as u64);
    match next.read_to_end(&mut bytes) {
        Ok(_) if bytes == expected => Ok(()),
        Ok(_) => Err(differs(what)),
        Err(error) => Err(Failure::Read(error)),
    }
}

fn same_end(what: &str, found: &mut impl Read) -> Result<(), Failure> {
    match io::copy(&mut found.take(1), &mut io::sink()) {
        Ok(0) => Ok(()),
        Ok(_) => Err(differs(what)),
        Err(error) => Err(Failure::Read(error)),
    }
}

fn differs(from: &str) -> Failure {
    Failure::Check(format!("the output is not {from}"))
}
