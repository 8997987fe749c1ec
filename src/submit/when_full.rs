//! What the program chooses for a queue that is full.

use crate::cancel::CancelToken;
use crate::clock::Deadline;
use crate::queue::OnFull;
use std::time::{Duration, Instant};

/// What a submit does while the queue is full. It is an option of every task builder, and of
/// methods that submit a queue item or a task handed back by a stop.
///
/// A [`Duration`], an [`Instant`] or a [`CancelToken`] converts into the variant that waits for it:
/// `.when_full(Duration::from_secs(1))`.
///
/// If there is space, the task is accepted whatever the option, even with a zero duration, an
/// instant in the past, or a cancelled token.
///
/// # In a worker of the same pool
///
/// A worker that waits for space does not run the tasks that would make space. So with `Wait` and
/// `WaitUntilCancelled` it does not wait: its task goes to its overflow list, which is not bounded,
/// or is [run in place]. In the same way, a handler of a [`WorkQueue`] or a [`Batcher`] that
/// submits to it may exceed its capacity. `Refuse` still refuses, and `WaitFor` and `WaitUntil`
/// still wait.
///
/// [run in place]: crate::PoolBuilder::caller_runs_when_full
/// [`WorkQueue`]: crate::WorkQueue
/// [`Batcher`]: crate::Batcher
///
/// # Examples
///
/// ```
/// use groundcrew::submit::WhenFull;
/// use groundcrew::{CancelToken, Pool};
/// use std::time::Duration;
///
/// let pool = Pool::builder().threads(1).queue_capacity(1).build()?;
/// let (open, gate) = groundcrew::channel::bounded::<()>(0);
/// pool.execute(move || gate.recv().unwrap_or_default())?;
/// while pool.running().is_empty() {}
/// pool.execute(|| ())?; // the only place in the queue
///
/// let task = pool.task("late");
/// let refused = task.when_full(WhenFull::Refuse).submit(|| 7);
/// assert!(refused.unwrap_err().is_full());
///
/// let refused = pool.task("late").when_full(Duration::from_millis(1)).submit(|| 7);
/// assert!(refused.unwrap_err().is_timeout());
///
/// let token = CancelToken::new(); // in a service `ctx.token()`
/// token.cancel();
/// let refused = pool.task("late").when_full(&token).submit(|| 7);
/// assert!(refused.unwrap_err().is_cancelled());
/// # drop(open);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// Wait without limit.
    #[default]
    Wait,
    /// Do not wait. The error is [`is_full`](crate::SubmitError::is_full).
    Refuse,
    /// Wait for this long, from the call of the submit method. The error is
    /// [`is_timeout`](crate::SubmitError::is_timeout). [`Duration::MAX`] means no limit.
    WaitFor(Duration),
    /// Wait until this instant. The error is [`is_timeout`](crate::SubmitError::is_timeout).
    WaitUntil(Instant),
    /// Wait until this token is cancelled, which wakes the waiting thread. The error is
    /// [`is_cancelled`](crate::SubmitError::is_cancelled), even if the pool was closed in the
    /// meantime.
    WaitUntilCancelled(CancelToken),
}

impl WhenFull {
    /// A time to wait begins now.
    #[inline]
    pub(crate) fn begin(&self) -> OnFull<'_> {
        match self {
            WhenFull::Wait => OnFull::WAIT,
            WhenFull::Refuse => OnFull::Refuse,
            WhenFull::WaitFor(limit) => OnFull::WaitUntil(Deadline::after(*limit)),
            WhenFull::WaitUntil(moment) => OnFull::WaitUntil(Deadline::at(*moment)),
            WhenFull::WaitUntilCancelled(token) => OnFull::WaitOrOverflow(Some(token)),
        }
    }
}

impl From<Duration> for WhenFull {
    fn from(limit: Duration) -> WhenFull {
        WhenFull::WaitFor(limit)
    }
}

impl From<Instant> for WhenFull {
    fn from(moment: Instant) -> WhenFull {
        WhenFull::WaitUntil(moment)
    }
}

impl From<CancelToken> for WhenFull {
    fn from(token: CancelToken) -> WhenFull {
        WhenFull::WaitUntilCancelled(token)
    }
}

impl From<&CancelToken> for WhenFull {
    fn from(token: &CancelToken) -> WhenFull {
        WhenFull::WaitUntilCancelled(token.clone())
    }
}
