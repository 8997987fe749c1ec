//! How a task ended.

/// How a task ended, as the observer of its pool is told: see
/// [`PoolBuilder::observer`](crate::PoolBuilder::observer).
///
/// # Examples
///
/// ```
/// use groundcrew::{Outcome, Pool};
///
/// let (tell, told) = groundcrew::channel::unbounded();
/// let pool = Pool::builder()
///     .threads(1)
///     .observer(move |_, outcome, _, _| tell.send(outcome).unwrap_or_default())
///     .build()?;
/// pool.execute(|| ())?;
/// pool.execute(|| panic!("no such row"))?;
/// pool.wait_idle();
/// assert_eq!(told.try_iter().collect::<Vec<_>>(), [Outcome::Completed, Outcome::Panicked]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned.
    Completed,
    /// It panicked, or something that it captured did in its drop.
    Panicked,
    /// The report of a stop had abandoned it before it ended, either way.
    Abandoned,
}
