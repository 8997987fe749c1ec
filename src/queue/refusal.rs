//! Why a task was not accepted.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
    /// Of a queue of items.
    QueueClosed,
    BatcherClosed,
    TimedOut,
    Cancelled,
}
