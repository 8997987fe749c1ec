//! How a task ended.

/// How a task ended, as given to the observer of its pool: see
/// [`PoolBuilder::observer`](crate::PoolBuilder::observer).
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use groundcrew::task::TaskOutcome;
///
/// let (sender, receiver) = groundcrew::channel::unbounded();
/// let pool = Pool::builder()
///     .threads(1)
///     .observer(move |_, outcome, _, _| sender.send(outcome).unwrap_or_default())
///     .build()?;
/// pool.execute(|| ())?;
/// pool.execute(|| panic!("no such row"))?;
/// pool.wait_idle();
/// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [TaskOutcome::Completed, TaskOutcome::Panicked]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskOutcome {
    /// It returned.
    Completed,
    /// It panicked, or something that it captured did in its drop.
    Panicked,
    /// The report of a stop had abandoned it before it ended, either way.
    Abandoned,
}
