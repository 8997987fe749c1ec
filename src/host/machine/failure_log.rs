//! The failures that the report shows.

use crate::host::failure::ServiceFailure;
use std::mem;

/// The number of failures kept of one service, the latest; others are only counted.
pub(super) const MAX_KEPT: usize = 16;

/// Every failure but those before a service's latest, in the order in which they happened.
///
/// Errors are the program's code, and so are their drops. What is kept no longer waits here for
/// a thread that drops it without the host's lock.
#[derive(Default)]
pub(in crate::host) struct FailureLog {
    kept: Vec<ServiceFailure>,
    evicted: Vec<ServiceFailure>,
}

impl FailureLog {
    pub(in crate::host) fn kept(&self) -> &[ServiceFailure] {
        &self.kept
    }

    pub(super) fn push(&mut self, failure: ServiceFailure) {
        let is_of_service = |other: &ServiceFailure| other.service() == failure.service();
        let count = self
            .kept
            .iter()
            .filter(|other| is_of_service(other))
            .count();
        if count == MAX_KEPT {
            if let Some(oldest) = self.kept.iter().position(is_of_service) {
                self.evicted.push(self.kept.remove(oldest));
            }
        }
        self.kept.push(failure);
    }

    /// These are not kept, and must not be dropped under the lock.
    pub(in crate::host) fn evict(&mut self, failures: impl IntoIterator<Item = ServiceFailure>) {
        self.evicted.extend(failures);
    }

    /// What the caller drops once it has released the lock.
    pub(in crate::host) fn take_evicted(&mut self) -> Vec<ServiceFailure> {
        mem::take(&mut self.evicted)
    }
}
