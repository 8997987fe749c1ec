//! A scheduler as a service of a host.

use super::scheduler::Scheduler;
use crate::host::{IntoParts, IntoService, Parts, Service, ServiceContext, ServiceResult};

/// As a service, a scheduler starts its schedules with the host, in its turn, and stops them in
/// its turn.
///
/// If the pool that its runs go to is a service of the same host, the scheduler is implicitly
/// [after](crate::host::ServiceBuilder::after) that, so that it stops first.
impl IntoService for &Scheduler {}

impl IntoParts for &Scheduler {
    fn into_parts(self, _: usize) -> Parts {
        let (scheduler, pool) = (self.clone(), self.queue().id);
        Parts::from_factory(move || SchedulerService(scheduler.clone())).runs_on(pool)
    }
}

struct SchedulerService(Scheduler);

impl Service for SchedulerService {
    fn start(&mut self, _: &ServiceContext) -> ServiceResult {
        Ok(self.0.start()?)
    }

    fn stop(&mut self, _: &ServiceContext) -> ServiceResult {
        self.0.stop();
        Ok(())
    }
}
