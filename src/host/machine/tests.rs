//! The machine, with a clock that is a number and services that are a script.

use super::super::entry::Terms;
use super::super::failure::During;
use super::super::policy::Restart;
use super::*;
use crate::clock;
use crate::retry::Backoff;
use crate::sync::Arc;

/// A host whose threads are the test.
struct Sim {
    machine: Machine,
    start: Instant,
    now: Instant,
    beats: Vec<Option<Instant>>,
    /// What happened, in order: `begin a`, `cancel a`.
    seen: Vec<String>,
    wake: Deadline,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn terms() -> Terms {
    Terms::new()
}

fn error(text: &str) -> Failure {
    Failure::of_error(&Arc::from("test"), During::Run, text.into())
}

impl Sim {
    /// `services`: each with its terms, and who it needs by index. A stop of 8 s.
    fn new(services: Vec<(&str, Terms, Vec<usize>)>) -> Sim {
        Sim::with_times(services, seconds(8), Duration::ZERO)
    }

    fn with_times(
        services: Vec<(&str, Terms, Vec<usize>)>,
        total: Duration,
        delay: Duration,
    ) -> Sim {
        let start = clock::now();
        let names: Vec<&str> = services.iter().map(|(name, ..)| *name).collect();
        let after: Vec<Vec<String>> = services
            .iter()
            .map(|(_, _, needs)| needs.iter().map(|index| names[*index].to_owned()).collect())
            .collect();
        let named: Vec<(&str, &[String])> = names
            .iter()
            .zip(&after)
            .map(|(name, after)| (*name, after.as_slice()))
            .collect();
        let graph = super::super::graph::Graph::new(&named).unwrap();
        let limits: Vec<_> = services
            .iter()
            .map(|(_, terms, _)| terms.stop_timeout)
            .collect();
        let below = graph.times_below(&limits, total - delay).unwrap();
        let entries = services
            .into_iter()
            .enumerate()
            .map(|(index, (name, terms, needs))| Entry {
                needs,
                needed_by: graph.needed_by[index].clone(),
                below: below[index],
                ..Entry::new(name.into(), terms, start)
            });
        let mut machine = Machine::new(entries.collect(), total, delay);
        machine.begin(start);
        let mut sim = Sim {
            beats: vec![None; machine.entries.len()],
            machine,
            start,
            now: start,
            seen: Vec::new(),
            wake: Deadline::NEVER,
        };
        sim.settle();
        sim
    }

    /// Lets the machine go as far as it does without time passing.
    fn settle(&mut self) {
        loop {
            let beats = self.beats.clone();
            let (actions, wake) = self.machine.advance(self.now, |index| beats[index]);
            self.wake = wake;
            if actions.is_empty() {
                return;
            }
            for action in actions {
                let name = |index: usize| self.machine.entries[index].name.clone();
                match action {
                    Action::Begin(index) => {
                        self.machine.entries[index].is_begun = true;
                        self.seen
                            .push(format!("begin {}", self.machine.entries[index].name));
                    }
                    Action::Cancel(index) => self.seen.push(format!("cancel {}", name(index))),
                    Action::CancelHost => self.seen.push("cancel host".to_owned()),
                    Action::Log(..) => {}
                }
            }
        }
    }

    fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    fn do_now<T>(&mut self, event: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        let result = event(&mut self.machine, self.now);
        self.settle();
        result
    }

    fn started(&mut self, index: usize) -> Next {
        self.do_now(|machine, now| machine.started(index, now))
    }

    /// The service's `run` ends, and its `stop`.
    fn ends(&mut self, index: usize, failure: Option<Failure>) {
        self.do_now(|machine, now| {
            machine.run_ended(index, failure, now);
            machine.ended(index, None, now);
        });
    }

    fn stop(&mut self) {
        self.do_now(|machine, now| machine.request_stop(StopReason::Stopped, None, now));
    }

