//! Who stops a host: many at once, services themselves, drops.

use crate::common::host::{Diary, Puppet, failures, host, wait};
use crate::common::{LONG, expected_panic, is_expected, within};
use groundcrew::channel::bounded;
use groundcrew::host::{HostPhase, RunningHost, ServiceOutcome, StopReason};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;

#[test]
fn a_stop_from_many_threads_is_one_stop_and_all_get_its_report() {
    let diary = Diary::default();
    let written = diary.clone();
    let host = host(LONG, |host| {
        host.service("it", move || written.puppet("it"));
        host.service("bad", || Puppet::new().stop(|_| Err("cannot flush")?));
    });
    let host = host.start().unwrap();
    let reports: Vec<_> = within(LONG, "stops", || {
        thread::scope(|scope| {
            let stops: Vec<_> = (0..8)
                .map(|index| {
                    let handle = host.handle().clone();
                    let host = &host;
                    scope.spawn(move || match index % 4 {
                        0 => host.wait(),
                        1 => host.stop(),
                        2 => {
                            handle.request_stop("enough");
                            handle.stop()
                        }
                        _ => handle.stop(),
                    })
                })
                .collect();
            stops.into_iter().map(|it| it.join().unwrap()).collect()
        })
    });
    for report in &reports {
        assert_eq!(report.to_string(), reports[0].to_string());
        assert_eq!(failures(report).len(), 1);
    }
    assert_eq!(host.stop().to_string(), reports[0].to_string());
    let stops = diary.pages();
    assert_eq!(stops.iter().filter(|page| *page == "it stop").count(), 1);
}

#[test]
fn a_stop_from_inside_a_service_does_not_wait_for_that_service() {
    within(LONG, "caller", || {
        for waits in [false, true] {
            let slot = Arc::new(OnceLock::<groundcrew::HostHandle>::new());
            let (seen, (tell, told), diary) = (slot.clone(), bounded(1), Diary::default());
            let written = diary.clone();
            let host = host(LONG, |host| {
                let before = written.clone();
                host.service("needed", move || before.puppet("needed"));
                host.service("it", move || {
                    let (seen, tell) = (seen.clone(), tell.clone());
                    written.puppet("it").run(move |ctx| {
                        if waits {
                            ctx.token().wait();
                        }
                        while seen.get().is_none() {
                            thread::yield_now();
                        }
                        Ok(tell.send(seen.get().unwrap().stop())?)
                    })
                })
                .after(["needed"]);
            });
            let host = host.start().unwrap();
            assert!(slot.set(host.handle().clone()).is_ok());
            let report = match waits {
                true => host.stop(),
                false => host.wait(),
            };
            let inside = told.recv().unwrap();
            assert_eq!(inside.to_string(), report.to_string());
            assert!(report.is_clean(), "{report}");
            assert!(matches!(
                report.services()[0].outcome(),
                ServiceOutcome::Stopped
            ));
            assert!(matches!(
                report.services()[1].outcome(),
                ServiceOutcome::Stopping
            ));
            // It cleans up all the same, after its report.
            while !diary.pages().contains(&"it drop".to_owned()) {
                thread::yield_now();
            }
        }
    });
}

#[test]
fn a_host_that_is_dropped_inside_one_of_its_services_stops() {
    within(LONG, "dropped inside", || {
        let (give, given) = bounded::<RunningHost>(1);
        let (tell, told) = bounded(1);
        let host = host(LONG, |host| {
            host.background("it", move |ctx| {
                drop(given.recv()?);
                Ok(tell.send(ctx.is_cancelled())?)
            });
            host.background("other", wait);
        });
        let host = host.start().unwrap();
        let handle = host.handle().clone();
        give.send(host).unwrap();
        assert!(told.recv().unwrap());
        let report = handle.stop();
        assert!(matches!(report.reason(), StopReason::Dropped));
        assert!(matches!(
            report.services()[1].outcome(),
            ServiceOutcome::Stopped
        ));
    });
}

#[test]
fn dropping_a_running_host_stops_it_also_while_unwinding() {
    within(LONG, "dropped", || {
        for panics in [false, true] {
            let diary = Diary::default();
            let written = diary.clone();
            let host = host(LONG, |host| {
                host.service("it", move || written.puppet("it"));
            });
            let host = host.start().unwrap();
            let handle = host.handle().clone();
            let dropped = catch_unwind(AssertUnwindSafe(move || {
                let _host = host;
                if panics {
                    expected_panic();
                }
            }));
            assert_eq!(dropped.is_err(), panics);
            assert_eq!(handle.status().phase(), HostPhase::Done);
            assert_eq!(diary.pages().last().unwrap(), "it drop");
        }
    });
}

#[test]
fn dropping_a_host_that_never_started_calls_nothing_also_while_unwinding() {
    for panics in [false, true] {
        let diary = Diary::default();
        let (written, kept) = (diary.clone(), Arc::new(()));
        let own = kept.clone();
        let host = host(LONG, |host| {
            host.service("it", move || written.puppet("it").own(own.clone()));
        });
        let handle = host.handle();
        let dropped = catch_unwind(AssertUnwindSafe(move || {
            let _host = host;
            if panics {
                expected_panic();
            }
        }));
        if let Err(payload) = dropped {
            assert!(is_expected(payload.as_ref()));
        }
        assert!(diary.pages().is_empty() && Arc::strong_count(&kept) == 1);
        let report = handle.stop();
        assert!(report.is_clean() && matches!(report.reason(), StopReason::Dropped));
    }
}
