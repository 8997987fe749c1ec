//! Processes and their leases.

use super::ids::{AttemptId, Beat, WorkerId};
use std::time::SystemTime;

/// What a process says of itself when it registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// The name of the machine.
    pub host: String,
    /// The id of the process on it.
    pub pid: u32,
    /// Which start of the machine this is, as the system names it; empty if it does not.
    pub boot: String,
}

/// A process that has registered and whose lease has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Its id.
    pub id: WorkerId,
    /// What it said of itself.
    pub process: ProcessInfo,
    /// Its last sign of life.
    pub beat: Beat,
    /// What the store knows of its lease beside the beat.
    pub sign: LeaseSign,
    /// When it registered, by the store's clock.
    pub registered_at: SystemTime,
    /// When it last renewed its lease, by the store's clock. It is for people: no decision is
    /// made by it.
    pub renewed_at: SystemTime,
}

/// What a store knows of a process beside its beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseSign {
    /// Nothing: only its beat shows whether the process is there.
    Unknown,
    /// The process is there: the system says that it holds its lock. It may be frozen.
    Held,
    /// The process has ended: the system has released its lock.
    Ended,
}

/// A running job in the name of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldJob {
    /// The attempt.
    pub attempt: AttemptId,
    /// Whether an operator requested its cancellation.
    pub cancel_requested: bool,
}