    /// Time passes until the machine wants to look again, or `by` at the latest;
    /// returns the seconds since the start.
    fn wait(&mut self, by: u64) -> f64 {
        let end = Deadline::at(self.start + seconds(by)).earlier(self.wake);
        let moment = end.moment().unwrap();
        assert!(
            moment > self.now,
            "it wants to look again at once, for ever"
        );
        self.now = moment;
        self.settle();
        (self.now - self.start).as_secs_f64()
    }

    /// The seconds until the report.
    fn done(&mut self) -> f64 {
        while !self.machine.is_done(self.now) {
            self.wait(1_000_000);
        }
        (self.now - self.start).as_secs_f64()
    }

    fn life(&self, index: usize) -> Life {
        self.machine.entries[index].life
    }
}

#[test]
fn services_begin_when_what_they_need_is_up_and_independent_ones_together() {
    let mut sim = Sim::new(vec![
        ("web", terms(), vec![1, 2]),
        ("db", terms(), vec![]),
        ("cache", terms(), vec![]),
    ]);
    assert_eq!(sim.seen(), ["begin db", "begin cache"]);
    assert_eq!(sim.started(2), Next::Run);
    assert_eq!(sim.seen(), [""; 0]);
    assert_eq!(sim.started(1), Next::Run);
    assert_eq!(sim.seen(), ["begin web"]);
    assert!(!sim.machine.is_ready());
    assert_eq!(sim.started(0), Next::Run);
    assert!(sim.machine.is_ready());
}

#[test]
fn one_that_says_when_it_is_ready_is_up_only_then() {
    let slow = Terms {
        says_when_ready: true,
        ..terms()
    };
    let mut sim = Sim::new(vec![
        ("index", slow.clone(), vec![]),
        ("search", terms(), vec![0]),
    ]);
    sim.started(0);
    assert_eq!(sim.seen(), ["begin index"]);
    sim.do_now(|machine, now| machine.said_ready(0, now));
    assert_eq!(sim.seen(), ["begin search"]);

    // It may say so in its `start` already.
    let mut sim = Sim::new(vec![("index", slow, vec![])]);
    sim.do_now(|machine, now| machine.said_ready(0, now));
    assert_ne!(sim.life(0), Life::Up);
    sim.started(0);
    assert_eq!(sim.life(0), Life::Up);
}

#[test]
fn a_start_that_times_out_stops_the_others_in_reverse_and_is_the_reason() {
    let mut sim = Sim::new(vec![
        ("db", terms(), vec![]),
        ("web", terms(), vec![0]),
        ("slow", terms(), vec![1]),
    ]);
    sim.started(0);
    sim.started(1);
    sim.seen();
    assert_eq!(sim.wait(1000), 30.0);
    // Before its dependents are over nobody else is told.
    assert_eq!(sim.seen(), ["cancel slow", "cancel host", "cancel slow"]);
    sim.do_now(|machine, now| machine.ended(2, None, now));
    assert_eq!(sim.seen(), ["cancel web"]);
    sim.ends(1, None);
    assert_eq!(sim.seen(), ["cancel db"]);
    sim.ends(0, None);
    assert!(sim.machine.is_done(sim.now));
    let reason = sim.machine.stop.as_ref().unwrap().reason.to_string();
    assert_eq!(
        reason,
        "service \"slow\" timed out in start: has not started within 30 s"
    );
}

#[test]
fn a_start_that_succeeds_after_the_stop_began_is_not_run() {
    let mut sim = Sim::new(vec![("db", terms(), vec![])]);
    sim.stop();
    assert_eq!(sim.started(0), Next::Stop);
}

#[test]
fn ten_services_of_twenty_seconds_that_use_them_are_done_in_twenty() {
    let limit = Terms {
        stop_timeout: Some(seconds(20)),
        ..terms()
    };
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let services = names.iter().map(|name| (*name, limit.clone(), vec![]));
    let mut sim = Sim::with_times(services.collect(), seconds(25), Duration::ZERO);
    for index in 0..10 {
        sim.started(index);
    }
    sim.stop();
    // Each of them heeds it in its last moment.
    assert_eq!(sim.wait(19), 19.0);
    for index in 0..10 {
        assert!(!sim.machine.is_done(sim.now));
        sim.ends(index, None);
    }
    assert_eq!(sim.done(), 19.0);

    // And where none does, all are abandoned at the end of their limit, at once.
    let services = names.iter().map(|name| (*name, limit.clone(), vec![]));
    let mut sim = Sim::with_times(services.collect(), seconds(25), Duration::ZERO);
    for index in 0..10 {
        sim.started(index);
    }
    sim.stop();
    assert_eq!(sim.done(), 20.0);
}

#[test]
fn a_dependent_that_never_ends_leaves_those_that_it_needs_their_time() {
    let mut sim = Sim::new(vec![("db", terms(), vec![]), ("deaf", terms(), vec![0])]);
    sim.started(0);
    sim.started(1);
    sim.stop();
    sim.seen();
    assert_eq!(sim.wait(8), 4.0);
    assert_eq!(sim.seen(), ["cancel db"]);
    assert_eq!(sim.wait(8), 8.0);
    assert!(sim.machine.is_done(sim.now));
}

#[test]
fn a_dependent_that_ends_early_leaves_its_time_to_those_that_it_needs() {
    let mut sim = Sim::new(vec![("db", terms(), vec![]), ("web", terms(), vec![0])]);
    sim.started(0);
    sim.started(1);
    sim.stop();
    sim.ends(1, None);
    assert_eq!(
        sim.machine.stop_by(0),
        Some(Deadline::at(sim.start + seconds(8)))
    );
}

#[test]
fn the_delay_passes_between_not_being_ready_and_telling_the_first() {
    let services = vec![("web", terms(), vec![])];
    let mut sim = Sim::with_times(services, seconds(25), seconds(5));
    sim.started(0);
    sim.stop();
    assert!(!sim.machine.is_ready());
    assert_eq!(sim.seen(), ["begin web", "cancel host"]);
    assert_eq!(sim.wait(100), 5.0);
    assert_eq!(sim.seen(), ["cancel web"]);
    assert_eq!(sim.done(), 25.0);
}

#[test]
fn somebody_who_insists_takes_the_delay_away_and_gets_the_report_at_once() {
    let services = vec![("web", terms(), vec![]), ("front", terms(), vec![0])];
    let mut sim = Sim::with_times(services, seconds(25), seconds(5));
    sim.started(0);
    sim.started(1);
    sim.seen();
    sim.stop();
    let now = Some(Duration::ZERO);
    sim.do_now(|machine, at| machine.request_stop(StopReason::Signal, now, at));
    assert_eq!(sim.seen(), ["cancel host", "cancel web", "cancel front"]);
    assert!(sim.done() < 0.1);
    let reason = &sim.machine.stop.as_ref().unwrap().reason;
    assert!(matches!(reason, StopReason::Stopped), "{reason}");
}

#[test]
fn a_later_deadline_loosens_nothing() {
    let mut sim = Sim::new(vec![("web", terms(), vec![])]);
    sim.started(0);
    sim.do_now(|machine, now| machine.request_stop(StopReason::Stopped, Some(seconds(2)), now));
    sim.wait(1);
    sim.do_now(|machine, now| machine.request_stop(StopReason::Signal, Some(seconds(8)), now));
    assert_eq!(sim.done(), 2.0);
}

fn restarting() -> Terms {
    let restart = Restart::new().backoff(Backoff::fixed(seconds(10)));
    Terms {
        policy: restart.limit(2, seconds(60)).into(),
        ..terms()
    }
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
    assert_eq!(sim.machine.failures.len(), 3);
    assert!(sim.machine.is_done(sim.now));
}

#[test]
fn a_permanent_error_is_not_answered_by_a_restart() {
    let mut sim = Sim::new(vec![("web", restarting(), vec![])]);
    sim.started(0);
    let permanent = super::super::failure::Permanent::new("no such account");
    let failure = Failure::of_error(&Arc::from("web"), During::Run, permanent.into());
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
    let ignored = Terms {
        policy: FailurePolicy::Ignore,
        ..terms()
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
        let terms = Terms { policy, ..terms() };
        let mut sim = Sim::new(vec![("web", terms, vec![])]);
        sim.do_now(|machine, now| machine.ended(0, Some(error("port in use")), now));
        let reason = &sim.machine.stop.as_ref().unwrap().reason;
        assert!(matches!(reason, StopReason::StartFailed(_)), "{reason}");
    }
}

#[test]
fn a_run_that_returns_is_a_failure_unless_it_is_one_shot() {
    let mut sim = Sim::new(vec![("web", terms(), vec![])]);
    sim.started(0);
    sim.ends(0, None);
    let stop = sim.machine.stop.as_ref().unwrap();
    assert!(stop.reason.to_string().contains("one_shot"));

    let one_shot = Terms {
        one_shot: true,
        ..terms()
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
    let beating = Terms {
        heartbeat: Some(seconds(10)),
        ..terms()
    };
    let mut sim = Sim::new(vec![("poller", beating, vec![])]);
    sim.started(0);
    sim.wait(5);
    sim.beats[0] = Some(sim.now);
    assert_eq!(sim.wait(1000), 10.0); // a look that finds the beat of 5 s
    assert!(sim.machine.is_alive(sim.now, |_| sim.beats[0]));
    assert_eq!(sim.wait(1000), 15.0);
    assert!(!sim.machine.is_alive(sim.now, |_| sim.beats[0]));
    assert!(sim.machine.entries[0].missed && sim.machine.stop.is_none());
    sim.beats[0] = Some(sim.now);
    assert!(sim.machine.is_alive(sim.now, |_| sim.beats[0]));
}

#[test]
fn a_missed_heartbeat_that_is_a_failure_recalls_the_service_and_restarts_it() {
    let beating = Terms {
        heartbeat: Some(seconds(10)),
        heartbeat_fails: true,
        ..restarting()
    };
    let mut sim = Sim::new(vec![("poller", beating, vec![])]);
    sim.started(0);
    sim.seen();
    sim.wait(1000);
    assert_eq!(sim.seen(), ["cancel poller"]);
    sim.ends(0, None);
    assert!(matches!(sim.life(0), Life::Resting { .. }));
    assert_eq!(sim.machine.failures[0].message(), "no heartbeat for 10 s");
    sim.wait(1000);
    assert_eq!(sim.seen(), ["begin poller"]);
}

#[test]
fn one_that_does_not_end_after_its_failure_is_not_started_beside_itself() {
    let beating = Terms {
        heartbeat: Some(seconds(10)),
        heartbeat_fails: true,
        ..restarting()
    };
    let mut sim = Sim::new(vec![("poller", beating, vec![])]);
    sim.started(0);
    sim.wait(1000);
    assert_eq!(sim.wait(1000), 18.0);
    assert!(sim.machine.stop.is_some());
    assert_eq!(sim.done(), 26.0);
    assert_eq!(sim.machine.entries[0].restarts, 0);
    assert_eq!(sim.machine.failures.len(), 2);
}

#[test]
fn three_failures_are_three_failures() {
    let mut sim = Sim::new(vec![
        ("a", terms(), vec![]),
        ("b", terms(), vec![]),
        ("c", terms(), vec![]),
    ]);
    for index in 0..3 {
        sim.started(index);
    }
    for index in 0..3 {
        let name = sim.machine.entries[index].name.clone();
        let failure = Failure::of_error(&name, During::Run, format!("{name} broke").into());
        sim.ends(index, Some(failure));
    }
    let told: Vec<String> = sim
        .machine
        .failures
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
fn of_a_service_that_fails_for_ever_the_latest_failures_are_kept() {
    let mut terms = restarting();
    terms.policy = Restart::new().limit(1, Duration::ZERO).into();
    let mut sim = Sim::new(vec![("web", terms, vec![])]);
    for round in 0..100 {
        sim.started(0);
        let name = sim.machine.entries[0].name.clone();
        let failure = Failure::of_error(&name, During::Run, format!("round {round}").into());
        sim.ends(0, Some(failure));
        sim.wait(1_000_000);
    }
    assert_eq!(sim.machine.entries[0].failed, 100);
    assert_eq!(sim.machine.failures.len(), MOST_FAILURES);
    assert_eq!(sim.machine.failures[15].message(), "round 99");
}

#[test]
fn a_host_without_limits_waits_without_limit_and_never_wakes_for_it() {
    let services = vec![("web", terms(), vec![])];
    let mut sim = Sim::with_times(services, Duration::MAX, Duration::ZERO);
    sim.started(0);
    sim.stop();
    assert_eq!(sim.wake, Deadline::NEVER);
    sim.ends(0, None);
    assert!(sim.machine.is_done(sim.now));
}

#[test]
fn a_stop_that_is_tightened_leaves_each_its_share_of_the_time() {
    let db = Terms {
        stop_timeout: Some(seconds(4)),
        ..terms()
    };
    for insists in [false, true] {
        let services = vec![("db", db.clone(), vec![]), ("web", terms(), vec![0])];
        let mut sim = Sim::new(services);
        sim.started(0);
        sim.started(1);
        if insists {
            sim.stop();
        }
        let limit = Some(seconds(2));
        sim.do_now(|machine, now| machine.request_stop(StopReason::Signal, limit, now));
        sim.seen();
        // "web" was promised 4 s of 8 s.
        assert_eq!(sim.wait(1000), 1.0);
        assert_eq!(sim.seen(), ["cancel db"]);
        assert_eq!(sim.done(), 2.0);
    }
}

#[test]
fn one_without_a_limit_is_waited_for_until_the_deadline_though_its_share_is_over() {
    let mut sim = Sim::new(vec![("db", terms(), vec![]), ("web", terms(), vec![0])]);
    sim.started(0);
    sim.started(1);
    sim.stop();
    assert_eq!(sim.wait(1000), 4.0);
    sim.ends(0, None);
    // Nobody needs the time that is left.
    assert!(!sim.machine.is_done(sim.now));
    sim.wait(7);
    assert!(!sim.machine.is_done(sim.now));
    sim.ends(1, None);
    assert_eq!(sim.done(), 7.0);
    assert_eq!(sim.life(1), Life::Over);
}

#[test]
fn a_stop_in_the_middle_of_a_restart_leaves_the_failure_open_and_being_up_mends_it() {
    for is_up in [false, true] {
        let mut sim = Sim::new(vec![("web", restarting(), vec![])]);
        sim.started(0);
        sim.ends(0, Some(error("lost")));
        sim.wait(1000);
        assert!(matches!(sim.life(0), Life::Starting { .. }));
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
    let import = Terms {
        one_shot: true,
        ..restarting()
    };
    let mut sim = Sim::new(vec![("import", import, vec![])]);
    sim.started(0);
    sim.do_now(|machine, now| {
        machine.run_ended(0, None, now);
        machine.ended(0, Some(error("no temporary file")), now);
    });
    assert_eq!(sim.life(0), Life::Over);
    assert!(sim.machine.is_done(sim.now));
    assert_eq!(sim.machine.entries[0].restarts, 0);
    assert!(sim.machine.entries[0].open_failure().is_some());
}

#[test]
fn those_that_serve_others_do_not_keep_a_run_alive() {
    let serves = Terms {
        serves: true,
        ..terms()
    };
    let one_shot = Terms {
        one_shot: true,
        ..terms()
    };
    let services = vec![
        ("pool", serves.clone(), vec![]),
        ("import", one_shot, vec![0]),
    ];
    let mut sim = Sim::new(services);
    sim.machine.ends_with_services = true;
    sim.started(0);
    sim.started(1);
    assert!(sim.machine.stop.is_none());
    sim.ends(1, None);
    let reason = &sim.machine.stop.as_ref().unwrap().reason;
    assert!(matches!(reason, StopReason::AllReturned), "{reason}");

    // Alone they are what the host is for.
    let mut sim = Sim::new(vec![("pool", serves, vec![])]);
    sim.machine.ends_with_services = true;
    sim.started(0);
    assert!(sim.machine.stop.is_none());
}
