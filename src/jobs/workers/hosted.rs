//! What the host knows of the workers.

use super::super::way_in::Jobs;
use super::core::Core;
use super::setup::{Draft, Setup};
use crate::host::ServiceContext;
use crate::host::items::{ItemStats, ItemStore, JobsReport, JobsStatus, LeftItems};
use crate::queue::Member;
use crate::store::StoreError;
use crate::sync::{Arc, Mutex};
use std::time::Duration;

/// The workers of a service, of all its incarnations.
pub(super) struct Hosted {
    jobs: Jobs,
    draft: Arc<Mutex<Draft>>,
    /// Of the draft, at the build.
    setup: Mutex<Option<Arc<Setup>>>,
    now: Mutex<Incarnations>,
}

#[derive(Default)]
struct Incarnations {
    current: Option<Arc<Core>>,
    /// What became of the claims of those before.
    past: JobsReport,
}

impl Hosted {
    pub(super) fn new(jobs: &Jobs, draft: Arc<Mutex<Draft>>) -> Hosted {
        Hosted {
            jobs: jobs.clone(),
            draft,
            setup: Mutex::new(None),
            now: Mutex::default(),
        }
    }

    /// An incarnation begins.
    pub(super) fn begin(&self, ctx: &ServiceContext) -> Arc<Core> {
        let setup = self.setup.lock().clone();
        let setup = setup.unwrap_or_else(|| unreachable!("a host is built before it starts"));
        let core = Core::new(
            ctx.name(),
            self.jobs.clone(),
            setup,
            ctx.clock().clone(),
            ctx.notifier(),
        );
        let core = Arc::new(core);
        self.now.lock().current = Some(core.clone());
        core
    }

    /// The incarnation is over. What it holds of the host is released.
    pub(super) fn end(&self) {
        let mut now = self.now.lock();
        if let Some(core) = now.current.take() {
            now.past.add(core.report());
        }
    }

    fn current(&self) -> Option<Arc<Core>> {
        self.now.lock().current.clone()
    }

    fn report(&self) -> JobsReport {
        let now = self.now.lock();
        let mut report = now.past.clone();
        if let Some(core) = &now.current {
            report.add(core.report());
        }
        report
    }

    /// Reads the store.
    fn fill_in(&self, status: &mut JobsStatus) -> Result<(), StoreError> {
        let Some(setup) = self.setup.lock().clone() else {
            return Ok(());
        };
        let is_own = |name: &str| setup.queues.iter().any(|(queue, _)| queue == name);
        let mut lanes = self.jobs.counts()?;
        lanes.retain(|lane| is_own(&lane.queue));
        status.lanes = lanes;
        for (queue, _) in &setup.queues {
            let lag: Duration = self.jobs.lag(queue)?;
            status.lags.push((queue.clone(), lag));
        }
        Ok(())
    }
}

impl ItemStore for Hosted {
    fn claim(&self) -> bool {
        true
    }

    fn release(&self) {}

    fn join_host(&self, _: Member) {}

    fn is_idle(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        let setup = self.draft.lock().check()?;
        for declared in &setup.recurring {
            let checked = declared.job.check(self.jobs.store().max_payload());
            checked.map_err(|error| format!("recurring job {:?}: {error}", declared.key))?;
        }
        *self.setup.lock() = Some(Arc::new(setup));
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.current().is_none_or(|core| core.is_ready())
    }

    fn stats(&self) -> ItemStats {
        ItemStats::Jobs(self.report())
    }

    fn jobs_status(&self) -> Option<JobsStatus> {
        let mut status = JobsStatus {
            report: self.report(),
            ..JobsStatus::default()
        };
        if let Some(core) = self.current() {
            (status.running, status.waiting, status.rate) = core.activity();
            status.trouble = core.trouble().map(|error| error.to_string());
        }
        if let Err(error) = self.fill_in(&mut status) {
            status.trouble.get_or_insert(error.to_string());
        }
        Some(status)
    }

    fn take_out(&self) -> LeftItems {
        let report = self.report();
        LeftItems {
            unstarted: 0,
            in_progress: report.left(),
            failed: 0,
            stats: ItemStats::Jobs(report),
        }
    }
}
