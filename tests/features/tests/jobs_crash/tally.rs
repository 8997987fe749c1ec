//! What has happened.

use std::fmt;

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) kills: u32,
    /// Players that a job has killed.
    pub(crate) ends: u32,
    pub(crate) stops: u32,
    pub(crate) freezes: u32,
    /// Leases that the parent has taken over.
    pub(crate) taken_over: u32,
    pub(crate) full: u32,
    pub(crate) locked: u32,
    /// Players with system calls that fail.
    pub(crate) faulty: u32,
    /// Players with another clock.
    pub(crate) fake: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} ends by a job, {} stops, {} freezes, {} leases taken over, {} times a \
             full disk, {} times locked, {} players with failing calls, {} with another clock",
            self.kills,
            self.ends,
            self.stops,
            self.freezes,
            self.taken_over,
            self.full,
            self.locked,
            self.faulty,
            self.fake
        )
    }
}
