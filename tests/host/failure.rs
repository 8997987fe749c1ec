//! How services fail, and what becomes of the host: contract 20.

use crate::common::host::{Diary, Puppet, at_once, failures, host, run_with, signal, wait};
use crate::common::{LONG, expected_panic, within};
use groundcrew::host::{
    FailedIn, FailurePolicy, ServiceOutcome, ServiceResult, ServiceState, StopReason,
};
use groundcrew::retry::PermanentError;
use std::error::Error;
use std::fmt;
use std::process::{ExitCode, Termination};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

#[test]
fn a_report_quotes_an_error_as_it_was_written_on_one_line_or_on_as_many_as_a_width_asks_for() {
    let message = format!("can't open \"C:\\new\"\n{}", "word ".repeat(60));
    let shown = message.trim_end().replace('\n', "\\n");
    let report = run_with(
        FailurePolicy::StopHost,
        move |_, _| Err(message.trim_end())?,
    );
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(&shown)).collect();
    assert!(
        lines[0].starts_with("  why ") && lines[1].starts_with("  failed "),
        "{text}"
    );
    assert_eq!(lines.len(), 2, "{text}");
    let text = format!("{report:80}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").matches(&shown).count() == 2, "{text}");
}

#[test]
fn by_default_each_way_to_fail_stops_the_host_and_exits_with_1() {
    type Way = fn() -> ServiceResult;
    let ways: [(Way, &str); 3] = [
        (|| Err("no luck")?, "failed in run: no luck"),
        (|| expected_panic(), "panicked in run: expected by the test"),
        (
            || Ok(()),
            "failed in run: it returned, though its stop was not requested",
        ),
    ];
    for (way, text) in ways {
        let report = run_with(FailurePolicy::StopHost, move |_, _| way());
        let failure = report.reason().failure().unwrap().to_string();
        assert!(failure.contains(text), "{failure}");
        assert!(matches!(report.reason(), StopReason::Failed(_)));
        assert!(matches!(
            report.services()[1].outcome(),
            ServiceOutcome::Stopped
        ));
        let ended_so = match report.services()[0].outcome() {
            ServiceOutcome::Failed(failure) => !failure.is_panic(),
            ServiceOutcome::Panicked(failure) => failure.is_panic(),
            _ => false,
        };
        assert!(ended_so && report.services()[0].has_failed(), "{report}");
        assert_eq!((report.is_clean(), report.exit_code()), (false, 1));
        assert!(report.to_string().contains("NOT CLEAN"), "{report}");
        assert_eq!(report.report(), ExitCode::from(1));
    }
}

#[test]
fn a_restart_mends_the_exit_code_and_the_failure_is_still_reported() {
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
        Err(Outer(PermanentError::new("no such account")))?
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
fn a_failing_stop_is_reported_beside_the_failing_run_before_it() {
    let host = host(LONG, |host| {
        host.service("it", || {
            Puppet::new()
                .run(|_| Err("cannot write")?)
                .stop(|_| Err("cannot flush")?)
        });
    });
    let report = within(LONG, "run and stop", || host.run());
    let during: Vec<_> = report.failures().iter().map(|it| it.failed_in()).collect();
    assert_eq!(during, [FailedIn::Run, FailedIn::Stop]);
    let ServiceOutcome::Failed(first) = report.services()[0].outcome() else {
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
fn to_be_cancelled_is_a_failure_only_before_the_stop_is_requested() {
    let report = run_with(FailurePolicy::StopHost, |_, _| {
        Err(groundcrew::cancel::Cancelled)?
    });
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
    let endings = report.services().iter().map(|it| it.outcome());
    assert!(
        endings
            .into_iter()
            .all(|it| matches!(it, ServiceOutcome::Returned))
    );
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

#[test]
fn those_that_need_a_failed_service_go_on_while_it_is_restarted_and_are_stopped_first_otherwise() {
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
        assert!(matches!(
            report.services()[1].outcome(),
            ServiceOutcome::Stopped
        ));
    });
}
