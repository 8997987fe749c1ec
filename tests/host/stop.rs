//! How hosts stop: contract 19.

use crate::common::host::{Diary, OnDrop, Puppet, host, signal, wait};
use crate::common::{Gate, LONG, SlowDrop, within};
use groundcrew::channel::bounded;
use groundcrew::host::{HostPhase, ServiceOutcome, ServiceState};
use groundcrew::{Host, HostReport};
use std::cell::RefCell;
use std::process::{ExitCode, Termination};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// So long a stop may take here that has something to leave behind.
const SHORT: Duration = Duration::from_millis(100);
/// What the report may take on a machine that is busy with other work.
const NOISE: Duration = Duration::from_secs(5);

fn abandoned<'a>(report: &'a HostReport, name: &str) -> &'a groundcrew::host::AbandonedService {
    let service = report.services().iter().find(|it| it.name() == name);
    match service.unwrap().outcome() {
        ServiceOutcome::Abandoned(abandoned) => abandoned,
        other => panic!("{name} is not abandoned, but {other:?}"),
    }
}

#[test]
fn dependents_stop_before_what_they_need_and_all_others_together() {
    let (diary, barrier) = (Diary::default(), Arc::new(Barrier::new(2)));
    let host = host(LONG, |host| {
        let written = diary.clone();
        host.service("first", move || written.puppet("first"));
        for name in ["left", "right"] {
            let (written, barrier) = (diary.clone(), barrier.clone());
            host.service(name, move || {
                let (written, barrier) = (written.clone(), barrier.clone());
                Puppet::new().stop(move |_| {
                    // Both are here, or neither ever gets on.
                    barrier.wait();
                    written.write("middle");
                    Ok(())
                })
            })
            .after(["first"]);
        }
        let written = diary.clone();
        host.service("last", move || written.puppet("last"))
            .after(["left", "right"]);
    });
    let report = within(LONG, "stop", || host.start().unwrap().stop());
    assert!(report.is_clean(), "{report}");
    let mut pages = diary.pages();
    pages.retain(|page| !page.ends_with("start") && !page.ends_with("run"));
    let last = ["last stop", "last drop"];
    let rest = ["middle", "middle", "first stop", "first drop"];
    assert_eq!(pages, [&last[..], &rest].concat());
}

#[test]
fn readiness_is_off_and_the_hosts_token_cancelled_before_any_stop_is_requested() {
    let slot = Arc::new(OnceLock::<groundcrew::HostHandle>::new());
    let seen = slot.clone();
    let (tell, told) = bounded(1);
    let host = host(LONG, |host| {
        host.background("it", move |ctx| {
            ctx.token().wait();
            let handle = seen.get().unwrap();
            let status = handle.status();
            Ok(tell.send((
                handle.is_ready(),
                handle.token().is_cancelled(),
                status.phase(),
                status.services()[0].state(),
            ))?)
        });
    });
    let host = host.start().unwrap();
    assert!(slot.set(host.handle().clone()).is_ok() && host.is_ready());
    assert!(host.stop().is_clean());
    let (phase, state) = (HostPhase::Stopping, ServiceState::Stopping);
    assert_eq!(told.recv().unwrap(), (false, true, phase, state));
}

