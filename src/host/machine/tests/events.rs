//! What the clock brings next, in each lifecycle of a service.

use super::super::due::Event;
use super::*;

/// The next event of the only service, and in how many seconds.
fn next(sim: &Sim, heartbeat: Option<Instant>) -> Option<(u64, Event)> {
    let (due, event) = sim.machine.next_event(0, heartbeat, sim.now)?;
    let moment = due.moment().unwrap();
    Some((moment.duration_since(sim.now).as_secs(), event))
}

fn with_heartbeat() -> Options {
    Options {
        heartbeat_timeout: Some(seconds(10)),
        policy: Restart::new().into(),
        ..options()
    }
}

#[test]
fn a_service_that_starts_has_its_start_timeout_and_one_that_is_up_nothing() {
    let mut sim = Sim::new(vec![("web", options(), vec![])]);
    assert_eq!(next(&sim, None), Some((30, Event::StartTimeout)));
    sim.started(0);
    assert_eq!(next(&sim, None), None);
}

#[test]
fn a_missed_heartbeat_is_looked_for_again_and_resumes_at_once() {
    let mut sim = Sim::new(vec![("web", with_heartbeat(), vec![])]);
    sim.started(0);
    assert_eq!(next(&sim, None), Some((10, Event::HeartbeatMissed)));
    sim.now += seconds(4);
    assert_eq!(
        next(&sim, Some(sim.now)),
        Some((10, Event::HeartbeatMissed))
    );
    assert_eq!(next(&sim, None), Some((6, Event::HeartbeatMissed)));
    sim.now += seconds(6);
    sim.settle();
    assert!(sim.machine.entries[0].is_heartbeat_missed);
    assert_eq!(next(&sim, None), Some((10, Event::HeartbeatMissed)));
    assert_eq!(
        next(&sim, Some(sim.now)),
        Some((0, Event::HeartbeatResumed))
    );
}

#[test]
fn a_service_that_failed_ends_within_its_limit_and_is_restarted_after_its_pause() {
    let mut options = with_heartbeat();
    options.stop_timeout = Some(seconds(3));
    let mut sim = Sim::new(vec![("web", options, vec![])]);
    sim.started(0);
    let name = sim.machine.entries[0].name.clone();
    let failure = ServiceFailure::of_error(&name, FailedIn::Run, "down".into());
    sim.do_now(|machine, now| machine.run_ended(0, Some(failure), now));
    assert_eq!(next(&sim, None), Some((3, Event::EndTimeout)));
    sim.do_now(|machine, now| machine.ended(0, None, now));
    assert!(matches!(next(&sim, None), Some((_, Event::Restart))));
}

#[test]
fn in_a_stop_only_the_limit_of_the_stop_holds_and_when_it_is_over_nothing() {
    let mut sim = Sim::new(vec![("web", with_heartbeat(), vec![])]);
    sim.started(0);
    sim.stop();
    assert_eq!(next(&sim, None), Some((8, Event::StopTimeout)));
    sim.now += seconds(8);
    assert_eq!(next(&sim, None), None);
    sim.ends(0, None);
    assert_eq!(next(&sim, None), None);
}
