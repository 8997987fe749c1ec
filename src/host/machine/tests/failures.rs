//! What the machine does about services that fail.

use super::*;

fn restarting() -> Options {
    let restart = Restart::new().backoff(Backoff::fixed(seconds(10)));
    Options {
        policy: restart.limit(2, seconds(60)).into(),
        ..options()
    }
}

fn error(text: &str) -> ServiceFailure {
    ServiceFailure::of_error(&Arc::from("test"), FailedIn::Run, text.into())
}

/// One that is up and is restarted when it is silent for 10 s.
fn beating() -> Sim {
    let beating = Options {
        heartbeat_timeout: Some(seconds(10)),
        fails_on_missed_heartbeat: true,
        ..restarting()
    };
    let mut sim = Sim::new(vec![("poller", beating, vec![])]);
    sim.started(0);
    sim
}

#[test]
fn a_failed_service_is_started_again_after_its_pause_and_the_host_is_ready_again() {
    let mut sim = Sim::new(vec![("web", restarting(), vec![])]);
    sim.started(0);
    sim.ends(0, Some(error("once")));
    assert!(!sim.machine.is_ready());
    assert_eq!(sim.wait(1000), 10.0);
    assert_eq!(sim.seen(), ["begin web", "begin web"]);
    sim.started(0);
    assert!(sim.machine.is_ready());
    assert_eq!(sim.machine.entries[0].restarts, 1);
    assert!(sim.machine.entries[0].failure.is_none());
}

#[test]
fn failing_too_often_stops_the_host_with_the_last_failure() {
    let mut sim = Sim::new(vec![("web", restarting(), vec![])]);
    for round in 0..3 {
        sim.started(0);
        sim.ends(0, Some(error(&format!("round {round}"))));
        if round < 2 {
            sim.wait(1000);
        }
    }
    let reason = sim.machine.stop.as_ref().unwrap().reason.clone();
    assert_eq!(reason.failure().unwrap().message(), "round 2");
    assert_eq!(sim.machine.failures.kept().len(), 3);
    assert!(sim.machine.is_done(sim.now));
}

#[test]
fn a_permanent_error_is_not_answered_by_a_restart() {
    let mut sim = Sim::new(vec![("web", restarting(), vec![])]);
    sim.started(0);
    let permanent = crate::causes::PermanentError::new("no such account");
    let failure = ServiceFailure::of_error(&Arc::from("web"), FailedIn::Run, permanent.into());
    sim.ends(0, Some(failure));
    assert!(sim.machine.stop.is_some());
    assert_eq!(sim.machine.entries[0].restarts, 0);
}

#[test]
fn a_restart_waits_for_those_that_it_needs_which_are_restarted_too() {
    let mut sim = Sim::new(vec![
        ("db", restarting(), vec![]),
        ("web", restarting(), vec![0]),
    ]);
    sim.started(0);
    sim.started(1);
    sim.seen();
    sim.ends(1, Some(error("lost its connection")));
    sim.wait(5);
    sim.ends(0, Some(error("down")));
    assert_eq!(sim.wait(1000), 10.0);
    assert_eq!(sim.seen(), [""; 0]);
    assert_eq!(sim.wait(1000), 15.0);
    assert_eq!(sim.seen(), ["begin db"]);
    sim.started(0);
    assert_eq!(sim.seen(), ["begin web"]);
}

#[test]
fn an_ignored_failure_leaves_the_host_ready_and_is_kept() {
    let ignored = Options {
        policy: FailurePolicy::Ignore,
        ..options()
    };
    let mut sim = Sim::new(vec![("metrics", ignored, vec![])]);
    sim.started(0);
    sim.ends(0, Some(error("no disk")));
    assert!(sim.machine.stop.is_none() && sim.machine.is_ready());
    sim.stop();
    assert!(sim.machine.is_done(sim.now));
    assert!(sim.machine.entries[0].failure.is_some());
}

#[test]
fn a_first_start_that_fails_stops_the_host_whatever_the_policy() {
    for policy in [FailurePolicy::Ignore, Restart::new().into()] {
        let options = Options {
            policy,
            ..options()
        };
        let mut sim = Sim::new(vec![("web", options, vec![])]);
        sim.do_now(|machine, now| machine.ended(0, Some(error("port in use")), now));
        let reason = &sim.machine.stop.as_ref().unwrap().reason;
        assert!(matches!(reason, StopReason::StartFailed(_)), "{reason}");
    }
}

#[test]
fn a_run_that_returns_is_a_failure_unless_it_is_one_shot() {
    let mut sim = Sim::new(vec![("web", options(), vec![])]);
    sim.started(0);
    sim.ends(0, None);
    let stop = sim.machine.stop.as_ref().unwrap();
    assert!(stop.reason.to_string().contains("one_shot"));

    let one_shot = Options {
        one_shot: true,
        ..options()
    };
    let mut sim = Sim::new(vec![("import", one_shot, vec![])]);
    sim.started(0);
    sim.ends(0, None);
    assert!(sim.machine.stop.is_none() && sim.machine.is_ready());
    sim.machine.ends_with_services = true;
    sim.settle();
    assert!(matches!(
        sim.machine.stop.as_ref().unwrap().reason,
        StopReason::AllReturned
    ));
}

