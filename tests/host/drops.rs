//! Errors, services and factories that panic where nobody expects it, and locks that
//! nobody holds then.

use crate::common::host::{OnDrop, Puppet, at_once, host, run_with, wait};
use crate::common::{Bomb, LONG, expected_panic, within};
use groundcrew::host::{FailedIn, FailurePolicy, ServiceFailure, ServiceOutcome, ServiceResult};
use groundcrew::{BoxError, HostHandle, HostReport, ServiceContext, WorkQueue};
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

/// Which of its methods panics.
#[derive(Debug)]
enum Wicked {
    Display,
    Source,
    Drop(DebugBomb),
}

struct DebugBomb(Bomb);

impl fmt::Debug for DebugBomb {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl fmt::Display for Wicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wicked::Display => expected_panic(),
            _ => f.write_str("wicked"),
        }
    }
}

impl Error for Wicked {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Wicked::Source => expected_panic(),
            _ => None,
        }
    }
}

#[test]
fn an_error_that_panics_when_it_is_shown_asked_or_dropped_is_survived() {
    let wicked: [fn() -> Wicked; 3] = [
        || Wicked::Display,
        || Wicked::Source,
        || Wicked::Drop(DebugBomb(Bomb)),
    ];
    for make in wicked {
        for restarts in [false, true] {
            let policy = match restarts {
                true => at_once().limit(20, LONG).into(),
                false => FailurePolicy::StopHost,
            };
            let report = run_with(policy, move |_, _| Err(make())?);
            assert_eq!(report.exit_code(), 1);
            assert!(report.failures()[0].error().unwrap().is::<Wicked>());
            // Also while the stop of the service is requested.
            let host = host(LONG, |host| {
                host.background("it", move |ctx| {
                    wait(ctx)?;
                    Err(make())?
                });
            });
            let report = host.start().unwrap().stop();
            assert_eq!(report.exit_code(), 1, "{report}");
        }
    }
}

/// An error that asks the host how it is when it is dropped.
struct Curious(Arc<OnceLock<HostHandle>>);

impl Drop for Curious {
    fn drop(&mut self) {
        if let Some(handle) = self.0.get() {
            handle.is_ready();
            drop(handle.status());
            handle.request_stop("for nothing");
        }
    }
}

impl fmt::Debug for Curious {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Curious")
    }
}

impl fmt::Display for Curious {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("curious")
    }
}

impl Error for Curious {}

#[test]
fn no_lock_is_held_while_an_error_is_dropped() {
    let slot = Arc::new(OnceLock::new());
    let seen = slot.clone();
    let host = host(LONG, |host| {
        // So many that the oldest are dropped, while the host runs.
        host.background("it", move |_| Err(Curious(seen.clone()))?)
            .on_failure(at_once().limit(40, LONG));
    });
    assert!(slot.set(host.handle()).is_ok());
    let report = within(LONG, "curious errors", || host.run());
    assert!(report.services()[0].failures() > 16);
    drop(report);
}

/// A closure that panics when it is dropped.
fn bombed(
    mut call: impl FnMut(&ServiceContext) -> ServiceResult,
) -> impl FnMut(&ServiceContext) -> ServiceResult {
    let bomb = Bomb;
    move |ctx| {
        let _ = &bomb;
        call(ctx)
    }
}

/// How the service ended: by a panic in a drop, and by nothing else.
fn dropped_badly(report: &HostReport, name: &str) -> bool {
    let mut services = report.services().iter();
    let service = services.find(|service| service.name() == name).unwrap();
    let ServiceOutcome::Panicked(failure) = service.outcome() else {
        panic!("{name}: {report}")
    };
    let failures = report.failures().iter();
    let own = failures.filter(|failure| failure.service() == name).count();
    assert_eq!(
        (own, service.failures(), service.has_failed()),
        (1, 1, true)
    );
    failure.failed_in() == FailedIn::Drop && failure.is_panic()
}

#[test]
fn a_panic_in_the_drop_of_a_value_a_factory_or_a_closure_is_a_failure_of_the_service() {
    let host = host(LONG, |host| {
        host.service("value", || Puppet::new().own(Bomb));
        let bomb = Bomb;
        host.service("factory", move || {
            let _ = &bomb;
            Puppet::new()
        });
        host.background("closure", bombed(wait));
        host.background("plain", wait);
    });
    let report = within(LONG, "bombs", || host.start().unwrap().stop());
    for name in ["value", "factory", "closure"] {
        assert!(dropped_badly(&report, name), "{report}");
    }
    assert!(matches!(
        report.services()[3].outcome(),
        ServiceOutcome::Stopped
    ));
    assert_eq!((report.is_clean(), report.exit_code()), (false, 1));
    let message = report.failures()[0].message().to_owned();
    assert!(
        report.to_string().contains(&format!("drop: {message}")),
        "{report}"
    );
}

