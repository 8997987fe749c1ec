//! Sums one file up: the task.

use crate::failure::Failure;
use crate::line::line;
use groundcrew::TaskContext;
use log::debug;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Where a worker puts what it reads of its files, one after the other: the state that
/// each worker keeps.
pub(crate) struct Block(RefCell<[u8; BLOCK]>);

/// How much is read at once, and how often a task looks whether it is to end.
const BLOCK: usize = 32 * 1024;

impl Block {
    pub(crate) fn new() -> Block {
        Block(RefCell::new([0; BLOCK]))
    }
}

/// The line of this file, as `sha256sum` prints it.
pub(crate) fn line_of(path: PathBuf, ctx: &TaskContext) -> Result<Vec<u8>, Failure> {
    match sum(&path, ctx) {
        Ok(sum) => Ok(line(&sum, &path)),
        Err(error) => Err(Failure { path, error }),
    }
}

fn sum(path: &Path, ctx: &TaskContext) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let block = ctx.state::<Block>().expect("this runs on a worker");
    let mut block = block.0.borrow_mut();
    let mut bytes = 0;
    while !ctx.is_cancelled() {
        match file.read(&mut *block) {
            Ok(0) => {
                debug!("{}: {bytes} bytes", path.display());
                return Ok(hasher.finalize().into());
            }
            Ok(length) => {
                hasher.update(&block[..length]);
                bytes += length;
                if length == BLOCK {
                    ctx.note(format!("{bytes} bytes read"));
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("Given up after {bytes} bytes")))
}
