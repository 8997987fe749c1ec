//! What a host is built from, and whether it can be.

use super::entry::Terms;
use super::error::HostBuildError;
use super::factory::Factory;
use super::graph::Graph;
use super::queue::Hosted;
use super::service::PoolSlot;
use crate::pool::Pool;
use crate::sync::Arc;
use crate::threads::LEAST_STACK;
use std::time::Duration;

/// What is known of a service before it is built.
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) after: Vec<String>,
    /// The pool that it runs on, if that is known.
    pub(super) runs_on: Option<u64>,
    /// `None`: the host's.
    pub(super) start_timeout: Option<Duration>,
    pub(super) terms: Terms,
    pub(super) factory: Factory,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Plain,
    Pool(Pool, PoolSlot),
    Queue {
        queue: Arc<dyn Hosted>,
        /// It has room and workers.
        has_room: bool,
        /// Of each worker.
        stack_size: usize,
    },
}

impl Spec {
    /// What it needs, by name: what it was said to be after, and the pool that it runs on,
    /// if that is a service, too.
    pub(super) fn needs(&self, specs: &[Spec]) -> Vec<String> {
        // Looked for by those only that run on one.
        let pool = self.runs_on.and_then(|own| {
            let is_its_pool = |spec: &&Spec| match &spec.kind {
                Kind::Pool(pool, _) => own == pool.id(),
                _ => false,
            };
            specs.iter().find(is_its_pool).map(|spec| &spec.name)
        });
        self.after.iter().chain(pool).cloned().collect()
    }

    pub(super) fn check(&self) -> Result<(), HostBuildError> {
        let limits = [
            (self.start_timeout, "start_timeout"),
            (self.terms.stop_timeout, "stop_timeout"),
            (self.terms.heartbeat, "heartbeat_timeout"),
        ];
        for (limit, method) in limits {
            if limit == Some(Duration::ZERO) {
                return Err(HostBuildError::ZeroLimit {
                    service: self.name.clone(),
                    limit: method,
                });
            }
        }
        match self.kind {
            Kind::Queue {
                has_room: false, ..
            } => Err(HostBuildError::EmptyQueue(self.name.clone())),
            Kind::Queue { stack_size, .. } if stack_size < LEAST_STACK => {
                Err(HostBuildError::SmallStack(stack_size))
            }
            Kind::Pool(..) if self.terms.heartbeat.is_some() => {
                Err(HostBuildError::PoolHeartbeat(self.name.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// For each service what those that it needs may take to stop after it, where the whole
/// stop may take `total`, of which `delay` passes before.
pub(super) fn times_to_stop(
    specs: &[Spec],
    graph: &Graph,
    total: Duration,
    delay: Duration,
) -> Result<Vec<Duration>, HostBuildError> {
    let limits: Vec<Option<Duration>> = specs.iter().map(|spec| spec.terms.stop_timeout).collect();
    let left = match total {
        // No limit is none after the delay either.
        Duration::MAX => Some(total),
        _ => total.checked_sub(delay),
    };
    let below = match left {
        Some(left) => graph.times_below(&limits, left),
        None => Err((Vec::new(), Duration::ZERO)),
    };
    below.map_err(|(chain, takes)| HostBuildError::NoTimeToStop {
        chain: chain
            .iter()
            .map(|index| specs[*index].name.clone())
            .collect(),
        takes,
        delay,
        total,
    })
}

/// All of them, or none.
pub(super) fn claim_queues(specs: &[Spec]) -> Result<(), HostBuildError> {
    let queues = || {
        specs.iter().filter_map(|spec| match &spec.kind {
            Kind::Queue { queue, .. } => Some((spec, queue)),
            _ => None,
        })
    };
    for (claimed, (spec, queue)) in queues().enumerate() {
        if !queue.claim() {
            queues()
                .take(claimed)
                .for_each(|(_, queue)| queue.release());
            return Err(HostBuildError::QueueTaken(spec.name.clone()));
        }
    }
    Ok(())
}
