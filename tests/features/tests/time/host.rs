//! What hosts do when time passes, by a clock that the tests move.

use crate::common::host::{Puppet, failures, signal, wait};
use crate::common::{Gate, LONG, within};
use groundcrew::channel::{Receiver, unbounded};
use groundcrew::host::{
    HostPhase, HostStatus, Restart, RunningHost, ServiceOutcome, ServiceState, WaitForError,
};
use groundcrew::retry::{Backoff, Jitter};
use groundcrew::testing::ManualClock;
use groundcrew::{Host, HostBuilder, HostHandle, HostReport, Pool, ServiceContext, WorkQueue};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

fn host(clock: &ManualClock, add: impl FnOnce(&mut HostBuilder)) -> Host {
    let mut host = Host::builder();
    host.clock(clock);
    add(&mut host);
    host.build().unwrap()
}

/// Until the status is as wanted: what the clock woke has happened.
fn until(host: &HostHandle, is_so: impl Fn(&HostStatus) -> bool) {
    assert!(host.wait_until(is_so), "it has stopped before that");
}

fn until_state(host: &HostHandle, state: ServiceState) {
    until(host, |status| status.services()[0].state() == state);
}

fn seconds(count: u64) -> Duration {
    SECOND * u32::try_from(count).unwrap()
}

fn stopped(host: &RunningHost) -> HostReport {
    within(LONG, "stop", || host.stop())
}

/// 1 s, 2 s, 4 s, and three failures in a row.
fn restart() -> Restart {
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::None);
    Restart::new().backoff(backoff).limit(3, seconds(30))
}

/// A host that is up, of a service that fails whenever it is told to.
fn fails_when_told(clock: &ManualClock, failing: Receiver<()>) -> RunningHost {
    let host = host(clock, |host| {
        host.background("it", move |_| {
            failing.recv()?;
            Err("no luck")?
        })
        .on_failure(restart());
    });
    host.start().unwrap()
}

#[test]
fn a_failing_service_is_restarted_after_longer_and_longer_pauses_and_then_given_up() {
    within(LONG, "pauses", || {
        let (clock, (fail, failing)) = (ManualClock::new(), signal());
        let host = fails_when_told(&clock, failing);
        for (restarts, pause) in [(1, 1), (2, 2), (3, 4)] {
            fail.send(()).unwrap();
            until_state(host.handle(), ServiceState::Restarting);
            assert!(!host.is_ready() && host.is_alive());
            clock.advance(seconds(pause) - MOMENT);
            assert_eq!(host.status().services()[0].restarts(), restarts - 1);
            clock.advance(MOMENT);
            until_state(host.handle(), ServiceState::Up);
            assert_eq!(host.status().services()[0].restarts(), restarts);
            assert!(host.is_ready());
        }
        fail.send(()).unwrap();
        let report = host.wait();
        assert_eq!((report.exit_code(), report.failures().len()), (1, 4));
        assert_eq!(report.ran(), Some(seconds(7)));
    });
}

#[test]
fn one_that_fails_once_a_day_is_always_restarted_after_the_shortest_pause() {
    within(LONG, "days", || {
        let (clock, (fail, failing)) = (ManualClock::new(), signal());
        let host = fails_when_told(&clock, failing);
        for day in 1..=30 {
            clock.advance(seconds(86_400));
            fail.send(()).unwrap();
            until_state(host.handle(), ServiceState::Restarting);
            clock.advance(SECOND);
            until_state(host.handle(), ServiceState::Up);
            assert_eq!(host.status().services()[0].restarts(), day);
        }
        drop(fail);
        host.handle().request_stop("enough");
        assert_eq!(host.wait().services()[0].restarts(), 30);
    });
}

#[test]
fn one_that_fails_too_often_pauses_where_that_is_asked_for_and_a_stop_ends_the_pause() {
    within(LONG, "pause", || {
        let clock = ManualClock::new();
        let host = host(&clock, |host| {
            host.background("it", |_| Err("no luck")?).on_failure(
                restart()
                    .limit(0, SECOND)
                    .pause_when_exhausted(seconds(100)),
            );
        });
        let handle = host.handle();
        let running = thread::spawn(move || host.run());
        for restarts in 0..3 {
            until(&handle, |status| {
                let it = &status.services()[0];
                it.state() == ServiceState::Restarting && it.restarts() == restarts
            });
            clock.advance(seconds(150));
        }
        until(&handle, |status| status.services()[0].restarts() == 3);
        until_state(&handle, ServiceState::Restarting);
        handle.request_stop("enough");
        let report = running.join().unwrap();
        assert_eq!(report.stop_took(), Duration::ZERO);
        assert_eq!(
            (report.services()[0].failures(), report.exit_code()),
            (4, 1)
        );
    });
}

