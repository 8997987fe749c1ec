//! Workers: the threads that claim jobs and run their handlers.

// Pure: `weights`, `expected` and `room` decide what is claimed, `ending` how an attempt ends;
// `ledger` is the account of all claims, `health` and `rate` are what the status shows.
//
// `handler`, `setup`: what the program declares, without its types.
// `core`: what the threads share; `beat`, `claimer`, `worker`, `acknowledger`, `maintenance` with `recurring`: what
// each of them does; `crew`: how they start.
// `hosted`, `service`, `builder`: as a service of a host; `work_until_empty`, `work_error`: on the
// calling thread.

mod acknowledger;
mod beat;
mod builder;
mod claimer;
mod core;
mod crew;
mod ending;
mod expected;
mod handler;
mod health;
mod hosted;
mod ledger;
mod maintenance;
mod rate;
mod recurring;
mod room;
mod service;
mod setup;
mod weights;
mod work_error;
mod work_until_empty;
mod worker;

pub use builder::{ThisThread, WorkedQueue, Workers};
pub use handler::HandlerOutput;
pub use work_error::WorkError;
#[cfg(feature = "testing")]
pub(crate) use work_until_empty::OneByOne;
