//! Starts that fail, and stops that come before or during the start: contract 18.

use crate::common::host::{Diary, Puppet, failures, host, wait};
use crate::common::{LONG, expected_panic, within};
use groundcrew::channel::bounded;
use groundcrew::host::{FailedIn, HostPhase, ServiceOutcome, StopReason};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[test]
fn run_is_not_called_when_the_stop_began_before_start_returned() {
    for _ in 0..100 {
        let diary = Diary::default();
        let written = diary.clone();
        let host = host(LONG, |host| {
            host.service("it", move || {
                written.puppet("it").start(|ctx| {
                    ctx.request_stop("changed my mind");
                    Ok(())
                })
            });
        });
        let error = within(LONG, "request in start", || host.start().unwrap_err());
        assert_eq!(diary.pages(), ["it stop", "it drop"]);
        let report = error.into_report();
        assert!(report.is_clean(), "{report}");
        assert!(matches!(
            report.services()[0].outcome(),
            ServiceOutcome::Stopped
        ));
    }
}

#[test]
fn one_that_returns_before_it_said_that_it_is_ready_has_failed_one_shot_or_not() {
    for is_one_shot in [false, true] {
        let host = host(LONG, |host| {
            let service = host.background("index", |_| Ok(())).signals_ready();
            if is_one_shot {
                service.one_shot();
            }
        });
        let error = within(LONG, "index", || host.start().unwrap_err());
        assert!(matches!(
            error.report().reason(),
            StopReason::StartFailed(_)
        ));
        assert_eq!(error.report().exit_code(), 1);
    }
}

#[test]
fn a_start_that_fails_in_any_way_stops_those_before_it_in_reverse_and_is_named() {
    type Adds = fn(&mut groundcrew::HostBuilder);
    let ways: [(Adds, &str); 5] = [
        (
            |host| {
                host.startup_task("bad", |_| Err("no disk")?).after(["b"]);
            },
            "service \"bad\" failed in start: no disk",
        ),
        (
            |host| {
                host.startup_task("bad", |_| expected_panic()).after(["b"]);
            },
            "service \"bad\" panicked in start: expected by the test",
        ),
        (
            |host| {
                let factory = || -> Puppet { expected_panic() };
                host.service("bad", factory).after(["b"]);
            },
            "service \"bad\" panicked in start: expected by the test",
        ),
        (
            |host| {
                host.startup_task("bad", |ctx| Ok(ctx.sleep(Duration::MAX)?))
                    .start_timeout(Duration::from_millis(1))
                    .after(["b"]);
            },
            "service \"bad\" timed out in start: did not start within 0.001 s",
        ),
        (
            |host| {
                host.background("bad", wait)
                    .signals_ready()
                    // Enough to get so far on a machine that is busy.
                    .start_timeout(Duration::from_millis(500))
                    .after(["b"]);
            },
            "service \"bad\" timed out in start: did not call `ready` within 0.5 s",
        ),
    ];
    for (add, message) in ways {
        let diary = Diary::default();
        let host = host(LONG, |host| {
            for (name, after) in [("a", None), ("b", Some("a")), ("never", Some("bad"))] {
                let written = diary.clone();
                host.service(name, move || written.puppet(name))
                    .after(after);
            }
            add(host);
        });
        let error = within(LONG, message, || host.start().unwrap_err());
        assert_eq!(error.to_string(), message);
        let stops: Vec<_> = diary.pages();
        let at = |page: &str| stops.iter().position(|other| other == page);
        assert!(at("a start") < at("b start"), "{stops:?}");
        assert!(
            at("b drop") < at("a stop") && at("b drop").is_some(),
            "{stops:?}"
        );
        assert!(at("never start").is_none(), "{stops:?}");
        let report = error.report();
        assert_eq!(
            report.reason().failure().unwrap().failed_in(),
            FailedIn::Start
        );
        let never = report.services().iter().find(|it| it.name() == "never");
        assert!(matches!(
            never.unwrap().outcome(),
            ServiceOutcome::NotStarted
        ));
        assert_eq!((report.exit_code(), report.ran()), (1, None));
    }
}

#[test]
fn a_failed_start_hides_no_later_failure() {
    let host = host(LONG, |host| {
        host.service("a", || Puppet::new().stop(|_| Err("cannot flush")?));
        host.service("b", || Puppet::new().stop(|_| expected_panic()))
            .after(["a"]);
        host.startup_task("bad", |_| Err("no disk")?).after(["b"]);
    });
    let error = within(LONG, "failures", || host.start().unwrap_err());
    assert_eq!(
        error.to_string(),
        "service \"bad\" failed in start: no disk; \
         then service \"b\" panicked in stop: expected by the test; \
         then service \"a\" failed in stop: cannot flush"
    );
    assert_eq!(failures(error.report()).len(), 3);
}

#[test]
fn a_service_that_starts_when_another_start_fails_is_stopped_and_its_stop_is_called() {
    within(LONG, "told", || {
        let diary = Diary::default();
        let (tell, told) = bounded::<()>(0);
        let host = host(LONG, |host| {
            let written = diary.clone();
            host.service("slow", move || {
                let tell = tell.clone();
                written.puppet("slow").start(move |ctx| {
                    tell.send(())?;
                    ctx.token().wait();
                    Ok(())
                })
            });
            host.startup_task("bad", move |_| {
                told.recv()?;
                Err("no disk")?
            });
        });
        let report = host.start().unwrap_err().into_report();
        assert_eq!(
            failures(&report),
            ["service \"bad\" failed in start: no disk"]
        );
        assert!(matches!(
            report.services()[0].outcome(),
            ServiceOutcome::Stopped
        ));
        assert_eq!(diary.pages(), ["slow stop", "slow drop"]);
    });
}

#[test]
fn a_host_that_was_stopped_before_its_start_starts_nothing() {
    for by_request in [true, false] {
        let (made, count) = (Arc::new(AtomicUsize::new(0)), 3);
        let host = host(LONG, |host| {
            for index in 0..count {
                let made = made.clone();
                host.service(format!("service {index}"), move || {
                    made.fetch_add(1, SeqCst);
                    Puppet::new()
                });
            }
        });
        let handle = host.handle();
        match by_request {
            true => handle.request_stop("too early"),
            false => assert!(handle.stop().is_clean()),
        }
        let report = within(LONG, "start", || host.start().unwrap_err().into_report());
        assert_eq!(made.load(SeqCst), 0);
        assert_eq!(Arc::strong_count(&made), 1, "the factories are gone");
        assert_eq!((report.start_took(), report.exit_code()), (None, 0));
        let endings = report.services().iter();
        let unstarted = endings.filter(|it| matches!(it.outcome(), ServiceOutcome::NotStarted));
        assert_eq!(unstarted.count(), count);
        assert_eq!(handle.status().phase(), HostPhase::Done);
        assert_eq!(handle.stop().host(), report.host());
    }
}
