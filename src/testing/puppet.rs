//! A service whose parts are closures.

use super::Diary;
use crate::host::{Service, ServiceContext, ServiceResult};
use std::fmt;

type Part = Box<dyn FnMut(&ServiceContext) -> ServiceResult>;

/// A [`Service`] made of closures, for tests of hosts. A method without a closure does what
/// [`Service`] does by default: the service starts, waits for the stop, and stops.
///
/// With a [`diary`](Self::diary), it records which methods are called. The entries are the name of
/// the service and the method: `web start`, `web run`, `web stop`, and `web drop` when the value is
/// dropped, as before each restart.
///
/// # Examples
///
/// A service that fails once is restarted, with a new value:
///
/// ```
/// use groundcrew::testing::{Diary, Puppet};
/// use groundcrew::Host;
/// use groundcrew::host::Restart;
/// use groundcrew::retry::Backoff;
/// use std::time::Duration;
///
/// let diary = Diary::new();
/// let of_web = diary.clone();
/// let mut attempts = 0;
/// let mut host = Host::builder();
/// host.service("web", move || {
///     attempts += 1;
///     let puppet = Puppet::new().diary(&of_web);
///     match attempts {
///         1 => puppet.run(|_| Err("the port is taken")?),
///         _ => puppet,
///     }
/// })
/// .on_failure(Restart::new().backoff(Backoff::fixed(Duration::ZERO)));
///
/// let host = host.build()?.start()?;
/// diary.wait_for("web run", 2);
/// assert!(host.stop().is_clean());
/// assert_eq!(
///     diary.entries(),
///     [
///         "web start", "web run", "web stop", "web drop", // failed
///         "web start", "web run", "web stop", "web drop",
///     ]
/// );
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Default)]
pub struct Puppet {
    start: Option<Part>,
    run: Option<Part>,
    stop: Option<Part>,
    diary: Option<Diary>,
    /// That of the service, once a part was called.
    name: Option<String>,
}

impl Puppet {
    /// Creates a service that starts, waits for the stop, and stops.
    pub fn new() -> Puppet {
        Puppet::default()
    }

    /// Sets what [`start`](Service::start) does.
    pub fn start(mut self, part: impl FnMut(&ServiceContext) -> ServiceResult + 'static) -> Puppet {
        self.start = Some(Box::new(part));
        self
    }

    /// Sets what [`run`](Service::run) does.
    pub fn run(mut self, part: impl FnMut(&ServiceContext) -> ServiceResult + 'static) -> Puppet {
        self.run = Some(Box::new(part));
        self
    }

    /// Sets what [`stop`](Service::stop) does.
    pub fn stop(mut self, part: impl FnMut(&ServiceContext) -> ServiceResult + 'static) -> Puppet {
        self.stop = Some(Box::new(part));
        self
    }

    /// Sets a diary in which each method is recorded before it runs. Defaults to none.
    pub fn diary(mut self, diary: &Diary) -> Puppet {
        self.diary = Some(diary.clone());
        self
    }

    fn called(&mut self, part: &str, ctx: &ServiceContext) {
        let name = self.name.get_or_insert_with(|| ctx.name().to_owned());
        if let Some(diary) = &self.diary {
            diary.write(format!("{name} {part}"));
        }
    }
}

impl Service for Puppet {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.called("start", ctx);
        self.start.as_mut().map_or(Ok(()), |start| start(ctx))
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.called("run", ctx);
        match &mut self.run {
            Some(run) => run(ctx),
            None => ctx.wait(),
        }
    }

    fn stop(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.called("stop", ctx);
        self.stop.as_mut().map_or(Ok(()), |stop| stop(ctx))
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if let (Some(diary), Some(name)) = (&self.diary, &self.name) {
            diary.write(format!("{name} drop"));
        }
    }
}

impl fmt::Debug for Puppet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Puppet")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
