//! What errors print: `{:?}`, which is what `main` prints of an error that it returns.

mod common;

use common::examples::text;
use common::expected_panic;
use groundcrew::cancel::Cancelled;
use groundcrew::host::{HostBuildError, WaitForError};
use groundcrew::retry::{CallError, CircuitBreaker, PermanentError};
use groundcrew::schedule::{RememberError, ScheduleError};
use groundcrew::{Batcher, CancelToken, Host, Pool, Retry, Scheduler, StopPlan, TaskError};
use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const ENDED: &str = "GROUNDCREW_ENDS_WITH_AN_ERROR";

/// One of each type of error, with the name that its `{:#?}` begins with.
fn all() -> Vec<(&'static str, &'static str, Box<dyn Error>)> {
    let pool = Pool::new(1).unwrap();
    let panicked = || {
        let task = pool.submit(|| -> u32 { expected_panic() }).unwrap();
        task.join().unwrap_err()
    };
    let TaskError::Panicked(panic) = panicked() else {
        unreachable!("it panicked")
    };
    let breaker = CircuitBreaker::new("smtp");
    breaker.trip();
    let refused = breaker.call(|| Ok::<_, io::Error>(())).unwrap_err();
    let retry = Retry::fixed(Duration::ZERO).attempts(2);
    let token = CancelToken::new();
    let retried = retry.call(&token, |_| Err::<(), _>(Cancelled));
    let mut host = Host::builder();
    host.startup_task("migrate", |_| Err("no such table")?);
    let start = host.build().unwrap().start().unwrap_err();
    let failure = start.report().failures()[0].clone();
    let batcher = Batcher::builder("none").max_items(0);
    let batcher = batcher.build(pool.submitter(), |_: &mut Vec<u8>, _| Ok(()));
    let breaker = CircuitBreaker::builder("").build();
    let of_item = pool.try_map([1], |_| Err::<(), _>(Cancelled)).unwrap_err();
    let of_stream = pool.stream([1], |_| -> u32 { expected_panic() }).next();
    let outcome = vec![
        (
            "TaskError",
            "Panicked",
            Box::new(panicked()) as Box<dyn Error>,
        ),
        ("TaskPanic", "TaskPanic", panic.into()),
        (
            "CircuitOpen",
            "CircuitOpen",
            CircuitBreaker::permit(&tripped()).unwrap_err().into(),
        ),
        ("CallError", "Open", refused.into()),
        ("BreakerError", "BreakerError", breaker.unwrap_err().into()),
        ("RetryError", "RetryError", retried.unwrap_err().into()),
        (
            "PermanentError",
            "PermanentError",
            PermanentError::new("no account").into(),
        ),
        ("Cancelled", "Cancelled", Cancelled.into()),
        (
            "WaitForError",
            "Unknown",
            WaitForError::Unknown("db".into()).into(),
        ),
        (
            "HostBuildError",
            "BadName",
            HostBuildError::BadName("".into()).into(),
        ),
        ("StartError", "StartError", start.into()),
        ("ServiceFailure", "ServiceFailure", failure.into()),
        ("TryMapError", "Item", of_item.into()),
        (
            "StreamError",
            "StreamError",
            of_stream.unwrap().unwrap_err().into(),
        ),
        ("BatcherError", "BatcherError", batcher.unwrap_err().into()),
        (
            "PoolBuildError",
            "PoolBuildError",
            Pool::new(0).unwrap_err().into(),
        ),
        (
            "ScheduleError",
            "NoZoneDatabase",
            ScheduleError::NoZoneDatabase {
                zone: "Europe/London".into(),
            }
            .into(),
        ),
        ("RememberError", "System", remembered_nowhere().into()),
        #[cfg(feature = "signals")]
        (
            "SignalError",
            "System",
            groundcrew::signals::SignalError::System(io::Error::other("no thread")).into(),
        ),
    ];
    let _ = pool.stop(StopPlan::cancel(Duration::from_secs(5)));
    let closed = pool.submit(|| ()).map(drop).unwrap_err();
    let mut outcome = outcome;
    outcome.push(("SubmitError", "SubmitError", Box::new(closed)));
    let closed = pool.submit(|| ()).map(drop).unwrap_err();
    let TaskError::Refused(refusal) = closed.into() else {
        unreachable!("it was refused")
    };
    outcome.push(("TaskRefusal", "TaskRefusal", refusal.into()));
    #[cfg(feature = "jobs")]
    outcome.extend(of_jobs());
    outcome
}

fn remembered_nowhere() -> RememberError {
    let pool = Pool::new(1).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    scheduler.remember(Path::new("none/there")).unwrap_err()
}

