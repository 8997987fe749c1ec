//! What can be added to a host.

use super::parts::Parts;

/// A value that [`HostBuilder::add`](crate::HostBuilder::add) can add to a [`Host`](crate::Host) as
/// a service.
///
/// | value | as a service |
/// | --- | --- |
/// | a [`Pool`](crate::Pool) | its workers already run; it is stopped in its turn and drains within its time, and its report becomes part of the host's |
/// | [`WorkQueue::workers`](crate::WorkQueue::workers) | threads that handle the items of a queue |
/// | a [`&Batcher`](crate::Batcher) | is stopped in its turn; [`take_unstarted`](crate::Batcher::take_unstarted) returns the items that it could not handle in its time |
/// | a [`&Scheduler`](crate::Scheduler) | starts and stops its schedules in its turn |
/// | `FolderWatch::on_change` | calls a closure with what changes below a folder (feature `watch`) |
///
/// To add a type of your own, implement [`Service`](crate::Service) and call
/// [`HostBuilder::service`](crate::HostBuilder::service). To add a closure, call
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
