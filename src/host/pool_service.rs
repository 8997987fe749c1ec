//! A pool as a service.

use super::build::{IntoParts, IntoService, Kind, Parts};
use super::context::ServiceContext;
use super::core::PoolSlot;
use super::failure::ServiceResult;
use super::service::Service;
use crate::pool::Pool;
use crate::stop::{StopHandle, StopPlan};
use std::time::Duration;

impl IntoService for Pool {}

impl IntoParts for Pool {
    fn into_parts(self, _: usize) -> Parts {
        let (stop, report) = (self.stop_handle(), PoolSlot::default());
        let kind = Kind::Pool(self, report.clone());
        let factory = move || PoolService {
            pool: stop.clone(),
            report: report.clone(),
        };
        Parts::from_factory(factory)
            .of_kind(kind)
            .with_options(|options| options.serves_others = true)
    }
}

/// The pool works already, and is stopped in its turn.
struct PoolService {
    pool: StopHandle,
    report: PoolSlot,
}

impl Service for PoolService {
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        // A little earlier than the service has to be done, so that the pool's own
        // report shows what was left behind.
        let mut slot = self.report.lock();
        let left = ctx.time_left();
        let margin = (left / 20).min(MARGIN);
        let report = self.pool.stop(StopPlan::drain(left - margin));
        slot.get_or_insert(report);
        Ok(())
    }
}

const MARGIN: Duration = Duration::from_millis(100);
