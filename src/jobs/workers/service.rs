//! The workers as a service of a host.

use super::beat;
use super::core::Core;
use super::crew;
use super::health::Part;
use super::hosted::Hosted;
use super::worker::pass_all_dead;
use crate::host::{IntoParts, IntoService, Parts, Service, ServiceContext, ServiceResult};
use crate::sync::Arc;
use crate::threads::Thread;
use std::time::Duration;

/// What [`HostBuilder::add`](crate::HostBuilder::add) is given.
pub(super) struct HostedJobs(pub(super) Arc<Hosted>);

impl IntoService for HostedJobs {}

impl IntoParts for HostedJobs {
    fn into_parts(self, stack_size: usize) -> Parts {
        let (hosted, items) = (self.0.clone(), self.0);
        Parts::from_factory(move || JobsService::new(hosted.clone(), stack_size)).with_items(items)
    }
}

/// One incarnation.
pub(super) struct JobsService {
    hosted: Arc<Hosted>,
    stack_size: usize,
    running: Option<Running>,
}

struct Running {
    core: Arc<Core>,
    helpers: Vec<Thread>,
    workers: Vec<Thread>,
}

impl JobsService {
    pub(super) fn new(hosted: Arc<Hosted>, stack_size: usize) -> JobsService {
        JobsService {
            hosted,
            stack_size,
            running: None,
        }
    }

    /// Waits for the threads. What is left of the time is asked for when the workers have left.
    fn end(&mut self, time_left: impl Fn() -> Duration) {
        if let Some(running) = self.running.take() {
            running.end(time_left);
        }
        self.hosted.end();
    }

    fn start_threads(&mut self, core: Arc<Core>, ctx: &ServiceContext) -> ServiceResult {
        core.start_timer()?;
        match beat::register(&core) {
            // The beat tries again.
            Err(error) if error.is_temporary() => drop(core.failed(Part::Lease, error)),
            result => result?,
        }
        let helpers = crew::start_helpers(&core, self.stack_size, true);
        let running = self.running.insert(Running {
            // Without a beat there is to be no lease.
            helpers: helpers.inspect_err(|_| core.withdraw())?,
            workers: Vec::new(),
            core,
        });
        let core = &running.core;
        let (workers, results) = crew::start_workers(core, self.stack_size, ctx)?;
        running.workers = workers;
        for result in results.iter().take(core.setup.threads) {
            result?;
        }
        Ok(())
    }
}

impl Service for JobsService {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let core = self.hosted.begin(ctx);
        self.start_threads(core, ctx)
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let Some(running) = &self.running else {
            return Ok(());
        };
        let core = &running.core;
        ctx.wait_until(|| ctx.is_cancelled() || core.has_failed());
        core.take_error().map_or(Ok(()), Err)
    }

    /// Nothing more begins; what runs may end by itself, then its token is cancelled, and what runs
    /// on at the end of the time is abandoned. See the module's documentation.
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let Some(running) = &self.running else {
            return Ok(());
        };
        let core = &running.core;
        core.request_stop();
        if !ctx.wait_until_grace(|| core.is_idle()) {
            core.cancel_all();
        }
        if !ctx.wait_until_last(|| core.is_settled()) {
            // Until the end of the time the store has a moment to record that.
            core.abandon();
        }
        self.end(|| ctx.time_left());
        Ok(())
    }
}

/// No `stop` follows a start that failed, and none a `run` that returned after the host's report.
impl Drop for JobsService {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.core.request_stop();
            running.core.cancel_all();
            running.core.abandon();
        }
        self.end(|| Duration::MAX);
    }
}

impl Running {
    /// Waits for the workers, which may take any time: then the host abandons the service. Until
    /// they have left, the lease is kept.
    fn end(self, time_left: impl Fn() -> Duration) {
        let core = &self.core;
        core.request_stop();
        self.workers.into_iter().for_each(Thread::join);
        let is_answered = core.wait_for_answers(crew::patience(core, time_left()));
        pass_all_dead(core);
        let patience = crew::patience(core, time_left());
        crew::end_helpers(core, self.helpers, is_answered, patience);
    }
}
