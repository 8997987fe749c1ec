//! What can be added to a host.

use super::parts::Parts;

/// Something that a [`Host`](crate::Host) can run as a service: what
/// [`HostBuilder::add`](crate::HostBuilder::add) takes.
///
/// | what | the service |
/// | --- | --- |
/// | a [`Pool`](crate::Pool) | is stopped in its turn, and drains within its time; its workers run already, and its report becomes part of the host's |
/// | [`WorkQueue::workers`](crate::WorkQueue::workers) | threads that handle the items of a queue |
/// | a [`&Batcher`](crate::Batcher) | is stopped in its turn; what it could not handle in its time is returned by [`take_unstarted`](crate::Batcher::take_unstarted) |
/// | a [`&Scheduler`](crate::Scheduler) | starts its schedules in its turn, and stops them in its turn |
/// | `FolderWatch::on_change` | calls a closure with what changes below a folder (feature `watch`) |
///
/// A type of your own implements [`Service`](crate::Service), and is added by
/// [`HostBuilder::service`](crate::HostBuilder::service); a closure by
/// [`background`](crate::HostBuilder::background) or
/// [`startup_task`](crate::HostBuilder::startup_task).
///
/// This trait is sealed: it cannot be implemented outside of this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to a host",
    note = "a closure is added by `service`, `background` or `startup_task`, a queue with its \
            workers: `host.add(\"name\", queue.workers(2, || handler))`"
)]
pub trait IntoService: IntoParts {}

/// Seals [`IntoService`].
pub trait IntoParts {
    /// `stack_size`: of each thread that the service starts.
    fn into_parts(self, stack_size: usize) -> Parts;
}
