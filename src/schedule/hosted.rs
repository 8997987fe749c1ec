//! A scheduler as a service of a host.

use super::scheduler::Scheduler;
use crate::host::{IntoParts, IntoService, Parts, Service, ServiceContext, ServiceResult};

/// As a service, a scheduler starts and stops its schedules with the host, in its turn.
///
/// If the pool of its runs is a service of the same host, the scheduler is implicitly
/// [after](crate::host::ServiceBuilder::after) the pool, so that it stops first.
impl IntoService for &Scheduler {}

impl IntoParts for &Scheduler {
    fn into_parts(self, _: usize) -> Parts {
        let (scheduler, pool) = (self.clone(), self.pool().id);
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