#[test]
fn a_service_that_never_ends_is_abandoned_and_described_and_no_other_is_cut_short_by_it() {
    within(LONG, "deaf", || {
        let (gate, (tell, told), (say, said)) = (Gate::new(), signal(), bounded(1));
        let entrance = gate.entrance();
        let host = host(2 * SHORT, |host| {
            host.service("db", move || {
                let say = say.clone();
                Puppet::new().stop(move |ctx| Ok(say.send(ctx.time_left())?))
            });
            host.background("deaf", move |ctx| {
                ctx.note("row 3120 of 4000");
                ctx.heartbeat();
                tell.send(())?;
                entrance.pass();
                Ok(())
            })
            .after(["db"]);
            host.background("other", wait);
        });
        let host = host.start().unwrap();
        told.recv().unwrap();
        let began = Instant::now();
        let report = host.stop();
        let took = began.elapsed();
        assert!(took >= SHORT && took < 2 * SHORT + NOISE, "{took:?}");
        let deaf = abandoned(&report, "deaf");
        let thread = &deaf.threads()[0];
        assert_eq!((deaf.threads().len(), thread.name()), (1, "deaf"));
        assert_eq!(thread.note(), Some("row 3120 of 4000"));
        assert!(
            deaf.stop_requested_for().unwrap() >= SHORT && deaf.heartbeat_age().unwrap() >= SHORT
        );
        assert_eq!(thread.thread_id().is_some(), cfg!(target_os = "linux"));
        assert_eq!(thread.thread_state().is_some(), cfg!(target_os = "linux"));
        // Half of the time was for "db", which came after it.
        let left = said.recv().unwrap();
        assert!(left <= SHORT, "{left:?}");
        for kept in [0, 2] {
            let ending = report.services()[kept].outcome();
            assert!(matches!(ending, ServiceOutcome::Stopped), "{report}");
        }
        assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
        assert_eq!(report.clone().report(), ExitCode::from(75));
        let text = report.to_string();
        assert!(text.contains("row 3120 of 4000"), "{text}");
        gate.open();
    });
}

#[test]
fn a_failure_beside_an_abandoned_service_exits_with_1() {
    let (gate, (tell, told)) = (Gate::new(), signal());
    let entrance = gate.entrance();
    let host = host(SHORT, |host| {
        host.background("deaf", move |_| {
            tell.send(())?;
            entrance.pass();
            Ok(())
        });
        host.background("bad", move |_| {
            told.recv()?;
            Err("no luck")?
        });
    });
    let report = within(LONG, "both", || host.run());
    abandoned(&report, "deaf");
    assert_eq!(report.exit_code(), 1);
    gate.open();
}

#[test]
fn a_start_and_a_stop_that_never_end_are_abandoned_too() {
    within(LONG, "never", || {
        let (gate, (tell, told)) = (Gate::new(), signal());
        let (start, stop, made) = (gate.entrance(), gate.entrance(), gate.entrance());
        let host = host(SHORT, |host| {
            let starts = tell.clone();
            host.startup_task("start", move |_| {
                starts.send(())?;
                start.pass();
                Ok(())
            });
            host.service("stop", move || {
                let stop = stop.clone();
                Puppet::new().stop(move |_| {
                    stop.pass();
                    Ok(())
                })
            });
            host.service("factory", move || {
                tell.send(()).unwrap();
                made.pass();
                Puppet::new()
            });
        });
        let handle = host.handle();
        let starting = thread::spawn(move || host.start().unwrap_err().into_report());
        told.iter().take(2).count();
        while handle.status().services()[1].state() != ServiceState::Up {
            thread::yield_now();
        }
        let report = handle.stop();
        for name in ["start", "stop", "factory"] {
            abandoned(&report, name);
        }
        gate.open();
        assert_eq!(starting.join().unwrap().exit_code(), 75);
    });
}

#[test]
fn a_thread_that_does_not_leave_lingers_and_the_stop_keeps_its_deadline() {
    thread_local! {
        static SLOW: RefCell<Option<SlowDrop>> = const { RefCell::new(None) };
    }
    within(LONG, "lingering", || {
        let gate = Gate::new();
        let (local, factory) = (gate.entrance(), SlowDrop(gate.entrance()));
        let host = host(SHORT, |host| {
            host.background("local", move |ctx| {
                SLOW.set(Some(SlowDrop(local.clone())));
                wait(ctx)
            });
            host.background("factory", move |ctx| {
                let _ = &factory;
                wait(ctx)
            });
            host.background("other", wait);
        });
        let host = host.start().unwrap();
        let began = Instant::now();
        let report = host.stop();
        assert!(began.elapsed() < SHORT + NOISE);
        let mut lingering: Vec<_> = report.lingering().collect();
        lingering.sort_unstable();
        assert_eq!(lingering, ["factory", "local"]);
        assert_eq!((report.is_clean(), report.exit_code()), (false, 75));
        let endings = report.services().iter().map(|it| it.outcome());
        assert!(
            endings
                .into_iter()
                .all(|it| matches!(it, ServiceOutcome::Stopped))
        );
        gate.open();
    });
}