#[cfg(feature = "jobs")]
fn of_jobs() -> [(&'static str, &'static str, Box<dyn Error>); 5] {
    use groundcrew::jobs::{EnqueueError, RetryAfter, Snooze, WorkError};
    use groundcrew::store::StoreError;
    let busy = || StoreError::Busy {
        waited: Duration::from_secs(5),
    };
    [
        ("StoreError", "Busy", busy().into()),
        ("EnqueueError", "Store", EnqueueError::Store(busy()).into()),
        (
            "WorkError",
            "Workers",
            WorkError::Workers("no handler".into()).into(),
        ),
        (
            "RetryAfter",
            "RetryAfter",
            RetryAfter::new(Duration::from_secs(1), "busy").into(),
        ),
        (
            "Snooze",
            "Snooze",
            Snooze::new(Duration::from_secs(1)).into(),
        ),
    ]
}

fn tripped() -> CircuitBreaker {
    let breaker = CircuitBreaker::new("smtp");
    breaker.trip();
    breaker
}

#[test]
fn an_error_debugs_as_its_text_and_its_causes_and_has_its_fields_with_the_alternate_flag() {
    for (name, fields, error) in all() {
        let (display, debug) = (error.to_string(), format!("{error:?}"));
        assert!(debug.starts_with(&display), "{name}: {debug} {display}");
        let mut cause = error.source();
        while let Some(next) = cause {
            assert!(debug.contains(&next.to_string()), "{name}: {debug} {next}");
            cause = next.source();
        }
        let alternate = format!("{error:#?}");
        assert!(alternate.starts_with(fields), "{name}: {alternate}");
    }
}

#[test]
fn a_cause_that_the_text_does_not_show_follows_it() {
    let wait = WaitForError::Cancelled;
    assert_eq!(format!("{wait:?}"), "cancelled");
    #[derive(Debug)]
    struct Outer(io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no account")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = PermanentError::new(Outer(io::Error::other("the disk is full")));
    assert_eq!(format!("{error:?}"), "no account: the disk is full");
}

#[test]
fn an_error_whose_own_error_has_no_text_debugs_nevertheless() {
    #[derive(Debug)]
    struct Odd(#[expect(dead_code, reason = "it is printed")] u8);
    let token = CancelToken::new();
    let retry = Retry::fixed(Duration::ZERO).attempts(2);
    let error = retry.call(&token, |_| Err::<(), _>(Odd(7))).unwrap_err();
    assert_eq!(format!("{error:?}"), "all attempts failed (2): Odd(7)");
    assert_eq!(format!("{:?}", CallError::Failed(Odd(7))), "Odd(7)");
}

/// Every type of error in the sources is in [`all`].
#[test]
fn no_type_of_error_is_left_out() {
    let known: Vec<&str> = all().iter().map(|(name, ..)| *name).collect();
    // They are never returned from a public function, but are causes, or, as that of a
    // `SubmitError`, what another error of the list is made of.
    let internal = [
        "Member",
        "SpawnError",
        "LeftByStop",
        "CancelledCause",
        "Permanent",
        "Reason",
    ];
    let mut found = 0;
    for path in sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let source = std::fs::read_to_string(&path).unwrap();
        for line in source.lines().filter(|line| line.starts_with("impl")) {
            let Some((_, name)) = line.split_once("Error for ") else {
                continue;
            };
            let name = name.split(['<', ' ', '{']).next().unwrap();
            let is_known = known.contains(&name) || internal.contains(&name);
            // Not compiled without its feature.
            let of_jobs = [
                "StoreError",
                "EnqueueError",
                "WorkError",
                "RetryAfter",
                "Snooze",
            ];
            let is_off = cfg!(not(feature = "jobs")) && of_jobs.contains(&name);
            let is_other = name == "io::Error" || name == "SignalError" || is_off;
            assert!(is_known || is_other, "{name} of {path:?}");
            found += 1;
        }
    }
    assert!(found >= known.len(), "{found}");
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn an_error_that_main_returns_is_printed_as_a_sentence() {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ends_with_an_error", "--nocapture"])
        .env(ENDED, "1")
        .output()
        .unwrap();
    assert!(!ended.status.success());
    let printed = text(&ended.stderr) + &text(&ended.stdout);
    let sentence = "Error: a pool of 0 threads would never run a task; ask for at least 1, or use \
                    Pool::builder() without `threads` for one per core\n";
    assert!(printed.contains(sentence), "{printed}");
}

/// What a test returns is printed by the same code of the standard library as what `main` does.
#[test]
fn ends_with_an_error() -> Result<(), impl Debug> {
    match std::env::var(ENDED) {
        Ok(_) => Pool::new(0).map(drop),
        Err(_) => Ok(()),
    }
}
