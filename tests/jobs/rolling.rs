//! Rolling deploys: workers of an old and of a new release on one store.

use crate::common::{LONG, within};
use crate::parts::{ear, new_jobs, new_jobs_by, start, state, wait_for};
use groundcrew::channel::Sender;
use groundcrew::host::ServiceBuilder;
use groundcrew::jobs::{Job, JobContext, Jobs, Workers};
use groundcrew::store::{JobId, JobState};
use groundcrew::testing::ManualClock;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the old release knows.
mod old {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Mail {
        pub(super) user: u32,
    }

    impl Job for Mail {
        const KIND: &'static str = "mail";
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Order {
        pub(super) item: u32,
    }

    impl Job for Order {
        const KIND: &'static str = "order";
    }

    pub(super) fn handlers<S>(workers: Workers<S>, ran: &Sender<String>) -> Workers<S> {
        let (mails, orders) = (ran.clone(), ran.clone());
        workers
            .on(move |job: Mail, ctx: &JobContext| {
                Ok(mails.send(format!("old {} {}", ctx.kind(), job.user))?)
            })
            .on(move |job: Order, ctx: &JobContext| {
                Ok(orders.send(format!("old {} {}", ctx.kind(), job.item))?)
            })
    }
}

/// What the new one knows: a mail has a field more, which every mail has to have; an order has a new
/// name and a field more; audits are new.
mod new {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Mail {
        pub(super) user: u32,
        pub(super) language: String,
    }

    impl Job for Mail {
        const KIND: &'static str = "mail";
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct PlaceOrder {
        pub(super) item: u32,
        #[serde(default)]
        pub(super) note: Option<String>,
    }

    impl Job for PlaceOrder {
        const KIND: &'static str = "place-order";
        const ALIASES: &'static [&'static str] = &["order"];
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Audit {
        pub(super) year: u32,
    }

    impl Job for Audit {
        const KIND: &'static str = "audit";
    }

    pub(super) fn handlers<S>(workers: Workers<S>, ran: &Sender<String>) -> Workers<S> {
        let (mails, orders, audits) = (ran.clone(), ran.clone(), ran.clone());
        workers
            .on(move |job: Mail, ctx: &JobContext| {
                Ok(mails.send(format!("new {} {} {}", ctx.kind(), job.user, job.language))?)
            })
            .on(move |job: PlaceOrder, ctx: &JobContext| {
                let note = job.note.unwrap_or_default();
                Ok(orders.send(format!("new {} {} {note}", ctx.kind(), job.item))?)
            })
            .on(move |job: Audit, ctx: &JobContext| {
                Ok(audits.send(format!("new {} {}", ctx.kind(), job.year))?)
            })
    }
}

fn of_old(jobs: &Jobs) -> [JobId; 2] {
    [
        jobs.enqueue(&old::Mail { user: 1 }).unwrap(),
        jobs.enqueue(&old::Order { item: 2 }).unwrap(),
    ]
}

fn of_new(jobs: &Jobs) -> [JobId; 3] {
    let (language, note) = ("en".to_owned(), Some("a gift".to_owned()));
    [
        jobs.enqueue(&new::Mail { user: 3, language }).unwrap(),
        jobs.enqueue(&new::PlaceOrder { item: 4, note }).unwrap(),
        jobs.enqueue(&new::Audit { year: 5 }).unwrap(),
    ]
}

#[test]
fn an_old_worker_leaves_the_kinds_of_a_new_release_alone_and_reads_its_payloads() {
    let jobs = new_jobs();
    let enqueued = of_new(&jobs);
    let (sender, ran) = ear();
    let report = jobs
        .work_until_empty(|workers| old::handlers(workers, &sender))
        .unwrap();
    assert_eq!((report.claimed(), report.completed()), (1, 1));
    assert_eq!(ran.try_iter().collect::<Vec<_>>(), ["old mail 3"]);
    for id in &enqueued[1..] {
        let info = jobs.get(*id).unwrap().unwrap().info;
        assert_eq!((info.state, info.attempt), (JobState::Available, 0));
    }
    jobs.work_until_empty(|workers| new::handlers(workers, &sender))
        .unwrap();
    let expected = ["new place-order 4 a gift", "new audit 5"];
    assert_eq!(ran.try_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_a_new_worker_cannot_read_waits_for_an_old_one_and_a_renamed_kind_is_read_by_its_alias() {
    let clock = ManualClock::new();
    let jobs = new_jobs_by(&clock);
    let [mail, order] = of_old(&jobs);
    let (sender, ran) = ear();
    let report = jobs
        .work_until_empty(|workers| new::handlers(workers, &sender))
        .unwrap();
    assert_eq!(
        (report.completed(), report.failed(), report.dead()),
        (1, 1, 0)
    );
    assert_eq!(ran.try_iter().collect::<Vec<_>>(), ["new order 2 "]);
    assert_eq!(state(&jobs, order), JobState::Completed);
    let failed = jobs.get(mail).unwrap().unwrap();
    assert_eq!(failed.info.state, JobState::Scheduled);
    let error = failed.attempts[0].error.as_deref().unwrap();
    assert!(
        error.contains("mail") && error.contains("language"),
        "{error}"
    );

    clock.advance(Duration::from_secs(3600));
    let report = jobs
        .work_until_empty(|workers| old::handlers(workers, &sender))
        .unwrap();
    assert_eq!((report.completed(), report.dead()), (1, 0));
    assert_eq!(ran.try_iter().collect::<Vec<_>>(), ["old mail 1"]);
    assert_eq!(state(&jobs, mail), JobState::Completed);
}

#[test]
fn in_a_rolling_deploy_no_job_dies() {
    within(LONG, "rolling", || {
        let jobs = new_jobs();
        let (sender, _ran) = ear();
        // What the new release cannot read is soon tried again.
        let retry = || groundcrew::Retry::fixed(Duration::from_millis(20)).attempts(100_000);
        let old = start(&jobs, |workers| old::handlers(workers, &sender));
        let mut enqueued: Vec<JobId> = of_old(&jobs).into();
        let new = start(&jobs, |workers: Workers<ServiceBuilder<'_>>| {
            new::handlers(workers, &sender).retry::<new::Mail>(retry())
        });
        for _ in 0..50 {
            enqueued.extend(of_old(&jobs));
            enqueued.extend(of_new(&jobs));
        }
        for id in &enqueued {
            wait_for(&jobs, *id, JobState::Completed);
        }
        assert!(old.stop().is_clean());
        enqueued = of_new(&jobs).into();
        for id in enqueued {
            wait_for(&jobs, id, JobState::Completed);
        }
        assert!(new.stop().is_clean());
    });
}