#[test]
fn a_request_tightens_a_stop_and_never_loosens_it() {
    within(LONG, "tightened", || {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let host = host(LONG, |host| {
            host.stop_delay(LONG / 2);
            host.background("deaf", move |_| {
                entrance.pass();
                Ok(())
            });
        });
        let host = host.start().unwrap();
        host.handle().request_stop("first");
        host.handle().request_stop_within(SHORT, "second");
        host.handle().request_stop_within(LONG, "third");
        let report = host.wait();
        assert_eq!(report.reason().to_string(), "requested: first");
        abandoned(&report, "deaf");
        gate.open();
    });
}

#[test]
fn a_stop_without_a_limit_waits_and_one_without_time_reports_at_once() {
    within(LONG, "limits", || {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let patient = host(Duration::MAX, |host| {
            host.background("slow", move |ctx| {
                assert_eq!(ctx.time_left(), Duration::MAX);
                entrance.pass();
                Ok(())
            });
        });
        let patient = patient.start().unwrap();
        patient.handle().request_stop("enough");
        gate.open();
        assert!(patient.stop().is_clean());

        let gate = Gate::new();
        let entrance = gate.entrance();
        let hasty = host(LONG, |host| {
            host.background("deaf", move |_| {
                entrance.pass();
                Ok(())
            });
            host.background("needed", wait);
        });
        let hasty = hasty.start().unwrap();
        hasty.handle().request_stop_within(Duration::ZERO, "now");
        let began = Instant::now();
        abandoned(&hasty.stop(), "deaf");
        assert!(began.elapsed() < NOISE);
        gate.open();
    });
}

#[test]
fn what_a_service_left_behind_owns_is_dropped_when_it_ends_late_and_nothing_else_changes() {
    within(LONG, "late", || {
        let (gate, (tell, told)) = (Gate::new(), signal());
        let entrance = gate.entrance();
        let host = host(SHORT, |host| {
            host.service("deaf", move || {
                let (entrance, tell) = (entrance.clone(), tell.clone());
                Puppet::new()
                    .run(move |_| {
                        entrance.pass();
                        Err("too late")?
                    })
                    .own(OnDrop::new(move || tell.send(()).unwrap()))
            });
        });
        let host = host.start().unwrap();
        let report = host.stop();
        let text = report.to_string();
        gate.open();
        told.recv().unwrap();
        assert_eq!(host.stop().to_string(), text);
        assert!(host.stop().failures().is_empty());
        assert_eq!(Host::builder().build().unwrap().run().exit_code(), 0);
    });
}

#[test]
fn in_a_host_without_a_limit_services_may_be_without_one() {
    let endless = |total: Duration| {
        let mut host = Host::builder();
        host.stop_timeout(total)
            .stop_delay(Duration::from_millis(1));
        host.background("db", wait).stop_timeout(Duration::MAX);
        host.background("cache", wait).after(["db"]);
        host.background("web", wait)
            .after(["cache"])
            .stop_timeout(Duration::MAX);
        host.build()
    };
    let host = endless(Duration::MAX).unwrap();
    let report = within(LONG, "no limit", || host.start().unwrap().stop());
    assert!(report.is_clean(), "{report}");
    // Where it has one, they cannot, and the error says so without a number of seconds.
    let error = endless(LONG).unwrap_err().to_string();
    assert!(
        error.contains("their limits are `Duration::MAX`"),
        "{error}"
    );
    assert!(!error.contains("18446744073709551615"), "{error}");
}
