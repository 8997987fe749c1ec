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
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolPhase {
    /// Tasks are accepted.
    Open,
    /// Nothing more gets in; what was accepted goes on.
    Closed,
    /// The backlog is out, and the tokens of running tasks are cancelled.
    Cancelling,
    /// The report is made.
    Done,
}
