//! How a task ended.

/// How a task ended, as passed to [`PoolBuilder::observer`](crate::PoolBuilder::observer).
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskOutcome {
    /// The task returned.
    Completed,
    /// The task panicked, or a captured value panicked in its drop.
    Panicked,
    /// The task ended, in either way, after the report of a stop had counted it as abandoned.
    Abandoned,
}
