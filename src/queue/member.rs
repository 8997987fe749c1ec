//! What a pool, a queue or a batcher knows of the host that it is a service of.

use crate::causes::with_cause;
use crate::sync::{Acquire, Arc, AtomicBool, Mutex};
use std::error::Error;
use std::fmt;

/// A service of a host. As an error: the source of a refusal that is due to the host's stop.
#[derive(Debug)]
pub(crate) struct Member {
    /// The host's name. Its address tells hosts of the same name apart.
    pub(crate) host: Arc<str>,
    /// The index of the service.
    pub(crate) service: usize,
    /// Whether the stop of the host has begun. Set by the host before it stops any service,
    /// Release; read by those that are refused, Acquire.
    pub(crate) is_stopping: Arc<AtomicBool>,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {} is stopping", self.host)
    }
}

impl Error for Member {}

/// Where a pool, a queue or a batcher keeps it.
#[derive(Default)]
pub(crate) struct Membership(Mutex<Option<Arc<Member>>>);

impl Membership {
    #[cfg(not(loom))]
    pub(crate) fn set(&self, member: Member) {
        *self.0.lock() = Some(Arc::new(member));
    }

    /// The host's, if its stop has begun.
    pub(crate) fn stopping(&self) -> Option<Arc<Member>> {
        let member = self.0.lock();
        member
            .as_ref()
            .filter(|member| member.is_stopping.load(Acquire))
            .cloned()
    }

    /// Whether an error is due to the stop of this host. One that is due to the stop of
    /// another host, or of any host where this is a service of none, is an error like others.
    pub(crate) fn explains(&self, error: &(dyn Error + 'static)) -> bool {
        self.stopping().is_some_and(|own| {
            let is_own = |other: &Member| Arc::ptr_eq(&own.host, &other.host).then_some(());
            with_cause(error, is_own).is_some()
        })
    }
}
