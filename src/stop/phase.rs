//! How far a stop has come.

/// The phase of a stop. It only moves forward.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use groundcrew::stop::PoolPhase;
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let handle = pool.stop_handle();
/// assert_eq!(handle.phase(), PoolPhase::Open);
/// handle.close();
/// assert_eq!(handle.phase(), PoolPhase::Closed);
/// pool.stop(Duration::from_secs(5));
/// assert_eq!(handle.phase(), PoolPhase::Done);
/// assert!(PoolPhase::Open < PoolPhase::Done);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolPhase {
    /// Tasks are accepted.
    Open,
    /// New tasks are refused; accepted tasks still run.
    Closed,
    /// The backlog has been removed, and the tokens of running tasks are cancelled.
    Cancelling,
    /// The report has been made.
    Done,
}
