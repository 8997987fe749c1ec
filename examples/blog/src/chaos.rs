//! What goes wrong on purpose.
//!
//! `--chaos SERVICE=FAULT` lets a service fail once, or be slow all the time:
//!
//! | fault | what happens |
//! | --- | --- |
//! | `panic` | its first piece of work panics |
//! | `hang` | its first piece of work never ends, stop or no stop |
//! | `fail-start` | its start fails |
//! | `fail` | its first piece of work fails |
//! | `slow` | each piece of work takes 0.2 s longer |
//!
//! A piece of work is a request to the sink; the reading of a post; the search itself; an
//! email; a batch of events; a run of what goes by the clock; for visitors, the status and
//! the new index all that they do.
//!
//! # The last lines
//!
//! What follows from it, with five posts, and an email and an event that were left over. A
//! test runs each of these, with `--run-for 600 --stop-timeout 1000`, and looks for the code
//! and for the words in what is printed: numbers of tasks are `#_`, spaces are one.
//!
//! | chaos | exit code | what the last lines say |
//! | --- | --- | --- |
//! | `sink=panic` | 1 | `panicked "sink" run: chaos` |
//! | `sink=hang` | 75 | `abandoned "sink" stop requested` |
//! | `sink=fail-start` | 1 | `failed "sink" start: chaos` |
//! | `sink=fail` | 1 | `failed "sink" run: chaos` |
//! | `sink=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `reindex=panic` | 1 | `panicked "reindex" start: chaos` |
//! | `reindex=hang` | 1 | `service "reindex" timed out in start`, `abandoned "reindex" stop requested` |
//! | `reindex=fail-start` | 1 | `failed "reindex" start: chaos` |
//! | `reindex=fail` | 1 | `failed "reindex" start: chaos` |
//! | `reindex=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `posts=panic` | 75 | `posts: 4 indexed, 1 not`, `the task panicked: chaos` |
//! | `posts=hang` | 1 | `failed "posts" start: did not start within`, `abandoned #_ "read posts/` |
//! | `posts=fail-start` | 1 | `failed "posts" start: chaos` |
//! | `posts=fail` | 75 | `posts: 4 indexed, 1 not`, `.md: chaos` |
//! | `posts=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `search=panic` | 1 | `panicked "search" run: chaos` |
//! | `search=hang` | 75 | `abandoned "search" stop requested` |
//! | `search=fail-start` | 1 | `failed "search" start: chaos` |
//! | `search=fail` | 1 | `failed "search" run: chaos` |
//! | `search=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `emails=panic` | 75 | `not sent:`, `1 kept in` |
//! | `emails=hang` | 75 | `abandoned "emails" stop requested`, `1 kept in` |
//! | `emails=fail-start` | 1 | `failed "emails" start: chaos` |
//! | `emails=fail` | 75 | `not sent:`, `1 kept in` |
//! | `emails=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `analytics=panic` | 0 | `batcher "events"`, `panicked: chaos`, `0 kept in` |
//! | `analytics=hang` | 75 | `not flushed:`, `abandoned #_ "events" network-0 running` |
//! | `analytics=fail-start` | 1 | `failed "analytics" start: chaos` |
//! | `analytics=fail` | 0 | `posts: 5 indexed, 0 not`, `0 kept in` |
//! | `analytics=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `links=panic` | 0 | `task #_ "links"`, `panicked: chaos` |
//! | `links=hang` | 75 | `abandoned #_ "links"` |
//! | `links=fail-start` | 1 | `failed "links" start: chaos` |
//! | `links=fail` | 0 | `schedule "links" failed: chaos` |
//! | `links=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `cache=panic` | 0 | `task #_ "cache"`, `panicked: chaos` |
//! | `cache=hang` | 75 | `abandoned #_ "cache"` |
//! | `cache=fail-start` | 1 | `failed "cache" start: chaos` |
//! | `cache=fail` | 0 | `schedule "cache" failed: chaos` |
//! | `cache=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `newsletter=panic` | 0 | `task #_ "newsletter"`, `panicked: chaos` |
//! | `newsletter=hang` | 75 | `abandoned #_ "newsletter"` |
//! | `newsletter=fail-start` | 1 | `failed "newsletter" start: chaos` |
//! | `newsletter=fail` | 0 | `schedule "newsletter" failed: chaos` |
//! | `newsletter=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `visitors=panic` | 0 | `service "visitors" panicked in run: chaos` |
//! | `visitors=hang` | 75 | `abandoned "visitors" stop requested` |
//! | `visitors=fail-start` | 1 | `failed "visitors" start: chaos` |
//! | `visitors=fail` | 0 | `service "visitors" failed in run: chaos` |
//! | `visitors=slow` | 0 | `posts: 5 indexed, 0 not` |
//! | `status=panic` | 1 | `panicked "status" run: chaos` |
//! | `status=hang` | 75 | `abandoned "status" stop requested` |
//! | `status=fail-start` | 1 | `failed "status" start: chaos` |
//! | `status=fail` | 1 | `failed "status" run: chaos` |
//! | `status=slow` | 0 | `posts: 5 indexed, 0 not` |
//!
//! So a post that cannot be read, and an email that cannot be sent, cost themselves only;
//! they are named, and tried again by the next start. A job that fails keeps its schedule.
//! Visitors are started again. The status may fail, and is told of in the exit code. For all
//! others the host stops: without a sink, an index or a search there is no blog. A
//! part that hangs is named, and not waited for beyond the deadline.

