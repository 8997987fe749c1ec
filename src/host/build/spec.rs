//! A service before the host is built, and whether the host can be.

use super::factory::Factory;
use super::graph::Graph;
use super::parts::{Kind, Parts, Workers};
use super::stop_times::times_below;
use crate::host::error::HostBuildError;
use crate::host::machine::{Options, StopLimits};
use crate::threads::LEAST_STACK;
use std::time::Duration;

/// What is known of a service before it is built.
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) after: Vec<String>,
    /// `None`: the host's.
    pub(super) start_timeout: Option<Duration>,
    pub(super) options: Options,
    pub(super) factory: Factory,
    pub(super) kind: Kind,
    /// The pool that it runs on, if that is known.
    runs_on: Option<u64>,
}

impl Spec {
    pub(super) fn new(name: String, parts: Parts) -> Spec {
        Spec {
            factory: Factory::new(&name, parts.make),
            name,
            after: Vec::new(),
            start_timeout: None,
            options: parts.options,
            kind: parts.kind,
            runs_on: parts.runs_on,
        }
    }

    /// The names of what it needs: what it was declared to be after, and the pool that it runs
    /// on, if that is a service, too.
    pub(super) fn needs(&self, specs: &[Spec]) -> Vec<String> {
        let pool = self.runs_on.and_then(|own| {
            let is_its_pool = |spec: &&Spec| match &spec.kind {
                Kind::Pool(pool, _) => own == pool.id(),
                _ => false,
            };
            specs.iter().find(is_its_pool).map(|spec| &spec.name)
        });
        self.after.iter().chain(pool).cloned().collect()
    }

    /// `start_timeout`: that of the host.
    pub(super) fn check(&self, start_timeout: Duration) -> Result<(), HostBuildError> {
        let start_timeout = self.start_timeout.unwrap_or(start_timeout);
        let limits = [
            (Some(start_timeout), "start_timeout"),
            (self.options.stop_timeout, "stop_timeout"),
            (self.options.heartbeat_timeout, "heartbeat_timeout"),
        ];
        for (limit, method) in limits {
            if limit == Some(Duration::ZERO) {
                return Err(HostBuildError::ZeroLimit {
                    service: self.name.clone(),
                    limit: method,
                });
            }
        }
        if let Some(store) = self.kind.items() {
            store.check().map_err(|problem| HostBuildError::Workers {
                service: self.name.clone(),
                problem,
            })?;
        }
        match &self.kind {
            Kind::Queue(_, workers) => self.check_workers(*workers),
            Kind::Pool(..) if self.options.heartbeat_timeout.is_some() => {
                Err(HostBuildError::PoolHeartbeat(self.name.clone()))
            }
            _ => Ok(()),
        }
    }

    fn check_workers(&self, workers: Workers) -> Result<(), HostBuildError> {
        if workers.count == 0 || workers.capacity == 0 {
            Err(HostBuildError::EmptyQueue(self.name.clone()))
        } else if workers.stack_size < LEAST_STACK {
            Err(HostBuildError::SmallStack(workers.stack_size))
        } else {
            Ok(())
        }
    }
}

/// For each service what those that it needs may take to stop after it.
pub(super) fn times_to_stop(
    specs: &[Spec],
    graph: &Graph,
    stop: StopLimits,
) -> Result<Vec<Duration>, HostBuildError> {
    let limits = specs.iter().map(|spec| spec.options.stop_timeout);
    let limits: Vec<Option<Duration>> = limits.collect();
    let StopLimits { total, delay } = stop;
    let left = match total {
        // No limit is none after the delay either.
        Duration::MAX => Some(total),
        _ => total.checked_sub(delay),
    };
    // A delay that is longer than the whole stop leaves nothing, even without services.
    let below = match left {
        Some(left) => times_below(graph, &limits, left),
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

/// Claims the items of all services, or of none.
pub(super) fn claim_items(specs: &[Spec]) -> Result<(), HostBuildError> {
    let stores = || specs.iter().filter_map(|spec| spec.kind.items());
    let named = specs
        .iter()
        .filter_map(|spec| Some((&spec.name, spec.kind.items()?)));
    for (claimed, (name, store)) in named.enumerate() {
        if !store.claim() {
            stores().take(claimed).for_each(|store| store.release());
            return Err(HostBuildError::QueueTaken(name.clone()));
        }
    }
    Ok(())
}
