//! Without the feature `histogram` nothing measures latency.

use std::convert::Infallible;
use std::time::Duration;

pub(crate) type Latency = Infallible;

/// There are none.
pub(crate) enum Latencies {}

impl Latencies {
    pub(crate) fn new(_: usize) -> Latencies {
        unreachable!("only the feature can ask for them")
    }

    pub(super) fn record(&self, _: usize, _: Option<Duration>, _: Duration) {
        match *self {}
    }

    pub(crate) fn sum(&self) -> Latency {
        match *self {}
    }
}
