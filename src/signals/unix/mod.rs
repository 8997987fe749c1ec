//! The signals by way of the `signal-hook` crate: each does what the program says.

mod first;
mod reader;
mod source;

pub(crate) use source::Stops;
pub(super) use source::{Came, Source, exit_without_cleaning_up, label};
