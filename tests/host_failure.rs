//! How services fail, and what becomes of the host: contract 20.

mod common;

use common::host::{Diary, OnDrop, Puppet, failures, host, signal, wait};
use common::{Bomb, LONG, expected_panic, within};
use groundcrew::{
    Backoff, During, Ending, FailurePolicy, HostHandle, HostReport, Permanent, Restart,
    ServiceResult, ServiceState, StopReason,
};
use std::error::Error;
use std::fmt;
use std::process::{ExitCode, Termination};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::Duration;

fn at_once() -> Restart {
    let backoff = Backoff::fixed(Duration::ZERO);
    Restart::new().backoff(backoff).limit(1_000, LONG)
}

/// The report of a host of one service, which does this in its run, beside another.
fn run_with(
    policy: impl Into<FailurePolicy>,
    mut run: impl FnMut(usize, &groundcrew::ServiceContext) -> ServiceResult + Send + 'static,
) -> HostReport {
    let mut nth = 0;
    let host = host(LONG, |host| {
        host.background("it", move |ctx| {
            nth += 1;
            run(nth, ctx)
        })
        .after(["other"])
        .on_failure(policy);
        host.background("other", wait);
    });
    within(LONG, "run", || host.run())
}

#[test]
fn by_default_each_way_to_fail_stops_the_host_and_exits_with_1() {
    type Way = fn() -> ServiceResult;
    let ways: [(Way, &str); 3] = [
        (|| Err("no luck")?, "failed in run: no luck"),
        (|| expected_panic(), "panicked in run: expected by the test"),
        (
            || Ok(()),
            "failed in run: it returned, though nobody told it",
        ),
    ];
    for (way, text) in ways {
        let report = run_with(FailurePolicy::StopHost, move |_, _| way());
        let failure = report.reason().failure().unwrap().to_string();
        assert!(failure.contains(text), "{failure}");
        assert!(matches!(report.reason(), StopReason::Failed(_)));
        assert!(matches!(report.services()[1].ending(), Ending::Stopped));
        let ended_so = match report.services()[0].ending() {
            Ending::Failed(failure) => !failure.is_panic(),
            Ending::Panicked(failure) => failure.is_panic(),
            _ => false,
        };
        assert!(ended_so && report.services()[0].has_failed(), "{report}");
        assert_eq!((report.is_clean(), report.exit_code()), (false, 1));
        assert!(report.to_string().contains("NOT CLEAN"), "{report}");
        assert_eq!(report.report(), ExitCode::from(1));
    }
}

#[test]
fn a_restart_mends_the_exit_code_and_the_failure_is_still_told() {
    let report = run_with(at_once(), |nth, ctx| match nth {
        1 => Err("no luck")?,
        2 => expected_panic(),
        _ => {
            ctx.request_stop("it is well");
            wait(ctx)
        }
    });
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (report.exit_code(), report.services()[0].restarts()),
        (0, 2)
    );
    assert_eq!(report.services()[0].failures(), 2);
    assert_eq!(
        failures(&report),
        [
            "service \"it\" failed in run: no luck",
            "service \"it\" panicked in run: expected by the test"
        ]
    );
    assert_eq!(report.report(), ExitCode::SUCCESS);
}

#[test]
fn one_that_fails_too_often_and_one_that_fails_for_good_stop_the_host() {
    let report = run_with(at_once().limit(3, LONG), |nth, _| {
        Err(format!("for the {nth}. time"))?
    });
    assert_eq!(
        (report.services()[0].restarts(), report.exit_code()),
        (3, 1)
    );
    let why = report.reason().failure().unwrap();
    assert_eq!(why.message(), "for the 4. time");

    // Caused by it is as good.
    let report = run_with(at_once(), |_, _| {
        Err(Outer(Permanent::new("no such account")))?
    });
    assert_eq!(
        (report.services()[0].restarts(), report.exit_code()),
        (0, 1)
    );
    assert_eq!(report.failures()[0].message(), "outer: no such account");
}

#[derive(Debug)]
struct Outer<E>(E);

impl<E> fmt::Display for Outer<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl<E: Error + 'static> Error for Outer<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_ignored_failure_leaves_the_others_alone_and_exits_with_1_all_the_same() {
    within(LONG, "ignored", || {
        let host = host(LONG, |host| {
            host.background("it", |_| Err("no luck")?)
                .on_failure(FailurePolicy::Ignore);
            host.background("needs it", wait).after(["it"]);
        });
        let host = host.start().unwrap();
        while host.status().services()[0].state() != ServiceState::Failed {
            thread::yield_now();
        }
        assert!(host.is_ready() && host.is_alive());
        assert_eq!(host.status().services()[0].last_failure(), Some("no luck"));
        assert_eq!(host.status().services()[1].state(), ServiceState::Up);
        let report = host.stop();
        assert!(matches!(report.reason(), StopReason::Stopped));
        assert_eq!(report.exit_code(), 1);
    });
}

#[test]
fn three_services_that_fail_together_give_three_errors() {
    let barrier = Arc::new(Barrier::new(3));
    let host = host(LONG, |host| {
        for name in ["a", "b", "c"] {
            let barrier = barrier.clone();
            host.background(name, move |_| {
                barrier.wait();
                Err(format!("{name} has no luck"))?
            });
        }
    });
    let report = within(LONG, "three", || host.run());
    let mut failures = failures(&report);
    failures.sort();
    let expected = ["a", "b", "c"].map(|n| format!("service {n:?} failed in run: {n} has no luck"));
    assert_eq!(failures, expected);
    assert!(report.services().iter().all(|it| it.has_failed()));
}

