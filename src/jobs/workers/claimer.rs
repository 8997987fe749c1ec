//! The thread that claims jobs, when there is room for them.

use super::core::Core;
use super::health::Part;
use super::room::Room;
use super::weights::WeightedQueues;
use crate::store::{ClaimRequest, KindRequest, StoreError, WorkerId};
use std::time::Duration;

/// What other machines enqueue is noticed within this.
const POLL: Duration = Duration::from_secs(1);

/// Claims jobs until a stop is requested.
pub(super) fn claim_jobs(core: &Core) {
    let mut queues = WeightedQueues::new(&core.setup.queues);
    while let Some((worker, room)) = core.wait_for_room() {
        // Before the claim, so that nothing is missed.
        let seen = core.store().version();
        match claim(core, worker, room, &mut queues) {
            Ok(0) => drop(core.store().wait_for_change(seen, POLL)),
            Ok(_) => {}
            Err(pause) => drop(core.stopping.wait_timeout(pause)),
        }
    }
}

/// Claims what there is room for, and returns the number of jobs; or how long to wait, after a
/// failure.
pub(super) fn claim(
    core: &Core,
    worker: WorkerId,
    room: Room,
    queues: &mut WeightedQueues,
) -> Result<usize, Duration> {
    let kinds = core.kinds();
    let kinds: Vec<KindRequest<'_>> = kinds
        .iter()
        .map(|(kind, max_attempts, expected)| KindRequest {
            kind,
            expected: *expected,
            max_attempts: *max_attempts,
        })
        .collect();
    let request = ClaimRequest {
        worker,
        queues: &queues.next_order(),
        kinds: &kinds,
        budget: room.budget,
        most: room.most,
    };
    let claim = loop {
        match core.store().claim(&request) {
            // What it has discarded was in the way of others.
            Ok(claim)
                if claim.has_more && claim.jobs.is_empty() && !core.stopping.is_cancelled() =>
            {
                core.unreadable(claim.unreadable);
            }
            claim => break claim,
        }
    };
    match claim {
        Ok(claim) => {
            core.unreadable(claim.unreadable);
            let count = claim.jobs.len();
            core.claimed(worker, claim.jobs);
            core.succeeded(Part::Claim);
            Ok(count)
        }
        Err(StoreError::LeaseLost { .. }) => {
            core.claim_failed();
            core.lease_lost(worker);
            Err(Duration::ZERO)
        }
        Err(error) => {
            core.claim_failed();
            Err(core.failed(Part::Claim, error))
        }
    }
}
