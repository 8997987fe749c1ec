//! What a push does where the channel is full.

use crate::clock::Deadline;

/// What to do where the channel is full.
#[derive(Clone, Copy)]
pub(crate) enum WhenFull {
    /// Wait; a worker of the pool never waits, but uses its overflow list.
    WaitOrOverflow,
    Refuse,
    Wait(Deadline),
}
