//! The jobs: what the handler of each does.

use crate::records::Records;
use fastrand::Rng;
use groundcrew::jobs::{Job, JobContext, JobResult, NewJob, PermanentError, RetryAfter, Snooze};
use serde::{Deserialize, Serialize};
use signal_hook::low_level::raise;
use std::thread;
use std::time::Duration;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Succeeds after this number of milliseconds, whatever is requested meanwhile.
    Succeed(u64),
    /// Succeeds after this number of milliseconds, unless its token is cancelled before.
    Heed(u64),
    /// Fails in this many attempts before it succeeds.
    Fail(u32),
    FailForGood,
    /// Is busy at first.
    Busy,
    /// Is put off, now and then.
    Snooze,
    Panic,
    /// Ends its process.
    Kill,
}

impl Job for Act {
    const KIND: &'static str = "act";
}

/// The attempts of most jobs: a kill is one, and each job is to survive many of these.
pub(crate) const ATTEMPTS: u32 = 100;
pub(crate) const A_MOMENT: Duration = Duration::from_millis(20);

/// A job with random options, under this client id.
pub(crate) fn random(rng: &mut Rng, client_id: &str) -> NewJob {
    let act = match rng.u32(0..1000) {
        0..3 => Act::Kill,
        3..600 => Act::Succeed(rng.u64(0..3)),
        600..690 => Act::Succeed(rng.u64(0..60)),
        690..700 => Act::Succeed(rng.u64(0..500)),
        700..780 => Act::Heed(rng.u64(0..400)),
        780..860 => Act::Fail(rng.u32(1..4)),
        860..880 => Act::FailForGood,
        880..920 => Act::Busy,
        920..980 => Act::Snooze,
        _ => Act::Panic,
    };
    let attempts = match act {
        Act::Kill => 2,
        Act::Panic => rng.u32(1..4),
        _ => ATTEMPTS,
    };
    let job = NewJob::of(&act)
        .client_id(client_id)
        .attempts(attempts)
        .queue(if rng.bool() { "often" } else { "seldom" })
        .priority(rng.i32(0..3));
    match rng.u32(0..20) {
        0 => job.delay(Duration::from_millis(rng.u64(0..300))),
        1 => job.expires(Duration::from_millis(rng.u64(1..300))),
        2 => job
            .timeout(Duration::from_millis(rng.u64(1..100)))
            .attempts(5),
        3 => job.unique(format!("key {}", rng.u32(0..5))),
        _ => job,
    }
}

/// The handler.
pub(crate) fn act(act: &Act, ctx: &JobContext, records: &Records) -> JobResult {
    records.begun(ctx);
    match *act {
        Act::Succeed(ms) => thread::sleep(Duration::from_millis(ms)),
        Act::Heed(ms) => ctx.sleep(Duration::from_millis(ms))?,
        Act::Fail(attempts) if ctx.attempt() <= attempts => Err("not yet")?,
        Act::FailForGood => Err(PermanentError::new("never"))?,
        Act::Busy if ctx.attempt() == 1 => Err(RetryAfter::new(A_MOMENT, "busy"))?,
        Act::Snooze if fastrand::bool() => {
            records.snoozes(ctx);
            Err(Snooze::new(A_MOMENT))?;
        }
        Act::Panic => crate::common::expected_panic(),
        Act::Kill => raise(signal_hook::consts::SIGKILL)?,
        Act::Fail(_) | Act::Busy | Act::Snooze => {}
    }
    records.succeeds(ctx);
    Ok(())
}
