//! Why something was not accepted.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
    TimedOut,
    /// The token was cancelled up to which the submitter waits.
    Cancelled,
}