#[test]
fn a_closure_that_has_done_its_work_and_panics_in_its_drop_stops_the_host() {
    let host = host(LONG, |host| {
        host.background("once", bombed(|_| Ok(()))).one_shot();
        host.background("plain", wait);
    });
    let report = within(LONG, "bombs", || host.run());
    assert!(dropped_badly(&report, "once"), "{report}");
    assert_eq!(
        report.reason().failure().unwrap().failed_in(),
        FailedIn::Drop
    );
}

#[test]
fn a_value_whose_drop_panics_is_restarted_as_one_that_panics_and_hides_no_other_failure() {
    let during = |report: &HostReport| {
        let failures = report.failures().iter();
        failures.map(ServiceFailure::failed_in).collect::<Vec<_>>()
    };
    let restarted = host(LONG, |host| {
        host.service("it", || Puppet::new().own(Bomb).run(|_| Err("no luck")?))
            .on_failure(at_once().limit(3, LONG));
    });
    let report = within(LONG, "bombs", || restarted.run());
    assert_eq!(report.services()[0].restarts(), 3);
    assert_eq!(during(&report), [FailedIn::Run, FailedIn::Drop].repeat(4));

    let unstartable = host(LONG, |host| {
        host.service("it", || Puppet::new().own(Bomb).start(|_| Err("no start")?));
    });
    let report = within(LONG, "bombs", || unstartable.run());
    assert_eq!(during(&report), [FailedIn::Start, FailedIn::Drop]);
    assert_eq!(report.reason().failure().unwrap().message(), "no start");
}

#[test]
fn closures_of_a_host_that_never_started_are_in_its_report_if_their_drops_panic() {
    let never = || {
        host(LONG, |host| {
            host.background("a", bombed(|_| Ok(())));
            host.background("b", bombed(|_| Ok(())));
        })
    };
    within(LONG, "bombs", || {
        let early = never();
        early.handle().request_stop("too early");
        let report = early.start().unwrap_err().into_report();
        for name in ["a", "b"] {
            assert!(dropped_badly(&report, name), "{report}");
        }
        assert_eq!(report.exit_code(), 1);

        let dropped = never();
        let handle = dropped.handle();
        drop(dropped);
        assert_eq!(handle.stop().exit_code(), 1);
    });
}

/// Of a worker: it fails where the item says so, and its drop panics.
fn bombed_handler() -> impl FnMut(&mut bool, &ServiceContext) -> Result<(), BoxError> {
    let bomb = Bomb;
    move |panics: &mut bool, _: &ServiceContext| {
        let _ = &bomb;
        match *panics {
            true => expected_panic(),
            false => Ok(()),
        }
    }
}

#[test]
fn a_panic_in_the_drop_of_a_handler_is_a_failure_of_its_queue() {
    let queue = WorkQueue::new(8);
    let host = host(LONG, |host| {
        host.add("queue", queue.workers(2, bombed_handler));
    });
    let report = within(LONG, "bombs", || {
        let host = host.start().unwrap();
        queue.submit(false).unwrap();
        host.stop()
    });
    let during: Vec<FailedIn> = report
        .failures()
        .iter()
        .map(ServiceFailure::failed_in)
        .collect();
    assert_eq!(during, [FailedIn::Drop; 2], "{report}");
    assert!(matches!(
        report.services()[0].outcome(),
        ServiceOutcome::Panicked(_)
    ));
    assert_eq!(report.services()[0].queue().unwrap().handled(), 1);
    assert_eq!((report.is_clean(), report.exit_code()), (false, 1));
}

#[test]
fn what_a_service_owned_is_gone_when_the_report_is_made() {
    let (owned, dropped) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    let host = host(LONG, |host| {
        for fails in [false, true] {
            let (owned, dropped) = (owned.clone(), dropped.clone());
            host.service(format!("fails: {fails}"), move || {
                let (owned, dropped) = (owned.clone(), dropped.clone());
                let puppet = Puppet::new().own((
                    owned,
                    OnDrop::new(move || {
                        dropped.fetch_add(1, SeqCst);
                    }),
                ));
                match fails {
                    true => puppet.run(|_| Err("no luck")?),
                    false => puppet,
                }
            })
            .after(fails.then_some("fails: false"));
        }
    });
    let report = within(LONG, "owned", || host.run());
    assert_eq!((Arc::strong_count(&owned), dropped.load(SeqCst)), (1, 2));
    drop(report);
}
