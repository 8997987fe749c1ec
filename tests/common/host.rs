//! Services for the tests of hosts.

use super::{LONG, within};
use groundcrew::channel::{Receiver, Sender, unbounded};
use groundcrew::host::{FailurePolicy, Restart, ServiceResult};
use groundcrew::retry::Backoff;
use groundcrew::{Host, HostBuilder, HostReport, Service, ServiceContext};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Part = Box<dyn FnMut(&ServiceContext) -> ServiceResult>;

/// A service whose parts are closures. Without any it starts, waits and stops.
#[derive(Default)]
pub(crate) struct Puppet {
    start: Option<Part>,
    run: Option<Part>,
    stop: Option<Part>,
    /// Goes with the value.
    _own: Option<Box<dyn std::any::Any>>,
}

impl Puppet {
    pub(crate) fn new() -> Puppet {
        Puppet::default()
    }

    pub(crate) fn start(
        mut self,
        part: impl FnMut(&ServiceContext) -> ServiceResult + 'static,
    ) -> Puppet {
        self.start = Some(Box::new(part));
        self
    }

    pub(crate) fn run(
        mut self,
        part: impl FnMut(&ServiceContext) -> ServiceResult + 'static,
    ) -> Puppet {
        self.run = Some(Box::new(part));
        self
    }

    pub(crate) fn stop(
        mut self,
        part: impl FnMut(&ServiceContext) -> ServiceResult + 'static,
    ) -> Puppet {
        self.stop = Some(Box::new(part));
        self
    }

    pub(crate) fn own(mut self, value: impl std::any::Any) -> Puppet {
        self._own = Some(Box::new(value));
        self
    }
}

impl Service for Puppet {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.start.as_mut().map_or(Ok(()), |start| start(ctx))
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        match &mut self.run {
            Some(run) => run(ctx),
            None => wait(ctx),
        }
    }

    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.stop.as_mut().map_or(Ok(()), |stop| stop(ctx))
    }
}

/// Until its stop is requested.
pub(crate) fn wait(ctx: &ServiceContext) -> ServiceResult {
    ctx.token().wait();
    Ok(())
}

/// What happened, in its order.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(crate) fn write(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    pub(crate) fn pages(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// A service that writes of its parts and of its drop.
    pub(crate) fn puppet(&self, name: &str) -> Puppet {
        let part = |part: &str| {
            let (diary, text) = (self.clone(), format!("{name} {part}"));
            move || diary.write(text.clone())
        };
        let (start, run, stop) = (part("start"), part("run"), part("stop"));
        Puppet::new()
            .start(move |_| {
                start();
                Ok(())
            })
            .run(move |ctx| {
                run();
                wait(ctx)
            })
            .stop(move |_| {
                stop();
                Ok(())
            })
            .own(OnDrop::new(part("drop")))
    }
}

/// Calls its closure when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(call: F) -> OnDrop<F> {
        OnDrop(Some(call))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// A message that something has come so far.
pub(crate) fn signal() -> (Sender<()>, Receiver<()>) {
    unbounded()
}

/// A host whose stop may take so long, and to which `add` adds.
pub(crate) fn host(limit: Duration, add: impl FnOnce(&mut HostBuilder)) -> Host {
    let mut host = Host::builder();
    host.stop_timeout(limit);
    add(&mut host);
    host.build().unwrap()
}

/// What the report says of each failure.
pub(crate) fn failures(report: &HostReport) -> Vec<String> {
    report.failures().iter().map(ToString::to_string).collect()
}

/// A restart without a pause, as often as a test needs it.
pub(crate) fn at_once() -> Restart {
    let backoff = Backoff::fixed(Duration::ZERO);
    Restart::new().backoff(backoff).limit(1_000, LONG)
}

/// The report of a host of one service, which does this in its run, beside another.
pub(crate) fn run_with(
    policy: impl Into<FailurePolicy>,
    mut run: impl FnMut(usize, &ServiceContext) -> ServiceResult + Send + 'static,
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
