//! A batcher as a service of a host.

use super::batcher::Batcher;
use super::state::Phase;
use super::store::Store;
use crate::clock;
use crate::host::items::{ItemStats, ItemStore, LeftItems};
use crate::host::{IntoParts, IntoService, Parts, Service, ServiceContext, ServiceResult};
use crate::queue::{Member, Refusal};
use crate::stop::StopPlan;
use crate::submit::{Keeper, SubmitError, Target};
use crate::sync::{AfterUnlock, Arc};

/// As a service, a batcher is stopped in its turn. [`Batcher::take_unstarted`] returns the items
/// that it could not handle in its time.
///
/// If the pool that handles its batches is a service of the same host, the batcher is implicitly
/// [after](crate::host::ServiceBuilder::after) the pool, so that it stops first. Declare services
/// that submit to the batcher `after` it. A batcher can be added only once; otherwise,
/// [`build`](crate::HostBuilder::build) fails.
impl<T: Send + 'static> IntoService for &Batcher<T> {}

impl<T: Send + 'static> IntoParts for &Batcher<T> {
    fn into_parts(self, _: usize) -> Parts {
        let store = self.store().clone();
        let pool = store.core().id;
        let items = store.clone();
        Parts::from_factory(move || BatcherService(store.clone()))
            .with_items(items)
            .runs_on(pool)
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

impl<T: Send + 'static> ItemStore for Store<T> {
    fn claim(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().hosted, true)
    }

    fn release(&self) {
        self.state.lock().hosted = false;
    }

    fn join_host(&self, member: Member) {
        self.handler.membership.set(member);
    }

    fn is_idle(&self) -> bool {
        self.state.lock().count_handling() == 0
    }

    fn stats(&self) -> ItemStats {
        ItemStats::Batch(self.state.lock().stats())
    }

    fn take_out(&self) -> LeftItems {
        let mut after = AfterUnlock::new();
        let mut state = self.state.lock();
        self.seal(&mut state, &mut after);
        state.advance(Phase::Reported);
        let stats = state.stats();
        LeftItems {
            unstarted: stats.unstarted(),
            in_progress: stats.in_progress(),
            // Without a closure for them, dead letters are only logged.
            failed: match self.handler.dead_letters.has_handler() {
                true => 0,
                false => stats.dead(),
            },
            stats: ItemStats::Batch(stats),
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
                let own = self.handler.membership.stopping();
                refused.due_to(own.or_else(|| self.core().membership.stopping()))
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
        state.unstarted.add_refused(item);
    }
}
