//! Errors, services and factories that panic where nobody expects it, and locks that
//! nobody holds then.

mod common;

use common::host::{OnDrop, Puppet, at_once, host, run_with, wait};
use common::{Bomb, LONG, expected_panic, within};
use groundcrew::{Ending, FailurePolicy, HostHandle};
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
        .on_failure(at_once().limit(3, LONG))
        .after(["value", "factory", "closure"]);
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
            })
            .after(fails.then_some("fails: false"));
        }
    });
    let report = within(LONG, "owned", || host.run());
    assert_eq!((Arc::strong_count(&owned), dropped.load(SeqCst)), (1, 2));
    drop(report);
}
