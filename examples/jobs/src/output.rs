//! What is printed.

use crate::program::{self, Result};
use std::io::ErrorKind;

/// Writes the text to stdout. That its reader has gone stays an error of its own.
pub(crate) fn print(text: impl Into<Vec<u8>>) -> Result<()> {
    match program::print(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(error.into()),
        printed => Ok(printed.map_err(|error| format!("write error: {error}"))?),
    }
}
