//! Reports and statistics as data: a snapshot of each.
#[path = "../../common/mod.rs"]
mod common;

use common::{Gate, LONG, within};
use groundcrew::batch::BatchReport;
use groundcrew::channel::bounded;
use groundcrew::host::{FailurePolicy, StopReason};
use groundcrew::retry::CircuitBreaker;
use groundcrew::schedule::RunOutcome;
use groundcrew::{Batcher, Host, Pool, Retry, Schedule, Scheduler, StopPlan};
use serde_json::{Value, json, to_value};
use std::time::{Duration, SystemTime};

const MOMENT: Duration = Duration::from_millis(20);

/// As data, with "#" for what differs from run to run: times, numbers of tasks and threads, lines
/// of this file.
fn data(value: Result<Value, serde_json::Error>) -> Value {
    let mut data = value.unwrap();
    scrub(&mut data);
    data
}

fn scrub(data: &mut Value) {
    const VARY: [&str; 19] = [
        "elapsed",
        "id",
        "running_for",
        "cancel_requested_for",
        "submitted_at",
        "thread_id",
        "thread_state",
        "start_took",
        "stop_took",
        "delay_took",
        "ran",
        "next_due",
        "due",
        "started",
        "lateness",
        "max_lateness",
        "queue_peak",
        "stop_requested_for",
        "heartbeat_age",
    ];
    match data {
        Value::Array(values) => values.iter_mut().for_each(scrub),
        Value::Object(fields) => {
            for (name, value) in fields {
                let varies = VARY.contains(&name.as_str());
                match value {
                    // Only Linux says what a thread does.
                    Value::Null if name.starts_with("thread_") => *value = json!("#"),
                    Value::Number(_) | Value::String(_) if varies => *value = json!("#"),
                    _ => scrub(value),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_report_of_a_stop_has_every_task_that_it_left_behind() {
    within(LONG, "a stop with a stuck task", || {
        let gate = Gate::new();
        let entrance = gate.entrance();
        let pool = Pool::builder().name("w").threads(1).build().unwrap();
        let (tell, told) = bounded(1);
        pool.task("stuck")
            .execute_with(move |ctx| {
                ctx.note("at the gate");
                tell.send(()).unwrap();
                entrance.pass();
            })
            .unwrap();
        told.recv().unwrap();
        pool.task("queued").execute(|| ()).unwrap();
        let report = pool.stop(StopPlan::cancel(MOMENT));
        assert_eq!(
            data(to_value(&report)),
            json!({
                "pool": "w", "clean": false, "exit_code": 75, "elapsed": "#",
                "accepted": 2, "completed": 0, "panicked": 0, "cancelled": 0, "expired": 0,
                "overrun": 0, "failed_schedules": [],
                "unstarted": [
                    { "id": "#", "name": "queued", "submitted_at": "#", "attempts": 0 },
                ],
                "abandoned": [{
                    "id": "#", "name": "stuck", "submitted_at": "#", "attempts": 1,
                    "worker": "w-0", "running_for": "#", "note": "at the gate",
                    "cancel_requested_for": "#", "overrun": false, "has_token": true,
                    "thread_id": "#", "thread_state": "#",
                }],
                "stopping_tasks": [], "lingering": [],
            })
        );
        let exact = to_value(&report).unwrap();
        assert_eq!(exact["elapsed"], report.elapsed().as_secs_f64());
        assert_eq!(exact["unstarted"][0]["id"], report.unstarted()[0].id());
        let place = report.unstarted()[0].submitted_at().to_string();
        assert_eq!(exact["unstarted"][0]["submitted_at"], place);
        // The closures are where they were.
        assert_eq!(report.take_unstarted().len(), 1);
        drop(gate);
    });
}

#[test]
fn the_statistics_of_a_pool_have_all_counters() {
    let pool = Pool::builder().name("w").threads(2).build().unwrap();
    pool.submit(|| 1).unwrap().join().unwrap();
    pool.wait_idle();
    assert_eq!(pool.stats().due(), 0);
    assert_eq!(
        data(to_value(pool.stats())),
        json!({
            "accepted": 1, "queued": 0, "queue_peak": "#", "overflow": 0, "overflow_peak": 0,
            "waiting": 0, "due": "#", "running": 0, "completed": 1, "panicked": 0, "cancelled": 0,
            "expired": 0, "unstarted": 0, "abandoned": 0, "stopping_tasks": 0, "ended_late": 0,
            "overrun": 0, "refused": 0, "workers_alive": 2,
        })
    );
}

#[test]
fn a_running_task_says_what_it_does() {
    within(LONG, "a task at a gate", || {
        let (gate, (tell, told)) = (Gate::new(), bounded(1));
        let entrance = gate.entrance();
        let pool = Pool::builder().name("w").threads(1).build().unwrap();
        let task = move || {
            tell.send(()).unwrap();
            entrance.pass();
        };
        pool.task("wait").execute(task).unwrap();
        told.recv().unwrap();
        assert_eq!(
            data(to_value(pool.running())),
            json!([{
                "id": "#", "name": "wait", "submitted_at": "#", "attempts": 1, "worker": "w-0",
                "running_for": "#", "note": null, "cancel_requested_for": null, "overrun": false,
            }])
        );
        drop(gate);
    });
}

#[test]
fn the_report_of_a_host_has_its_services_and_their_failures() {
    within(LONG, "a host that fails", || {
        let mut host = Host::builder();
        host.name("shop");
        host.background("db", |_| Err(std::io::Error::other("disk full"))?);
        host.background("bad", |_| panic!("not expected: {}", 1))
            .on_failure(FailurePolicy::Ignore);
        let report = host.build().unwrap().run();
        let failure = json!({
            "service": "db", "failed_in": "run", "kind": "error", "message": "disk full",
        });
        let json = data(to_value(&report));
        assert_eq!(
            (&json["host"], &json["clean"], &json["exit_code"]),
            (&json!("shop"), &json!(false), &json!(1))
        );
        assert_eq!(
            json["reason"],
            json!({ "kind": "failed", "failure": failure })
        );
        assert_eq!(
            json["services"][0],
            json!({
                "name": "db", "outcome": { "kind": "failed", "failure": failure },
                "restarts": 0, "failures": 1, "start_took": "#", "stop_took": "#",
                "queue": null, "batcher": null, "jobs": null, "items_left": 0,
            })
        );
        assert!(json["failures"].as_array().unwrap().contains(&failure));
        for (name, value) in [("lingering", json!([])), ("pools", json!([]))] {
            assert_eq!(json[name], value);
        }
        let fields: Vec<_> = json.as_object().unwrap().keys().collect();
        let all = [
            "clean",
            "delay_took",
            "exit_code",
            "failures",
            "host",
            "lingering",
            "pools",
            "ran",
            "reason",
            "services",
            "start_took",
            "stop_took",
        ];
        assert_eq!(fields, all);

        let requested = StopReason::Requested {
            by: Some("web".into()),
            reason: "new version".into(),
        };
        let reason = json!({ "kind": "requested", "by": "web", "reason": "new version" });
        assert_eq!(data(to_value(requested)), reason);
    });
}

#[test]
fn an_abandoned_service_says_what_its_threads_did() {
    within(LONG, "a host with a stuck service", || {
        let (gate, (tell, told)) = (Gate::new(), bounded(1));
        let entrance = gate.entrance();
        let mut host = Host::builder();
        host.stop_timeout(MOMENT);
        host.background("stuck", move |ctx| {
            ctx.note("at the gate");
            tell.send(())?;
            entrance.pass();
            Ok(())
        });
        let host = host.build().unwrap().start().unwrap();
        told.recv().unwrap();
        let report = host.stop();
        assert_eq!(
            data(to_value(&report))["services"][0]["outcome"],
            json!({
                "kind": "abandoned",
                "abandoned": {
                    "stop_requested_for": "#", "heartbeat_age": null,
                    "threads": [{
                        "name": "stuck", "note": "at the gate",
                        "thread_id": "#", "thread_state": "#",
                    }],
                },
            })
        );
        drop(gate);
    });
}

#[test]
fn the_report_of_a_batcher_has_counts_and_no_items() {
    let pool = Pool::new(1).unwrap();
    let items = Batcher::builder("lines")
        .retry(Retry::fixed(LONG))
        .build(pool.submitter(), |_: &mut Vec<Unserializable>, _| {
            Err("the disk is full")?
        })
        .unwrap();
    items.submit(Unserializable).unwrap();
    let report: BatchReport<Unserializable> = items.stop(MOMENT);
    let json = data(to_value(&report));
    assert_eq!(json["stats"]["retries"], report.stats().retries());
    let (batches, calls, retries) = (
        report.stats().batches(),
        report.stats().calls(),
        report.stats().retries(),
    );
    assert_eq!(
        json,
        json!({
            "batcher": "lines", "clean": false, "elapsed": "#", "abandoned": 0,
            "stats": {
                "accepted": 1, "waiting": 0, "in_progress": 0, "handled": 0, "dead": 0, "unstarted": 1,
                "batches": batches, "calls": calls, "retries": retries,
            },
        })
    );
}

struct Unserializable;

#[test]
fn the_status_of_an_entry_has_its_last_run() {
    within(LONG, "a run that fails", || {
        let pool = Pool::new(1).unwrap();
        let scheduler = Scheduler::new(pool.submitter());
        let hourly = Schedule::every(Duration::from_secs(3600));
        let entry = scheduler.entry("report", hourly).run(|_| Err("no disk")?);
        let entry = entry.unwrap();
        scheduler.start().unwrap();
        assert!(entry.trigger());
        pool.wait_idle();
        let exact = to_value(entry.status()).unwrap();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let next_due = exact["next_due"].as_f64().unwrap();
        assert!(next_due > now && next_due <= now + 3600.0, "{next_due}");
        assert_eq!(
            data(to_value(entry.status())),
            json!({
                "name": "report", "schedule": entry.status().schedule(), "next_due": "#",
                "paused": false, "running": 0, "runs": 1, "missed": 0, "overlapped": 0,
                "failures": 1, "last_error": "no disk", "max_lateness": "#",
                "last": {
                    "due": "#", "started": "#", "ran": "#", "lateness": "#",
                    "outcome": { "kind": "failed", "error": "no disk" },
                },
            })
        );
        assert_eq!(
            data(to_value(RunOutcome::Panicked)),
            json!({ "kind": "panicked" })
        );
        scheduler.stop();
    });
}

#[test]
fn a_circuit_breaker_has_its_state() {
    let breaker = CircuitBreaker::builder("smtp")
        .open_for(Duration::MAX)
        .build()
        .unwrap();
    let json = |state: Value| {
        json!({
            "name": "smtp", "state": state, "failures": 0, "failure_rate": null, "refused": 0,
        })
    };
    assert_eq!(data(to_value(&breaker)), json(json!({ "kind": "closed" })));
    breaker.trip();
    let open = json!({ "kind": "open", "retry_in": null });
    assert_eq!(data(to_value(&breaker)), json(open));
}
