//! The jobs: what the handler of each does.

use crate::records::{Records, Said};
use fastrand::Rng;
use groundcrew::jobs::{Job, JobContext, JobResult, NewJob, PermanentError, RetryAfter, Snooze};
use serde::{Deserialize, Serialize};
use signal_hook::low_level::raise;
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
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

impl Act {
    /// Whether its handler may ever return `Ok`.
    pub(crate) fn may_succeed(self) -> bool {
        !matches!(self, Act::FailForGood | Act::Panic | Act::Kill)
    }
}

/// A job with its options. Times are milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) client_id: String,
    pub(crate) act: Act,
    pub(crate) attempts: u32,
    pub(crate) expires: Option<u64>,
    /// The length of the payload, about.
    length: usize,
    queue: String,
    priority: i32,
    delay: Option<u64>,
    timeout: Option<u64>,
    unique: Option<u32>,
}

/// The payload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Deed {
    client_id: String,
    act: Act,
    length: usize,
    /// The client id, again and again.
    filling: String,
}

impl Job for Deed {
    const KIND: &'static str = "deed";
}

/// The attempts of most jobs: a kill is one, and each job is to survive many of these.
pub(crate) const ATTEMPTS: u32 = 100;
pub(crate) const A_MOMENT: Duration = Duration::from_millis(20);

impl Plan {
    pub(crate) fn random(rng: &mut Rng, client_id: &str) -> Plan {
        let act = match rng.u32(0..1000) {
            0..6 => Act::Kill,
            6..600 => Act::Succeed(rng.u64(0..3)),
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
            Act::Kill => 3,
            Act::Panic => rng.u32(1..4),
            _ => ATTEMPTS,
        };
        // A page has 4 KiB: most lie in one, some have a chain of them.
        let length = match rng.u32(0..200) {
            0 => rng.usize(0..200_000),
            1..12 => rng.usize(0..20_000),
            _ => rng.usize(0..50),
        };
        let mut plan = Plan {
            client_id: client_id.to_owned(),
            act,
            attempts,
            expires: None,
            length,
            queue: if rng.bool() { "often" } else { "seldom" }.to_owned(),
            priority: rng.i32(0..3),
            delay: None,
            timeout: None,
            unique: None,
        };
        match rng.u32(0..20) {
            0 => plan.delay = Some(rng.u64(0..300)),
            1 => plan.expires = Some(rng.u64(1..300)),
            2 => {
                plan.timeout = Some(rng.u64(1..100));
                plan.attempts = plan.attempts.min(5);
            }
            3 => plan.unique = Some(rng.u32(0..5)),
            _ => {}
        }
        plan
    }

    pub(crate) fn job(&self) -> NewJob {
        let deed = Deed {
            client_id: self.client_id.clone(),
            act: self.act,
            length: self.length,
            filling: filling(&self.client_id, self.length),
        };
        let mut job = NewJob::of(&deed)
            .client_id(&self.client_id)
            .attempts(self.attempts)
            .queue(&self.queue)
            .priority(self.priority);
        if let Some(delay) = self.delay {
            job = job.delay(Duration::from_millis(delay));
        }
        if let Some(expires) = self.expires {
            job = job.expires(Duration::from_millis(expires));
        }
        if let Some(timeout) = self.timeout {
            job = job.timeout(Duration::from_millis(timeout));
        }
        if let Some(key) = self.unique {
            job = job.unique(format!("key {key}"));
        }
        job
    }
}

fn filling(client_id: &str, length: usize) -> String {
    client_id.chars().cycle().take(length).collect()
}

impl Deed {
    /// The handler.
    pub(crate) fn run(&self, ctx: &JobContext, records: &Records) -> JobResult {
        let note = |said| records.note(said, ctx, &self.client_id);
        note(Said::Begun);
        if self.filling != filling(&self.client_id, self.length) {
            records.complain(format!("the payload of {} is damaged", self.client_id));
        }
        if self.act == Act::Panic {
            note(Said::Fails);
            crate::common::expected_panic();
        }
        let result = self.act.perform(ctx);
        note(match &result {
            Ok(()) => Said::Succeeds,
            Err(error) if error.is::<Snooze>() => Said::Snoozes,
            Err(_) => Said::Fails,
        });
        result
    }
}

impl Act {
    fn perform(self, ctx: &JobContext) -> JobResult {
        match self {
            Act::Succeed(ms) => thread::sleep(Duration::from_millis(ms)),
            Act::Heed(ms) => ctx.sleep(Duration::from_millis(ms))?,
            Act::Fail(attempts) if ctx.attempt() <= attempts => Err("not yet")?,
            Act::FailForGood => Err(PermanentError::new("never"))?,
            Act::Busy if ctx.attempt() == 1 => Err(RetryAfter::new(A_MOMENT, "busy"))?,
            Act::Snooze if fastrand::bool() => Err(Snooze::new(A_MOMENT))?,
            Act::Kill => raise(signal_hook::consts::SIGKILL)?,
            Act::Fail(_) | Act::Busy | Act::Snooze | Act::Panic => {}
        }
        Ok(())
    }
}