use groundcrew::host::ServiceResult;
use groundcrew::{Service, ServiceContext};
use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// The services that can be made to fail.
const SERVICES: [&str; 11] = [
    "sink",
    "reindex",
    "posts",
    "search",
    "emails",
    "analytics",
    "links",
    "cache",
    "newsletter",
    "visitors",
    "status",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Panics at its first piece of work.
    Panic,
    /// Never returns from its first piece of work, stop or no stop.
    Hang,
    /// Its start fails.
    FailStart,
    /// Its first piece of work fails.
    Fail,
    /// Each piece of work takes longer.
    Slow,
}

/// So much longer.
const SLOW: Duration = Duration::from_millis(200);

/// As in `search=panic`.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    service: &'static str,
    fault: Fault,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        let (name, fault) = text.split_once('=').unwrap_or((text, ""));
        let service = SERVICES.into_iter().find(|service| *service == name);
        let service = service
            .ok_or_else(|| format!("no service {name:?}; one of {}", SERVICES.join(", ")))?;
        let fault = match fault {
            "panic" => Fault::Panic,
            "hang" => Fault::Hang,
            "fail-start" => Fault::FailStart,
            "fail" => Fault::Fail,
            "slow" => Fault::Slow,
            _ => {
                return Err(format!(
                    "write {name}=panic, hang, fail-start, fail or slow"
                ));
            }
        };
        Ok(Choice { service, fault })
    }
}

/// A clone shares whether it has happened.
#[derive(Clone)]
pub(crate) struct Chaos {
    choice: Option<Choice>,
    has_happened: Arc<AtomicBool>,
}

type Happened = Result<(), Box<dyn Error + Send + Sync>>;

impl Chaos {
    pub(crate) fn new(choice: Option<Choice>) -> Chaos {
        Chaos {
            choice,
            has_happened: Arc::default(),
        }
    }

    pub(crate) fn is_for(&self, service: &str) -> bool {
        self.fault_of(service).is_some()
    }

    fn fault_of(&self, service: &str) -> Option<Fault> {
        let choice = self.choice.as_ref()?;
        (choice.service == service).then_some(choice.fault)
    }

    /// Called by each service in its start.
    pub(crate) fn at_start(&self, service: &str) -> Happened {
        match self.fault_of(service) {
            Some(Fault::FailStart) => Err("chaos".into()),
            _ => Ok(()),
        }
    }

    /// Called by each service before each piece of work.
    pub(crate) fn at_work(&self, service: &str) -> Happened {
        let fault = self.fault_of(service);
        if fault == Some(Fault::Slow) {
            thread::sleep(SLOW);
        }
        if matches!(fault, None | Some(Fault::Slow | Fault::FailStart))
            || self.has_happened.swap(true, Relaxed)
        {
            return Ok(());
        }
        match fault {
            Some(Fault::Panic) => panic!("chaos"),
            Some(Fault::Hang) => loop {
                thread::park();
            },
            _ => Err("chaos".into()),
        }
    }

    /// A closure as a service, whose start can fail, and whose run.
    pub(crate) fn service<F>(
        &self,
        name: &'static str,
        run: F,
    ) -> impl FnMut() -> Unreliable<F> + use<F>
    where
        F: Fn(&ServiceContext) -> ServiceResult + Clone,
    {
        let chaos = self.clone();
        move || Unreliable {
            chaos: chaos.clone(),
            name,
            run: run.clone(),
        }
    }
}

pub(crate) struct Unreliable<F> {
    chaos: Chaos,
    name: &'static str,
    run: F,
}

impl<F: Fn(&ServiceContext) -> ServiceResult> Service for Unreliable<F> {
    fn start(&mut self, _: &ServiceContext) -> ServiceResult {
        self.chaos.at_start(self.name)
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.chaos.at_work(self.name)?;
        (self.run)(ctx)
    }
}
