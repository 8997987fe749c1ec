//! The machine, with a clock that is a number and services that are a script.

mod events;
mod failures;

use super::super::build::{Graph, times_below};
use super::super::failure::FailedIn;
use super::super::policy::{FailurePolicy, Restart};
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

fn options() -> Options {
    Options::new()
}

impl Sim {
    /// `services`: each with its options, and what it needs, by index. A stop of 8 s.
    fn new(services: Vec<(&str, Options, Vec<usize>)>) -> Sim {
        Sim::with_times(services, seconds(8), Duration::ZERO)
    }

    fn with_times(
        services: Vec<(&str, Options, Vec<usize>)>,
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
        let graph = Graph::new(&named).unwrap();
        let limits: Vec<_> = services
            .iter()
            .map(|(_, options, _)| options.stop_timeout)
            .collect();
        let below = times_below(&graph, &limits, total - delay).unwrap();
        let entries = services
            .into_iter()
            .enumerate()
            .map(|(index, (name, options, needs))| Entry {
                needs,
                below: below[index],
                ..Entry::new(name.into(), options, start)
            });
        let mut machine = Machine::new(entries.collect(), StopLimits { total, delay });
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
    fn ends(&mut self, index: usize, failure: Option<ServiceFailure>) {
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
        assert!(moment > self.now, "it wants to look again at once, forever");
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

    fn lifecycle(&self, index: usize) -> Lifecycle {
        self.machine.entries[index].lifecycle
    }
}

#[test]
fn services_begin_when_what_they_need_is_up_and_independent_ones_together() {
    let mut sim = Sim::new(vec![
        ("web", options(), vec![1, 2]),
        ("db", options(), vec![]),
        ("cache", options(), vec![]),
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
    let slow = Options {
        signals_ready: true,
        ..options()
    };
    let mut sim = Sim::new(vec![
        ("index", slow.clone(), vec![]),
        ("search", options(), vec![0]),
    ]);
    sim.started(0);
    assert_eq!(sim.seen(), ["begin index"]);
    sim.do_now(|machine, now| machine.ready(0, now));
    assert_eq!(sim.seen(), ["begin search"]);

    // It may say so in its `start` already.
    let mut sim = Sim::new(vec![("index", slow, vec![])]);
    sim.do_now(|machine, now| machine.ready(0, now));
    assert_ne!(sim.lifecycle(0), Lifecycle::Up);
    sim.started(0);
    assert_eq!(sim.lifecycle(0), Lifecycle::Up);
}

#[test]
fn a_start_that_times_out_stops_the_others_in_reverse_and_is_the_reason() {
    let mut sim = Sim::new(vec![
        ("db", options(), vec![]),
        ("web", options(), vec![0]),
        ("slow", options(), vec![1]),
    ]);
    sim.started(0);
    sim.started(1);
    sim.seen();
    assert_eq!(sim.wait(1000), 30.0);
    // Before its dependents are over, no other stop is requested.
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
        "service \"slow\" timed out in start: did not start within 30 s"
    );
}

#[test]
fn a_start_that_succeeds_after_the_stop_began_is_not_run() {
    let mut sim = Sim::new(vec![("db", options(), vec![])]);
    sim.stop();
    assert_eq!(sim.started(0), Next::Stop);
}

#[test]
fn ten_services_of_twenty_seconds_that_use_them_are_done_in_twenty() {
    let limit = Options {
        stop_timeout: Some(seconds(20)),
        ..options()
    };
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let services = names.iter().map(|name| (*name, limit.clone(), vec![]));
    let mut sim = Sim::with_times(services.collect(), seconds(25), Duration::ZERO);
    for index in 0..10 {
        sim.started(index);
    }
    sim.stop();
    // Each of them obeys it in its last moment.
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
    let mut sim = Sim::new(vec![
        ("db", options(), vec![]),
        ("deaf", options(), vec![0]),
    ]);
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
    let mut sim = Sim::new(vec![("db", options(), vec![]), ("web", options(), vec![0])]);
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
fn the_delay_passes_between_not_being_ready_and_the_first_stop_request() {
    let services = vec![("web", options(), vec![])];
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
fn a_request_without_time_takes_the_delay_away_and_gets_the_report_at_once() {
    let services = vec![("web", options(), vec![]), ("front", options(), vec![0])];
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
    let mut sim = Sim::new(vec![("web", options(), vec![])]);
    sim.started(0);
    sim.do_now(|machine, now| machine.request_stop(StopReason::Stopped, Some(seconds(2)), now));
    sim.wait(1);
    sim.do_now(|machine, now| machine.request_stop(StopReason::Signal, Some(seconds(8)), now));
    assert_eq!(sim.done(), 2.0);
}

#[test]
fn a_host_without_limits_waits_without_limit_and_never_wakes_for_it() {
    let services = vec![("web", options(), vec![])];
    let mut sim = Sim::with_times(services, Duration::MAX, Duration::ZERO);
    sim.started(0);
    sim.stop();
    assert_eq!(sim.wake, Deadline::NEVER);
    sim.ends(0, None);
    assert!(sim.machine.is_done(sim.now));
}

#[test]
fn a_stop_that_is_tightened_leaves_each_its_share_of_the_time() {
    let db = Options {
        stop_timeout: Some(seconds(4)),
        ..options()
    };
    for insists in [false, true] {
        let services = vec![("db", db.clone(), vec![]), ("web", options(), vec![0])];
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
    let mut sim = Sim::new(vec![("db", options(), vec![]), ("web", options(), vec![0])]);
    sim.started(0);
    sim.started(1);
    sim.stop();
    assert_eq!(sim.wait(1000), 4.0);
    sim.ends(0, None);
    // No service needs the time that is left.
    assert!(!sim.machine.is_done(sim.now));
    sim.wait(7);
    assert!(!sim.machine.is_done(sim.now));
    sim.ends(1, None);
    assert_eq!(sim.done(), 7.0);
    assert_eq!(sim.lifecycle(1), Lifecycle::Over);
}

#[test]
fn one_that_is_over_before_the_stop_takes_no_other_out_of_order() {
    let one_shot = Options {
        one_shot: true,
        ..options()
    };
    let mut sim = Sim::new(vec![
        ("db", options(), vec![]),
        ("migration", one_shot.clone(), vec![0]),
        ("warm-up", one_shot.clone(), vec![1]),
        ("web", options(), vec![2]),
    ]);
    for index in 0..4 {
        sim.started(index);
        if (1..3).contains(&index) {
            sim.ends(index, None);
        }
    }
    sim.seen();
    sim.stop();
    assert_eq!(sim.seen(), ["cancel host", "cancel web"]);
    sim.ends(3, None);
    assert_eq!(sim.seen(), ["cancel db"]);

    // Who does not stop is waited for as long as it may take.
    let mut sim = Sim::new(vec![("db", options(), vec![]), ("web", options(), vec![0])]);
    sim.started(0);
    sim.started(1);
    sim.stop();
    let direct = sim.wait(1000);
    let mut sim = Sim::new(vec![
        ("db", options(), vec![]),
        ("migration", one_shot, vec![0]),
        ("web", options(), vec![1]),
    ]);
    for index in 0..3 {
        sim.started(index);
    }
    sim.ends(1, None);
    sim.seen();
    sim.stop();
    assert_eq!(sim.seen(), ["cancel host", "cancel web"]);
    assert!(sim.wait(1000) < direct, "the time is divided by all");
    assert_eq!(sim.seen(), ["cancel db"]);
}

#[test]
fn those_that_serve_others_do_not_keep_a_run_alive() {
    let serves = Options {
        serves_others: true,
        ..options()
    };
    let one_shot = Options {
        one_shot: true,
        ..options()
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
