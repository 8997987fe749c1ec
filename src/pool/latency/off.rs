//! Without the feature `histogram` nothing measures latency.

use crate::queue::Meter;
use std::convert::Infallible;

pub(super) type Latency = Infallible;

pub(super) fn of(meter: &dyn Meter) -> Option<Latency> {
    meter.as_any().downcast_ref().copied()
}