#[test]
fn a_failing_stop_is_told_beside_the_failing_run_before_it() {
    let host = host(LONG, |host| {
        host.service("it", || {
            Puppet::new()
                .run(|_| Err("cannot write")?)
                .stop(|_| Err("cannot flush")?)
        });
    });
    let report = within(LONG, "run and stop", || host.run());
    let during: Vec<_> = report.failures().iter().map(|it| it.during()).collect();
    assert_eq!(during, [During::Run, During::Stop]);
    let Ending::Failed(first) = report.services()[0].ending() else {
        panic!("{report}")
    };
    assert_eq!(first.message(), "cannot write");
}

#[test]
fn what_fails_only_in_its_stop_fails_the_host() {
    let host = host(LONG, |host| {
        host.service("it", || Puppet::new().stop(|_| Err("cannot flush")?));
    });
    let report = host.start().unwrap().stop();
    assert!(matches!(report.reason(), StopReason::Stopped));
    assert_eq!((report.is_clean(), report.exit_code()), (false, 1));
}

#[test]
fn to_be_cancelled_is_a_failure_only_before_the_service_is_told() {
    let report = run_with(FailurePolicy::StopHost, |_, _| Err(groundcrew::Cancelled)?);
    assert_eq!(report.exit_code(), 1);

    let host = host(LONG, |host| {
        host.background("sleeps", |ctx| {
            ctx.sleep(Duration::MAX).map_err(Outer)?;
            unreachable!("it sleeps for ever");
        });
    });
    let report = within(LONG, "cancelled", || host.start().unwrap().stop());
    assert!(report.is_clean(), "{report}");
}

#[test]
fn when_all_one_shot_services_have_returned_the_run_is_over_and_clean() {
    let host = host(LONG, |host| {
        host.background("import", |_| Ok(())).one_shot();
        host.background("export", |_| Ok(()))
            .one_shot()
            .after(["import"]);
    });
    let report = within(LONG, "one-shot", || host.run());
    assert!(matches!(report.reason(), StopReason::AllReturned));
    let endings = report.services().iter().map(|it| it.ending());
    assert!(endings.into_iter().all(|it| matches!(it, Ending::Returned)));
    assert_eq!((report.is_clean(), report.exit_code()), (true, 0));
}

#[test]
fn many_failures_of_one_service_are_counted_and_the_latest_kept() {
    let report = run_with(at_once(), |nth, ctx| match nth {
        ..=40 => Err(format!("number {nth}"))?,
        _ => {
            ctx.request_stop("it is well");
            wait(ctx)
        }
    });
    assert_eq!(report.services()[0].failures(), 40);
    assert_eq!(report.failures().len(), 16);
    assert_eq!(report.failures()[0].message(), "number 25");
    assert_eq!(report.failures()[15].message(), "number 40");
}

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
            // Also while the service is told to stop.
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

#[test]
fn services_and_factories_whose_drops_panic_are_survived() {
    let host = host(LONG, |host| {
        host.service("value", || Puppet::new().own(Bomb));
        let bomb = Bomb;
        host.service("factory", move || {
            let _ = &bomb;
            Puppet::new()
        });
        let bomb = Bomb;
        host.background("closure", move |ctx| {
            let _ = &bomb;
            wait(ctx)
        });
        host.service("restarted", || {
            Puppet::new().own(Bomb).run(|_| Err("no luck")?)
        })
        .on_failure(at_once().limit(3, LONG));
    });
    let report = within(LONG, "bombs", || host.run());
    assert_eq!(report.services()[3].restarts(), 3);
    for service in &report.services()[..3] {
        assert!(matches!(service.ending(), Ending::Stopped), "{report}");
    }
}

#[test]
fn a_host_that_never_started_survives_factories_whose_drops_panic() {
    let bombed = || {
        let bomb = Bomb;
        let other = Bomb;
        host(LONG, |host| {
            host.background("a", move |_| {
                let _ = &bomb;
                Ok(())
            });
            host.background("b", move |_| {
                let _ = &other;
                Ok(())
            });
        })
    };
    within(LONG, "bombs", || {
        drop(bombed());
        let host = bombed();
        host.handle().request_stop("too early");
        assert!(host.start().unwrap_err().report().is_clean());
    });
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
            });
        }
    });
    let report = within(LONG, "owned", || host.run());
    assert_eq!((Arc::strong_count(&owned), dropped.load(SeqCst)), (1, 2));
    drop(report);
}

#[test]
fn those_who_need_a_failed_service_go_on_while_it_is_restarted_and_are_told_first_otherwise() {
    within(LONG, "dependents", || {
        let (diary, (fail, failing), (tell, told)) = (Diary::default(), signal(), signal());
        let host = host(LONG, |host| {
            let written = diary.clone();
            host.service("db", move || {
                let (failing, tell) = (failing.clone(), tell.clone());
                written.puppet("db").run(move |_| {
                    tell.send(())?;
                    failing.recv()?;
                    Err("no luck")?
                })
            })
            .on_failure(at_once().limit(1, LONG));
            let written = diary.clone();
            host.service("web", move || written.puppet("web"))
                .after(["db"]);
        });
        let host = host.start().unwrap();
        told.recv().unwrap();
        fail.send(()).unwrap();
        told.recv().unwrap();
        while !host.is_ready() {
            thread::yield_now();
        }
        assert_eq!(host.status().services()[1].state(), ServiceState::Up);
        fail.send(()).unwrap();
        let report = host.wait();
        assert_eq!(report.exit_code(), 1);
        // "db" has failed and ended by itself; "web" heard of it only then.
        let pages = diary.pages();
        assert_eq!(pages.iter().filter(|page| *page == "web stop").count(), 1);
        assert_eq!(pages.iter().filter(|page| *page == "db stop").count(), 2);
        assert!(matches!(report.services()[1].ending(), Ending::Stopped));
    });
}
