//! Why the output is not complete.

use groundcrew::TaskError;
use std::error::Error;
use std::fmt;
use std::io;

#[derive(Debug)]
pub(crate) enum Failure {
    Read(io::Error),
    Write(io::Error),
    /// A block was not compressed.
    Task(TaskError),
    /// What `--check` found.
    Check(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Read(error) => write!(f, "read error: {error}"),
            Failure::Write(error) => write!(f, "write error: {error}"),
            Failure::Task(error) => error.fmt(f),
            Failure::Check(what) => write!(f, "check failed: {what}"),
        }
    }
}

impl Error for Failure {}