#[test]
fn a_missed_heartbeat_is_shown_until_the_next_one() {
    within(LONG, "heartbeat", || {
        let (clock, (beat, beats), (tell, told)) = (ManualClock::new(), signal(), signal());
        let host = host(&clock, |host| {
            host.background("it", move |ctx| {
                for () in &beats {
                    ctx.heartbeat();
                    tell.send(())?;
                }
                wait(ctx)
            })
            .heartbeat_timeout(seconds(10));
        });
        let host = host.start().unwrap();
        let silent = || host.status().services()[0].heartbeat_overdue();
        clock.advance(seconds(9));
        assert!(host.is_alive() && !silent());
        beat.send(()).unwrap();
        told.recv().unwrap();
        clock.advance(seconds(9));
        assert!(host.is_alive() && !silent());
        let age = host.status().services()[0].heartbeat_age();
        assert_eq!(age, Some(seconds(9)));
        clock.advance(seconds(2));
        assert!(!host.is_alive() && !host.status().is_alive() && silent());
        // It is missed, and nothing else.
        assert!(host.is_ready());
        beat.send(()).unwrap();
        told.recv().unwrap();
        assert!(host.is_alive() && !silent());
        drop(beat);
        let report = stopped(&host);
        assert!(
            report.is_clean() && report.failures().is_empty(),
            "{report}"
        );
    });
}