#[test]
fn a_missed_heartbeat_makes_the_host_unalive_until_the_next_one() {
    let beating = Options {
        heartbeat_timeout: Some(seconds(10)),
        ..options()
    };
    let mut sim = Sim::new(vec![("poller", beating, vec![])]);
    sim.started(0);
    sim.wait(5);
    sim.beats[0] = Some(sim.now);
    assert_eq!(sim.wait(1000), 10.0); // a look that finds the beat of 5 s
    assert!(sim.machine.is_alive(sim.now, |_| sim.beats[0]));
    assert_eq!(sim.wait(1000), 15.0);
    assert!(!sim.machine.is_alive(sim.now, |_| sim.beats[0]));
    assert!(sim.machine.entries[0].is_heartbeat_missed && sim.machine.stop.is_none());
    sim.beats[0] = Some(sim.now);
    assert!(sim.machine.is_alive(sim.now, |_| sim.beats[0]));
}

#[test]
fn a_missed_heartbeat_that_is_a_failure_stops_the_service_and_restarts_it() {
    let mut sim = beating();
    sim.seen();
    sim.wait(1000);
    assert_eq!(sim.seen(), ["cancel poller"]);
    sim.ends(0, None);
    assert!(matches!(sim.lifecycle(0), Lifecycle::Resting { .. }));
    assert_eq!(
        sim.machine.failures.kept()[0].message(),
        "no heartbeat for 10 s"
    );
    sim.wait(1000);
    assert_eq!(sim.seen(), ["begin poller"]);
}

#[test]
fn one_that_does_not_end_after_its_failure_is_not_started_beside_itself() {
    let mut sim = beating();
    sim.wait(1000);
    assert_eq!(sim.wait(1000), 18.0);
    assert!(sim.machine.stop.is_some());
    assert_eq!(sim.done(), 26.0);
    assert_eq!(sim.machine.entries[0].restarts, 0);
    assert_eq!(sim.machine.failures.kept().len(), 2);
}

#[test]
fn three_failures_are_three_failures() {
    let mut sim = Sim::new(vec![
        ("a", options(), vec![]),
        ("b", options(), vec![]),
        ("c", options(), vec![]),
    ]);
    for index in 0..3 {
        sim.started(index);
    }
    for index in 0..3 {
        let name = sim.machine.entries[index].name.clone();
        let failure =
            ServiceFailure::of_error(&name, FailedIn::Run, format!("{name} broke").into());
        sim.ends(index, Some(failure));
    }
    let told: Vec<String> = sim
        .machine
        .failures
        .kept()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "service \"a\" failed in run: a broke",
            "service \"b\" failed in run: b broke",
            "service \"c\" failed in run: c broke"
        ]
    );
    assert!(sim.machine.is_done(sim.now));
}

#[test]
fn a_service_that_waits_for_its_restart_ends_with_the_stop_and_has_failed() {
    let mut sim = Sim::new(vec![("web", restarting(), vec![])]);
    sim.started(0);
    sim.ends(0, Some(error("down")));
    sim.stop();
    assert!(sim.machine.is_done(sim.now));
    assert!(sim.machine.entries[0].failure.is_some());
}

#[test]
fn of_a_service_that_fails_forever_the_latest_failures_are_kept() {
    let mut options = restarting();
    options.policy = Restart::new().limit(1, Duration::ZERO).into();
    let mut sim = Sim::new(vec![("web", options, vec![])]);
    for round in 0..100 {
        sim.started(0);
        let name = sim.machine.entries[0].name.clone();
        let failure =
            ServiceFailure::of_error(&name, FailedIn::Run, format!("round {round}").into());
        sim.ends(0, Some(failure));
        sim.wait(1_000_000);
    }
    assert_eq!(sim.machine.entries[0].failure_count, 100);
    assert_eq!(sim.machine.failures.kept().len(), failure_log::MAX_KEPT);
    assert_eq!(sim.machine.failures.kept()[15].message(), "round 99");
}

#[test]
fn a_stop_in_the_middle_of_a_restart_leaves_the_failure_open_and_being_up_mends_it() {
    for is_up in [false, true] {
        let mut sim = Sim::new(vec![("web", restarting(), vec![])]);
        sim.started(0);
        sim.ends(0, Some(error("lost")));
        sim.wait(1000);
        assert!(matches!(sim.lifecycle(0), Lifecycle::Starting));
        if is_up {
            sim.started(0);
        }
        sim.stop();
        match is_up {
            true => sim.ends(0, None),
            false => {
                assert_eq!(sim.started(0), Next::Stop);
                sim.do_now(|machine, now| machine.ended(0, None, now));
            }
        }
        assert!(sim.machine.is_done(sim.now));
        assert_eq!(sim.machine.entries[0].open_failure().is_some(), !is_up);
    }
}

#[test]
fn a_one_shot_that_has_returned_is_not_started_again_when_its_stop_fails() {
    let import = Options {
        one_shot: true,
        ..restarting()
    };
    let mut sim = Sim::new(vec![("import", import, vec![])]);
    sim.started(0);
    sim.do_now(|machine, now| {
        machine.run_ended(0, None, now);
        machine.ended(0, Some(error("no temporary file")), now);
    });
    assert_eq!(sim.lifecycle(0), Lifecycle::Over);
    assert!(sim.machine.is_done(sim.now));
    assert_eq!(sim.machine.entries[0].restarts, 0);
    assert!(sim.machine.entries[0].open_failure().is_some());
}
