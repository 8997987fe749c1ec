//! A batcher as a service of a host.

use super::batcher::Batcher;
use super::store::Store;
use crate::clock;
use crate::host::{
    HostBuilder, Hosted, QueueStats, Service, ServiceBuilder, ServiceContext, ServiceResult,
};
use crate::queue::{Member, Refusal};
use crate::stop::StopPlan;
use crate::submit::{Keeper, SubmitError, Target};
use crate::sync::Arc;

impl HostBuilder {
    /// Adds a [`Batcher`] as a service: with the host's stop it is stopped in its turn, and
    /// what it could not handle in its time is returned, as items, by
    /// [`Batcher::take_unstarted`].
    ///
    /// If the pool that handles its batches is a service of this host, it is implicitly
    /// [after](ServiceBuilder::after) that, so that it stops first; services that submit
    /// have to be declared `after` this one. One batcher is one service: a second one with
    /// it is an error of the [build](HostBuilder::build).
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Batcher, Host, Pool};
    ///
    /// let pool = Pool::new(1)?;
    /// let events = Batcher::builder("events").build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(()))?;
    /// let mut host = Host::builder();
    /// host.pool("workers", pool);
    /// host.batcher("events", &events);
    /// let host = host.build()?.start()?;
    /// events.submit(1)?;
    ///
    /// let report = host.stop();
    /// assert!(report.is_clean());
    /// assert_eq!(events.take_unstarted(), [0; 0]);
    /// assert_eq!(events.stats().handled(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn batcher<T: Send + 'static>(
        &mut self,
        name: impl Into<String>,
        batcher: &Batcher<T>,
    ) -> ServiceBuilder<'_> {
        let store = batcher.store().clone();
        let hosted = store.clone();
        let pool = store.queue().id;
        let added = self.hosted(name.into(), hosted, move || BatcherService(store.clone()));
        added.runs_on(pool)
    }
}

struct BatcherService<T>(Arc<Store<T>>);

impl<T: Send + 'static> Service for BatcherService<T> {
    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        // A restart, after a heartbeat that was missed, say, leaves everything as it is.
        if ctx.is_last_stop() {
            let plan = StopPlan::drain(ctx.time_left());
            self.0.finish(plan.moments(clock::now()));
        }
        Ok(())
    }
}

impl<T: Send + 'static> Hosted for Store<T> {
    fn claim(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().hosted, true)
    }

    fn release(&self) {
        self.state.lock().hosted = false;
    }

    fn join_host(&self, member: Member) {
        self.membership.set(member);
    }

    fn take_out(&self) -> QueueStats {
        let mut state = self.state.lock();
        let timer = match state.sealed {
            true => None,
            false => self.seal(&mut state),
        };
        state.reported = true;
        drop(state);
        drop(timer);
        Hosted::stats(self)
    }

    fn stats(&self) -> QueueStats {
        let state = self.state.lock();
        let in_progress = state.in_progress() as u64;
        let stats = state.stats();
        // Without a closure for them they are only logged.
        let failed_left = match self.bury {
            Some(_) => 0,
            None => stats.dead,
        };
        QueueStats {
            accepted: stats.accepted,
            queued: stats.waiting - in_progress,
            in_progress,
            handled: stats.handled,
            failed: stats.dead,
            unprocessed: stats.unhandled,
            failed_left,
            ..QueueStats::default()
        }
    }
}

impl<T: Send + 'static> Store<T> {
    /// What the batcher may never take, or not for this submitter, comes back to it if the
    /// error is dropped.
    pub(super) fn refuse(&self, item: T, refusal: Refusal) -> SubmitError<T> {
        let refused = SubmitError::new(item, Target::Batcher, refusal);
        let refused = match refusal {
            Refusal::Full | Refusal::TimedOut => return refused,
            Refusal::Cancelled => refused,
            Refusal::Closed => {
                let own = self.membership.stopping();
                refused.due_to(own.or_else(|| self.queue().membership.stopping()))
            }
        };
        match self.me.upgrade() {
            Some(store) => refused.kept_by(store),
            None => refused,
        }
    }
}

impl<T: Send + 'static> Keeper<T> for Store<T> {
    fn keep(&self, item: T) {
        let mut state = self.state.lock();
        state.stats.accepted += 1;
        match state.out.last_mut() {
            Some((REFUSED, items)) => items.push(item),
            _ => state.out.push((REFUSED, vec![item])),
        }
    }
}

/// The batch of items that were dropped with their refusal: after all others.
const REFUSED: u64 = u64::MAX;