#[test]
fn a_missed_heartbeat_is_a_failure_where_that_is_declared() {
    within(LONG, "failing heartbeat", || {
        let (clock, (tell, told)) = (ManualClock::new(), signal());
        let host = host(&clock, |host| {
            host.background("it", move |ctx| {
                tell.send(())?;
                wait(ctx)
            })
            .heartbeat_timeout(seconds(10))
            .fail_on_missed_heartbeat()
            .on_failure(restart());
        });
        let host = host.start().unwrap();
        told.recv().unwrap();
        clock.advance(seconds(11));
        until_state(host.handle(), ServiceState::Restarting);
        clock.advance(SECOND);
        told.recv().unwrap();
        until_state(host.handle(), ServiceState::Up);
        let report = stopped(&host);
        let expected = "service \"it\" timed out in run: no heartbeat for 10 s";
        assert_eq!(failures(&report), [expected]);
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn a_queue_takes_items_while_it_is_restarted_and_handles_them_afterwards() {
    within(LONG, "restarted queue", || {
        let (clock, queue, (tell, told)) = (ManualClock::new(), WorkQueue::new(9), signal());
        let host = host(&clock, |host| {
            host.add(
                "items",
                queue.workers(1, move || {
                    let tell = tell.clone();
                    move |&mut item: &mut u32, ctx: &ServiceContext| {
                        if item == 1 {
                            tell.send(()).unwrap();
                            ctx.token().wait(); // silent for too long
                        }
                        Ok(())
                    }
                }),
            )
            .heartbeat_timeout(seconds(10))
            .fail_on_missed_heartbeat()
            .stop_timeout(seconds(4))
            .on_failure(restart());
        });
        let host = host.start().unwrap();
        queue.submit(1).unwrap();
        told.recv().unwrap();
        clock.advance(seconds(11));
        until_state(host.handle(), ServiceState::Ending);
        // What is done there is cut short in the last quarter of its time.
        clock.advance(seconds(3));
        until_state(host.handle(), ServiceState::Restarting);
        queue.try_submit(2).unwrap();
        assert_eq!((queue.stats().queued(), queue.is_closed()), (1, false));
        clock.advance(SECOND);
        until_state(host.handle(), ServiceState::Up);
        let report = stopped(&host);
        assert!(report.is_clean(), "{report}");
        assert_eq!(queue.stats().handled(), 2);
    });
}

#[test]
fn a_queue_with_nothing_in_hand_need_give_no_sign_of_life() {
    within(LONG, "idle queue", || {
        let (clock, queue) = (ManualClock::new(), WorkQueue::<u32>::new(9));
        let host = host(&clock, |host| {
            host.add(
                "items",
                queue.workers(1, || |_: &mut u32, _: &ServiceContext| Ok(())),
            )
            .heartbeat_timeout(seconds(10))
            .fail_on_missed_heartbeat();
        });
        let host = host.start().unwrap();
        clock.advance(seconds(100));
        assert!(host.is_alive() && !host.status().services()[0].heartbeat_overdue());
        let report = stopped(&host);
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn one_that_does_not_end_when_its_heartbeat_was_missed_stops_the_host() {
    within(LONG, "stuck", || {
        let (clock, gate) = (ManualClock::new(), Gate::new());
        let entrance = gate.entrance();
        let host = host(&clock, |host| {
            host.background("it", move |_| {
                entrance.pass();
                Ok(())
            })
            .heartbeat_timeout(seconds(10))
            .fail_on_missed_heartbeat()
            .stop_timeout(seconds(2))
            .on_failure(restart());
        });
        let host = host.start().unwrap();
        clock.advance(seconds(11));
        until_state(host.handle(), ServiceState::Ending);
        clock.advance(seconds(3));
        until(host.handle(), |status| {
            status.phase() == HostPhase::Stopping
        });
        clock.advance(seconds(3));
        let report = host.wait();
        assert!(matches!(
            report.services()[0].outcome(),
            ServiceOutcome::Abandoned(_)
        ));
        assert_eq!((report.failures().len(), report.exit_code()), (2, 1));
        gate.open();
    });
}

#[test]
fn a_start_has_its_limit_its_own_or_the_hosts_or_30_s() {
    type Sets = fn(&mut HostBuilder, fn(&ServiceContext) -> groundcrew::host::ServiceResult);
    let sets: [(Sets, u64); 3] = [
        (
            |host, start| {
                host.startup_task("slow", start);
            },
            30,
        ),
        (
            |host, start| {
                host.startup_task("slow", start);
                host.start_timeout(seconds(50));
            },
            50,
        ),
        (
            |host, start| {
                host.startup_task("slow", start).start_timeout(seconds(5));
            },
            5,
        ),
    ];
    for (set, limit) in sets {
        within(LONG, "start timeout", || {
            let clock = ManualClock::new();
            let host = host(&clock, |host| {
                set(host, |ctx| Ok(ctx.sleep(Duration::MAX)?))
            });
            let handle = host.handle();
            let starting = thread::spawn(move || host.start().unwrap_err());
            clock.wait_for_sleepers(1);
            clock.advance(seconds(limit) - MOMENT);
            assert_eq!(handle.status().phase(), HostPhase::Starting);
            clock.advance(MOMENT);
            let error = starting.join().unwrap();
            let failure = error.report().reason().failure().unwrap();
            assert_eq!(failure.message(), format!("did not start within {limit} s"));
            assert_eq!(error.report().start_took(), Some(seconds(limit)));
        });
    }
}

/// Stops deaf services with these limits, each after the one before it if `after`.
/// At each step, the stops of that many services are requested, and that many seconds pass. All are left
/// behind in the end; returns how long that took.
fn stop_the_deaf(
    total: u64,
    limits: &[Option<u64>],
    after: bool,
    steps: &[(usize, u64)],
) -> Duration {
    let (clock, gate, (tell, told)) = (ManualClock::new(), Gate::new(), signal());
    let host = host(&clock, |host| {
        host.stop_timeout(seconds(total));
        for (index, limit) in limits.iter().enumerate() {
            let (entrance, tell) = (gate.entrance(), tell.clone());
            let mut service = host.background(format!("{index}"), move |ctx| {
                ctx.token().wait();
                tell.send(())?;
                entrance.pass();
                Ok(())
            });
            if let Some(limit) = limit {
                service = service.stop_timeout(seconds(*limit));
            }
            if after && index > 0 {
                service.after([format!("{}", index - 1)]);
            }
        }
    });
    let host = host.start().unwrap();
    host.handle().request_stop("enough");
    for (count, time) in steps {
        told.iter().take(*count).count();
        clock.advance(seconds(*time));
    }
    let report = host.stop();
    let left = report.services().iter();
    let left = left.filter(|it| matches!(it.outcome(), ServiceOutcome::Abandoned(_)));
    assert_eq!(left.count(), limits.len());
    gate.open();
    report.stop_took()
}

#[test]
fn limits_of_services_that_do_not_need_each_other_do_not_add_up() {
    within(LONG, "ten", || {
        let took = stop_the_deaf(25, &[Some(20); 10], false, &[(10, 20)]);
        assert_eq!(took, seconds(20));
    });
}

#[test]
fn a_chain_of_deaf_services_shares_the_whole_and_each_has_its_time() {
    within(LONG, "chain", || {
        // The last one is told first; those without a limit share the 24 s left.
        let limits = [None, Some(6), None, None];
        let steps = [(1, 8), (1, 8), (1, 6), (1, 8)];
        assert_eq!(stop_the_deaf(30, &limits, true, &steps), seconds(30));
    });
}

#[test]
fn the_delay_passes_with_readiness_off_before_any_stop_is_requested() {
    within(LONG, "delay", || {
        let (clock, (tell, told)) = (ManualClock::new(), signal());
        let host = host(&clock, |host| {
            host.stop_timeout(seconds(25)).stop_delay(seconds(5));
            host.service("it", move || {
                let tell = tell.clone();
                Puppet::new().run(move |ctx| {
                    wait(ctx)?;
                    Ok(tell.send(())?)
                })
            });
        });
        let host = host.start().unwrap();
        let token = host.handle().token();
        host.handle().request_stop("enough");
        token.wait();
        assert!(!host.is_ready() && host.is_alive());
        assert_eq!(host.status().phase(), HostPhase::Delaying);
        assert_eq!(host.status().services()[0].state(), ServiceState::Up);
        clock.advance(seconds(5) - MOMENT);
        assert!(told.try_recv().is_err());
        clock.advance(MOMENT);
        told.recv().unwrap();
        let report = host.stop();
        assert_eq!(report.delay_took(), seconds(5));
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn a_host_that_is_not_up_yet_has_no_delay() {
    within(LONG, "no delay", || {
        let clock = ManualClock::new();
        let host = host(&clock, |host| {
            host.stop_delay(seconds(5));
            host.startup_task("slow", |ctx| Ok(ctx.sleep(Duration::MAX)?));
        });
        let handle = host.handle();
        let starting = thread::spawn(move || host.start().unwrap_err());
        clock.wait_for_sleepers(1);
        assert_eq!(handle.stop().delay_took(), Duration::ZERO);
        drop(starting.join().unwrap());
    });
}

#[test]
fn a_queue_is_cut_short_in_the_last_quarter_of_its_time_and_at_most_3_s() {
    within(LONG, "grace", || {
        for (total, grace) in [(8, 2), (100, 3)] {
            let (clock, queue, (tell, told)) = (ManualClock::new(), WorkQueue::new(9), signal());
            let host = host(&clock, |host| {
                host.stop_timeout(seconds(total));
                host.add(
                    "items",
                    queue.workers(1, move || {
                        let tell = tell.clone();
                        move |_: &mut u32, ctx: &ServiceContext| {
                            tell.send(())?;
                            wait(ctx)
                        }
                    }),
                );
            });
            let host = host.start().unwrap();
            queue.submit(1).unwrap();
            queue.submit(2).unwrap();
            told.recv().unwrap();
            host.handle().request_stop("enough");
            until_state(host.handle(), ServiceState::Stopping);
            clock.advance(seconds(total - grace) - MOMENT);
            assert_eq!(queue.stats().handled(), 0);
            clock.advance(MOMENT);
            let report = host.stop();
            assert_eq!(report.stop_took(), seconds(total - grace));
            assert_eq!(queue.take_unstarted(), [2]);
            assert_eq!(queue.stats().handled(), 1);
        }
    });
}

#[test]
fn a_status_can_be_serialized() {
    let (clock, queue) = (ManualClock::new(), WorkQueue::new(9));
    queue.submit(1).unwrap();
    let host = host(&clock, |host| {
        host.name("blog");
        host.add(
            "items",
            queue.workers(1, || {
                |_: &mut u32, ctx: &ServiceContext| {
                    ctx.note("at it");
                    Ok(())
                }
            }),
        );
        let pool = Pool::builder().name("w").threads(1).build().unwrap();
        let tasks = pool.submitter();
        host.add("workers", pool);
        host.background("busy", move |ctx| {
            let token = ctx.token().clone();
            tasks.task("wait").execute(move || token.wait())?;
            ctx.wait()
        })
        .after(["workers"]);
    });
    let json = serde_json::to_value(host.handle().status()).unwrap();
    assert_eq!(json["services"][0]["threads"], serde_json::json!([]));
    assert_eq!(json["host"], "blog");
    assert_eq!(json["phase"], "built");
    assert_eq!(
        (&json["ready"], &json["alive"]),
        (&false.into(), &true.into())
    );
    let service = &json["services"][0];
    assert_eq!(
        (&service["name"], &service["state"]),
        (&"items".into(), &"waiting".into())
    );
    assert_eq!(service["queue"]["queued"], 1);
    assert!(service["since"].is_null() && service["note"].is_null());
    let host = host.start().unwrap();
    clock.advance(seconds(2) + SECOND / 2);
    let json = serde_json::to_value(host.status()).unwrap();
    assert_eq!(json["services"][0]["state"], "up");
    assert_eq!(json["services"][0]["since"], 2.5);
    let is_busy = |status: &HostStatus| {
        let services = status.services();
        let is_noted = services[0].threads()[1].note().is_some();
        is_noted && !services[1].pool().unwrap().running().is_empty()
    };
    while !is_busy(&host.status()) {
        thread::sleep(Duration::from_millis(1));
    }
    let json = serde_json::to_value(host.status()).unwrap();
    let status = host.status();
    let ids = status.services()[0]
        .threads()
        .iter()
        .map(|it| it.thread_id());
    let ids: Vec<_> = ids.collect();
    let threads = serde_json::json!([
        { "name": "items", "note": null, "thread_id": ids[0], "thread_state": null },
        { "name": "items-0", "note": "at it", "thread_id": ids[1], "thread_state": null },
    ]);
    assert_eq!(json["services"][0]["threads"], threads);
    let pool = &json["services"][1]["pool"];
    assert_eq!(
        (&pool["accepted"], &pool["completed"]),
        (&1.into(), &0.into())
    );
    assert_eq!(pool["running"][0]["name"], "wait");
    assert_eq!(pool["running"][0]["worker"], "w-0");
    assert!(json["services"][0]["pool"].is_null());
}

#[test]
fn a_stop_in_no_time_is_reported_though_the_clock_is_not_moved_any_more() {
    for limit in [Duration::ZERO, MOMENT] {
        let (clock, gate, (tell, told)) = (ManualClock::new(), Gate::new(), signal());
        let entrance = gate.entrance();
        let host = host(&clock, |host| {
            host.background("deaf", move |_| {
                tell.send(())?;
                entrance.pass();
                Ok(())
            });
            // Told only at the deadline, and heeds it then.
            host.background("heeds", wait);
            host.background("web", wait).after(["deaf", "heeds"]);
        });
        let host = host.start().unwrap();
        told.recv().unwrap();
        host.handle().request_stop_within(limit, "at once");
        if !limit.is_zero() {
            clock.advance(limit);
        }
        let report = within(LONG, "a stop in no time", || host.wait());
        let endings: Vec<_> = report.services().iter().map(|it| it.outcome()).collect();
        assert!(
            matches!(endings[0], ServiceOutcome::Abandoned(_)),
            "{report}"
        );
        assert_eq!(clock.elapsed(), limit);
        gate.open();
    }
}

#[test]
fn code_of_the_program_reads_the_clock_that_the_test_moves() {
    within(LONG, "an hour", || {
        let clock = ManualClock::new();
        let (tell, told) = unbounded();
        let host = host(&clock, |host| {
            host.background("it", move |ctx| {
                let (began, wall) = (ctx.clock().now(), ctx.clock().wall());
                ctx.sleep(seconds(3600))?;
                let wall = ctx.clock().wall().duration_since(wall)?;
                tell.send((ctx.clock().now() - began, wall))?;
                ctx.wait()
            });
        });
        let of_host = host.clock().clone();
        let began = of_host.now();
        let host = host.start().unwrap();
        clock.wait_for_sleepers(1);
        clock.advance(seconds(3600));
        assert_eq!(told.recv().unwrap(), (seconds(3600), seconds(3600)));
        for other in [host.clock(), &of_host] {
            assert_eq!(other.now() - began, seconds(3600));
            assert_eq!(other.wall(), clock.wall());
        }
        // Where the test's clock stands, the timeout of a wait for a state passes all the same.
        let waited = host.wait_for_state("it", ServiceState::Failed, MOMENT);
        assert!(matches!(waited, Err(WaitForError::TimedOut { .. })));
        assert!(stopped(&host).is_clean());
    });
}
