//! What goes wrong on purpose.

use groundcrew::{Service, ServiceContext, ServiceResult};
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
    /// Never returns from its first piece of work, whoever asks.
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
