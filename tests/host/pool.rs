//! Pools as services of a host.

use crate::common::host::{Diary, Puppet, host, signal, wait};
use crate::common::{Gate, LONG, occupy, within};
use groundcrew::host::{ServiceOutcome, StopReason};
use groundcrew::{HostReport, Pool};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(200);
const NOISE: Duration = Duration::from_secs(5);

fn one_worker(name: &str) -> Pool {
    Pool::builder().threads(1).name(name).build().unwrap()
}

#[test]
fn a_pool_stops_after_those_who_need_it_and_its_report_is_part_of_the_hosts() {
    let (pool, diary) = (one_worker("render"), Diary::default());
    let submitter = pool.submitter();
    let host = host(LONG, |host| {
        host.add("pool", pool);
        let written = diary.clone();
        host.service("web", move || {
            let (submitter, written) = (submitter.clone(), written.clone());
            Puppet::new().stop(move |_| {
                let written = written.clone();
                Ok(submitter.execute(move || written.write("last task"))?)
            })
        })
        .after(["pool"]);
    });
    let report = within(LONG, "pool", || host.start().unwrap().stop());
    assert!(report.is_clean(), "{report}");
    assert_eq!(diary.pages(), ["last task"]);
    let pools: Vec<_> = report.pools().iter().map(|pool| pool.pool()).collect();
    assert_eq!((pools, report.pools()[0].completed()), (vec!["render"], 1));
}

/// A deadlocked task and one behind it, in a pool of a host.
fn deadlocked(gate: &Gate, ran: &Arc<AtomicUsize>) -> Pool {
    let pool = one_worker("render");
    drop(occupy(&pool, gate));
    let ran = ran.clone();
    pool.execute(move || {
        ran.fetch_add(1, SeqCst);
    })
    .unwrap();
    pool
}

fn check_leftovers(report: &HostReport, ran: &AtomicUsize) {
    assert_eq!(
        (report.is_clean(), report.exit_code()),
        (false, 75),
        "{report}"
    );
    let pool = &report.pools()[0];
    assert_eq!((pool.abandoned().len(), pool.unstarted().len()), (1, 1));
    let text = report.to_string();
    let headline = text.lines().next().unwrap();
    assert!(
        headline.ends_with(", 1 task abandoned, 1 task unstarted"),
        "{headline}"
    );
    assert_eq!(ran.load(SeqCst), 0);
    let mut unstarted = report.clone().pools()[0].take_unstarted();
    unstarted.pop().unwrap().run();
    assert_eq!(ran.load(SeqCst), 1);
}

#[test]
fn a_deadlocked_task_delays_nothing_beyond_the_deadline_and_what_is_queued_comes_back() {
    within(LONG, "deadlock", || {
        let (gate, ran) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let pool = deadlocked(&gate, &ran);
        let host = host(SHORT, |host| {
            host.add("pool", pool);
            host.background("web", wait).after(["pool"]);
        });
        let host = host.start().unwrap();
        let began = Instant::now();
        let report = host.stop();
        assert!(began.elapsed() < SHORT + NOISE);
        assert!(matches!(
            report.services()[1].outcome(),
            ServiceOutcome::Stopped
        ));
        check_leftovers(&report, &ran);
        // A second one has nothing to take.
        assert!(host.stop().pools()[0].take_unstarted().is_empty());
        gate.open();
    });
}

#[test]
fn a_pool_whose_turn_never_came_is_stopped_and_reported_all_the_same() {
    type Ends = fn(groundcrew::Host) -> HostReport;
    let ends: [Ends; 3] = [
        |host| host.handle().stop(),
        |host| {
            host.handle().request_stop("too early");
            host.start().unwrap_err().into_report()
        },
        |host| {
            host.handle().request_stop("too early");
            host.run()
        },
    ];
    for end in ends {
        within(LONG, "unstarted host", || {
            let (gate, ran) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
            let pool = deadlocked(&gate, &ran);
            let report = end(host(SHORT, |host| {
                host.add("pool", pool);
            }));
            assert!(matches!(
                report.services()[0].outcome(),
                ServiceOutcome::NotStarted
            ));
            check_leftovers(&report, &ran);
            gate.open();
        });
    }
}

#[test]
fn pools_whose_turn_never_came_do_not_cut_each_other_short() {
    within(LONG, "two pools", || {
        let (gate, (tell, told)) = (Gate::new(), signal());
        let stuck = one_worker("stuck");
        drop(occupy(&stuck, &gate));
        let heeds = one_worker("heeds");
        heeds
            .execute_with(move |ctx| {
                tell.send(()).unwrap();
                ctx.token().wait();
            })
            .unwrap();
        told.recv().unwrap();
        let host = host(4 * SHORT, |host| {
            host.add("stuck", stuck);
            host.add("heeds", heeds);
        });
        let report = host.handle().stop();
        assert_eq!(report.pools()[0].abandoned().len(), 1, "{report}");
        assert!(report.pools()[1].is_clean(), "{report}");
        gate.open();
    });
}

#[test]
fn a_pool_behind_a_failed_start_is_stopped_with_its_backlog() {
    let pool = one_worker("render");
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let ran = ran.clone();
        pool.execute(move || {
            ran.fetch_add(1, SeqCst);
        })
        .unwrap();
    }
    let host = host(LONG, |host| {
        host.startup_task("bad", |_| Err("no disk")?);
        host.add("pool", pool).after(["bad"]);
    });
    let report = within(LONG, "start", || host.start().unwrap_err().into_report());
    assert!(matches!(report.reason(), StopReason::StartFailed(_)));
    assert!(report.pools()[0].is_clean());
    assert_eq!(ran.load(SeqCst), 10);
}

#[test]
fn a_task_of_a_pool_may_stop_the_host() {
    within(LONG, "from a task", || {
        let pool = one_worker("render");
        let submitter = pool.submitter();
        let host = host(LONG, |host| {
            host.add("pool", pool);
        });
        let host = host.start().unwrap();
        let handle = host.handle().clone();
        submitter
            .execute(move || handle.request_stop("a task wants it"))
            .unwrap();
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
    });
}
