//! A scheduler as a service of a host.

use super::scheduler::Scheduler;
use crate::host::{HostBuilder, Service, ServiceBuilder, ServiceContext, ServiceResult};

impl HostBuilder {
    /// Adds a [`Scheduler`] as a service: it starts with the host, in its turn, and stops
    /// in its turn.
    ///
    /// If the pool that its runs go to is a service of this host, it is implicitly
    /// [after](ServiceBuilder::after) that, so that it stops first.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Pool, Schedule, Scheduler, channel};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(2)?;
    /// let scheduler = Scheduler::new(pool.submitter());
    /// let (sender, receiver) = channel::unbounded();
    /// scheduler
    ///     .entry("tick", Schedule::every(Duration::from_millis(1)))
    ///     .run(move |_| Ok(sender.send("tick")?))?;
    ///
    /// let mut host = Host::builder();
    /// host.pool("workers", pool);
    /// host.scheduler("schedules", &scheduler);
    /// let host = host.build()?.start()?;
    /// assert_eq!(receiver.recv()?, "tick");
    /// assert!(host.stop().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn scheduler(
        &mut self,
        name: impl Into<String>,
        scheduler: &Scheduler,
    ) -> ServiceBuilder<'_> {
        let (scheduler, pool) = (scheduler.clone(), scheduler.queue().id);
        let added = self.service(name, move || Hosted(scheduler.clone()));
        added.runs_on(pool)
    }
}

struct Hosted(Scheduler);

impl Service for Hosted {
    fn start(&mut self, _: &ServiceContext) -> ServiceResult {
        Ok(self.0.start()?)
    }

    fn stop(&mut self, _: &ServiceContext) -> ServiceResult {
        self.0.stop();
        Ok(())
    }
}
