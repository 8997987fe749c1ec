//! Schedulers by the real clock: what their entries may be, what becomes of their runs, and
//! what a stop leaves.

mod common;

use common::host::{OnDrop, signal};
use common::{Bomb, Gate, LONG, expected_panic, occupied_pool, occupy, rounds::rounds, within};
use groundcrew::channel::{Sender, unbounded};
use groundcrew::schedule::{
    MisfirePolicy, OverlapPolicy, RunContext, RunOutcome, ScheduleEntry, ScheduleError,
};
use groundcrew::{Host, Pool, Schedule, Scheduler, StopPlan};
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

type RunResult = Result<(), Box<dyn Error + Send + Sync>>;

const HOUR: Duration = Duration::from_secs(3600);
const MILLI: Duration = Duration::from_millis(1);

fn hourly() -> Schedule {
    Schedule::every(HOUR)
}

fn often() -> Schedule {
    Schedule::every(MILLI)
}

fn pool(workers: usize) -> (Pool, Scheduler) {
    let pool = Pool::new(workers).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    (pool, scheduler)
}

fn nothing(_: &RunContext<'_>) -> RunResult {
    Ok(())
}

/// Tells of each run, and then waits at the gate.
fn told(tell: &Sender<()>, gate: &Gate) -> impl Fn(&RunContext<'_>) -> RunResult + use<> {
    let (tell, entrance) = (tell.clone(), gate.entrance());
    move |_| {
        tell.send(())?;
        entrance.pass();
        Ok(())
    }
}

#[test]
fn an_entry_that_cannot_be_is_refused_with_what_to_write_instead() {
    let (_pool, scheduler) = pool(1);
    let add = |name: &str, schedule: Schedule| scheduler.entry(name, schedule).run(nothing);
    add("it", hourly()).unwrap();
    let refused = |error: Result<ScheduleEntry, ScheduleError>| error.unwrap_err().to_string();
    for (error, text) in [
        (
            add("zero", Schedule::every(Duration::ZERO)),
            "a period of zero would be due all the time; give `every` a longer one",
        ),
        (
            add("once", Schedule::after(HOUR).fixed_delay()),
            "`fixed_delay` is for `Schedule::every`, and means nothing to `after 1h`; leave it out",
        ),
        (
            add("", hourly()),
            "\"\" cannot be the name of an entry, which the log shows; give it some letters, and \
             no control characters",
        ),
        (
            add("two\nlines", hourly()),
            "\"two\\nlines\" cannot be the name of an entry, which the log shows; give it some \
             letters, and no control characters",
        ),
        (
            add("it", hourly()),
            "there is an entry \"it\" already; give this one another name, or remove that one \
             first",
        ),
        (
            scheduler
                .entry("none", hourly())
                .overlap(OverlapPolicy::Concurrent(0))
                .run(nothing),
            "entry \"none\" would never run with a rule that allows 0 runs; allow 1, or use \
             `Skip`",
        ),
        (
            scheduler
                .entry("none", hourly())
                .misfire(MisfirePolicy::All(0))
                .run(nothing),
            "entry \"none\" would never run with a rule that allows 0 runs; allow 1, or use \
             `Skip`",
        ),
    ] {
        assert_eq!(refused(error), text);
    }
    assert_eq!(scheduler.status().len(), 1, "nothing of them is left");
    assert!(add("zero", hourly()).is_ok());
}

#[cfg(feature = "cron")]
#[test]
fn a_cron_that_cannot_be_is_refused_with_the_field_that_is_wrong() {
    let (_pool, scheduler) = pool(1);
    let refused = |schedule| {
        let error = scheduler.entry("it", schedule).run(nothing).unwrap_err();
        error.to_string()
    };
    let utc = |expression: &str| refused(Schedule::cron(expression).in_tz("UTC"));
    assert!(utc("61 * * * *").contains("the minute field \"61\" is wrong"));
    assert!(utc("0 0 30 2 *").contains("matches no date at all"));
    assert!(utc("* * *").contains("has 3 fields"));
    assert!(utc("@never").contains("is none of @"));
    assert!(utc(&"*".repeat(10_000)).contains("is too long"));
    let zone = refused(Schedule::cron("@daily").in_tz("Asia/Tokio"));
    assert!(
        zone.contains("there is no time zone \"Asia/Tokio\""),
        "{zone}"
    );
    let option = refused(hourly().in_tz("UTC"));
    assert!(
        option.contains("`in_tz` is for `Schedule::cron`"),
        "{option}"
    );
}

#[test]
fn a_name_is_free_again_once_its_entry_is_removed_and_only_once() {
    let (_pool, scheduler) = pool(1);
    let add = |name: &str| scheduler.entry(name, hourly()).run(nothing);
    let first = add("it").unwrap();
    let _other = add("other").unwrap();
    first.clone().remove();
    let second = add("it").unwrap();
    first.remove();
    assert_eq!(
        add("it").unwrap_err().to_string().split('"').nth(1),
        Some("it")
    );
    let status = scheduler.status();
    let names: Vec<_> = status.iter().map(|status| status.name()).collect();
    assert_eq!(
        names,
        ["other", "it"],
        "in the order in which they were added"
    );
    second.remove();
    assert!(add("it").is_ok());
}

#[test]
fn a_hundred_thousand_entries_are_added_and_removed_in_seconds() {
    within(LONG, "many", || {
        let (_pool, scheduler) = pool(1);
        scheduler.start().unwrap();
        let entries: Vec<_> = (0..100_000)
            .map(|nth| {
                scheduler
                    .entry(format!("{nth}"), hourly())
                    .run(nothing)
                    .unwrap()
            })
            .collect();
        assert_eq!(scheduler.status().len(), entries.len());
        for entry in entries.iter().rev() {
            entry.remove();
        }
        assert!(scheduler.status().is_empty());
    });
}

#[test]
fn a_trigger_obeys_the_rule_for_overlaps() {
    within(LONG, "trigger", || {
        for (rule, beside, accepted) in [
            (OverlapPolicy::Skip, 1, 1),
            (OverlapPolicy::Queue, 1, 2),
            (OverlapPolicy::Concurrent(3), 3, 3),
        ] {
            let ((pool, scheduler), gate, (tell, begun)) = (pool(5), Gate::new(), signal());
            let entry = scheduler.entry("it", hourly()).overlap(rule);
            let entry = entry.run(told(&tell, &gate)).unwrap();
            let triggered = (0..5).filter(|_| entry.trigger()).count();
            assert_eq!(triggered, accepted, "{rule:?}");
            for _ in 0..beside {
                begun.recv().unwrap();
            }
            let status = entry.status();
            assert_eq!(status.running(), beside, "{rule:?}");
            assert_eq!(status.overlapped(), 5 - accepted as u64, "{rule:?}");
            gate.open();
            pool.wait_idle();
            assert_eq!(entry.status().runs(), accepted as u64, "{rule:?}");
        }
    });
}

#[test]
fn an_entry_removed_from_its_own_run_has_run_for_the_last_time() {
    within(LONG, "removes itself", || {
        let ((pool, scheduler), (tell, gone)) = (pool(2), signal());
        let own: Arc<Mutex<Option<ScheduleEntry>>> = Arc::default();
        let (of_run, runs) = (own.clone(), Arc::new(AtomicU64::new(0)));
        let (count, captured) = (runs.clone(), OnDrop::new(move || tell.send(()).unwrap()));
        let mut place = own.lock().unwrap();
        let entry = scheduler.entry("it", often()).run(move |_| {
            let _captured = &captured;
            count.fetch_add(1, SeqCst);
            if let Some(entry) = of_run.lock().unwrap().take() {
                entry.remove();
                assert!(!entry.trigger());
            }
            Ok(())
        });
        *place = Some(entry.unwrap());
        drop(place);
        scheduler.start().unwrap();
        // Its closure is dropped with the last run.
        gone.recv().unwrap();
        assert!(scheduler.status().is_empty());
        assert_eq!(runs.load(SeqCst), 1);
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn a_run_may_stop_start_and_add_to_its_own_scheduler() {
    within(LONG, "from inside", || {
        let ((pool, scheduler), (tell, added)) = (pool(1), signal());
        let own = scheduler.clone();
        let entry = scheduler.entry("it", Schedule::after(MILLI)).run(move |_| {
            own.stop();
            own.start().unwrap();
            let tell = tell.clone();
            let new = own.entry("new", often());
            new.run(move |_| Ok(tell.send(())?))?;
            assert_eq!(own.status().len(), 2);
            Ok(())
        });
        let entry = entry.unwrap();
        scheduler.start().unwrap();
        added.recv().unwrap();
        added.recv().unwrap();
        assert_eq!(
            entry.status().last().unwrap().outcome(),
            &RunOutcome::Completed
        );
        assert!(entry.status().next_due().is_none());
        // It holds its own scheduler.
        entry.remove();
        drop((entry, scheduler));
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn a_stop_lets_what_runs_go_on_and_nothing_else_and_a_start_goes_on_from_there() {
    within(LONG, "stop", || {
        let ((pool, scheduler), gate, (tell, begun)) = (pool(2), Gate::new(), signal());
        let entry = scheduler.entry("it", often()).overlap(OverlapPolicy::Queue);
        let entry = entry.run(told(&tell, &gate)).unwrap();
        scheduler.start().unwrap();
        begun.recv().unwrap();
        while entry.status().overlapped() == 0 {
            thread::yield_now();
        }
        scheduler.stop();
        scheduler.stop();
        assert_eq!(entry.status().next_due(), None);
        gate.open();
        pool.wait_idle();
        let status = entry.status();
        assert_eq!((status.runs(), status.running()), (1, 0));
        scheduler.start().unwrap();
        begun.recv().unwrap();
        drop(scheduler);
        pool.wait_idle();
        // By its handle it can still be run.
        let before = entry.status();
        assert_eq!(before.next_due(), None);
        assert!(entry.trigger());
        pool.wait_idle();
        assert_eq!(entry.status().runs(), before.runs() + 1);
    });
}

#[test]
fn a_stop_of_the_pool_hands_back_runs_by_name_and_ends_the_schedules() {
    within(LONG, "pool's stop", || {
        let (pool, gate) = occupied_pool(1);
        let scheduler = Scheduler::new(pool.submitter());
        let (tell, ran) = signal();
        let entry = scheduler.entry("backup", often());
        let entry = entry.run(move |_| Ok(tell.send(())?)).unwrap();
        let far = scheduler.entry("far", hourly()).run(nothing).unwrap();
        scheduler.start().unwrap();
        while entry.status().running() == 0 {
            thread::yield_now();
        }
        let report = thread::scope(|scope| {
            let stop = scope.spawn(|| pool.stop(StopPlan::finish_running(LONG)));
            // It has become due once more, and the pool does not want it.
            while entry.status().next_due().is_some() {
                thread::yield_now();
            }
            gate.open();
            stop.join().unwrap()
        });
        let names: Vec<_> = report.unstarted().iter().map(|task| task.name()).collect();
        assert_eq!(names, ["backup"]);
        assert_eq!(report.accepted(), report.completed() + 1);
        assert!(!entry.trigger() && !far.trigger());
        scheduler.stop();
        scheduler.start().unwrap();
        assert_eq!(scheduler.next_due(), None, "there is no pool");
        // What was handed back can be run, and its entry knows.
        assert!(ran.is_empty());
        report
            .take_unstarted()
            .into_iter()
            .for_each(|task| task.run());
        assert_eq!((ran.len(), entry.status().runs()), (1, 1));
        assert_eq!(entry.status().running(), 0);
    });
}

#[test]
fn runs_that_a_stop_hands_back_and_are_dropped_are_over() {
    within(LONG, "dropped", || {
        let (pool, gate) = occupied_pool(1);
        let scheduler = Scheduler::new(pool.submitter());
        let entry = scheduler.entry("it", hourly()).run(nothing).unwrap();
        assert!(entry.trigger());
        let stop = pool.stop_handle();
        stop.request_stop(StopPlan::cancel(Duration::ZERO));
        let report = stop.stop(Duration::ZERO);
        assert_eq!(report.unstarted().len(), 1);
        assert_eq!(entry.status().running(), 1);
        report.drop_unstarted();
        let status = entry.status();
        assert_eq!((status.running(), status.runs()), (0, 0));
        assert_eq!(status.last(), None);
        gate.open();
    });
}

#[test]
fn a_closure_whose_drop_panics_does_no_harm() {
    within(LONG, "bomb", || {
        let ((pool, scheduler), (tell, ran)) = (pool(1), signal());
        let bomb = Bomb;
        let entry = scheduler.entry("bomb", often()).run(move |_| {
            let _bomb = &bomb;
            Ok(())
        });
        let other = scheduler.entry("other", often());
        other.run(move |_| Ok(tell.send(())?)).unwrap();
        scheduler.start().unwrap();
        ran.recv().unwrap();
        let entry = entry.unwrap();
        entry.remove();
        drop(entry);
        while !ran.is_empty() {
            ran.recv().unwrap();
        }
        ran.recv().unwrap();
        drop(scheduler);
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn an_error_whose_drop_panics_is_a_failed_run() {
    #[derive(Debug)]
    struct Nasty(#[allow(dead_code)] Mutex<Bomb2>);
    #[derive(Debug)]
    struct Bomb2;
    impl Drop for Bomb2 {
        fn drop(&mut self) {
            drop(Bomb);
        }
    }
    impl std::fmt::Display for Nasty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no luck")
        }
    }
    impl Error for Nasty {}
    let (pool, scheduler) = pool(1);
    let entry = scheduler.entry("it", hourly());
    let entry = entry.run(|_| Err(Nasty(Mutex::new(Bomb2)))?).unwrap();
    assert!(entry.trigger());
    pool.wait_idle();
    let status = entry.status();
    let failed = RunOutcome::Failed("no luck".to_owned());
    assert_eq!(status.last().unwrap().outcome(), &failed);
    assert_eq!(pool.stats().panicked(), 0);
}

#[test]
fn the_timers_thread_drops_nothing_of_the_program() {
    within(LONG, "drops", || {
        let (tell, told) = unbounded();
        let (_pool, other) = pool(1);
        // Keeps the timer.
        other.entry("other", hourly()).run(nothing).unwrap();
        other.start().unwrap();
        let mut random = fastrand::Rng::new();
        for _ in 0..500 {
            let (pool, scheduler) = pool(1);
            for nth in 0..4 {
                let tell = tell.clone();
                let captured = OnDrop::new(move || {
                    let name = thread::current().name().map(str::to_owned);
                    tell.send(name).unwrap();
                });
                let micros = Duration::from_micros(random.u64(1..50));
                let entry = scheduler.entry(format!("{nth}"), Schedule::every(micros));
                let entry = entry.run(move |_| {
                    let _captured = &captured;
                    Ok(())
                });
                drop(entry.unwrap());
            }
            scheduler.start().unwrap();
            for _ in 0..random.u32(0..2000) {
                std::hint::spin_loop();
            }
            drop(scheduler);
            drop(pool);
        }
        for _ in 0..2000 {
            assert_ne!(told.recv().unwrap().as_deref(), Some("timer"));
        }
    });
}

/// Whatever is done to entries at the same time, by any thread, each run is counted once,
/// no more run than the rule allows, and what is removed does not run any more.
fn round(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let workers = random.usize(1..4);
    let pool = Pool::builder().threads(workers).queue_capacity(2);
    let pool = pool.build().unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let most = random.u32(1..4);
    let ran = Arc::new(AtomicU64::new(0));
    let entries: Vec<_> = (0..5)
        .map(|nth| {
            let micros = Duration::from_micros(random.u64(1..3000));
            let schedule = match random.u32(0..4) {
                0 => Schedule::every(micros).fixed_delay(),
                1 => Schedule::after(micros),
                2 => Schedule::at(SystemTime::now() + micros),
                _ => Schedule::every(micros),
            };
            let (ran, beside) = (ran.clone(), Arc::new(AtomicU64::new(0)));
            let mut entry = scheduler
                .entry(format!("{nth}"), schedule)
                .overlap(OverlapPolicy::Concurrent(most));
            if random.bool() {
                entry = entry.run_at_start();
            }
            if random.bool() {
                entry = entry.jitter(micros).time_limit(HOUR);
            }
            let entry = entry.run(move |_| {
                ran.fetch_add(1, SeqCst);
                assert!(beside.fetch_add(1, SeqCst) < u64::from(most));
                thread::yield_now();
                beside.fetch_sub(1, SeqCst);
                Ok(())
            });
            entry.unwrap()
        })
        .collect();
    let seeds: Vec<u64> = (0..3).map(|_| random.u64(..)).collect();
    let stops_pool = random.bool();
    thread::scope(|scope| {
        for seed in seeds {
            let (entries, scheduler, pool) = (&entries, scheduler.clone(), &pool);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..random.usize(1..100) {
                    let entry = &entries[random.usize(..entries.len())];
                    match random.u32(0..40) {
                        0..10 => scheduler.start().unwrap(),
                        10..14 => scheduler.stop(),
                        14..18 => entry.pause(),
                        18..24 => entry.resume(),
                        24..34 => drop(entry.trigger()),
                        34 => entry.remove(),
                        35 if stops_pool => pool
                            .stop_handle()
                            .request_stop(StopPlan::finish_running(LONG)),
                        36 => drop(scheduler.next_due()),
                        37 => thread::sleep(MILLI),
                        _ => drop(format!("{scheduler:?}")),
                    }
                }
            });
        }
    });
    let removed = entries[0].clone();
    removed.remove();
    pool.wait_idle();
    let runs_then = removed.status().runs();
    scheduler.start().unwrap();
    thread::yield_now();
    drop(scheduler);
    let report = pool.stop(LONG);
    let unstarted = report.unstarted().len();
    drop(report.take_unstarted());
    for entry in &entries {
        let status = entry.status();
        assert_eq!((status.running(), status.next_due()), (0, None), "{status}");
        assert!(!entry.trigger());
    }
    assert_eq!(removed.status().runs(), runs_then);
    let runs: u64 = entries.iter().map(|entry| entry.status().runs()).sum();
    assert_eq!(runs, ran.load(SeqCst));
    assert_eq!(report.completed(), runs);
    assert_eq!(report.accepted(), runs + unstarted as u64);
    assert_eq!(report.panicked(), 0);
}

#[test]
fn entries_that_are_pulled_in_all_directions_lose_count_of_nothing() {
    rounds("schedules", 100, round);
}

#[test]
fn in_a_host_it_starts_after_its_pool_and_is_stopped_before_it() {
    within(LONG, "host", || {
        let ((pool, scheduler), (tell, ran)) = (pool(1), signal());
        let entry = scheduler.entry("it", often());
        let entry = entry.run(move |_| Ok(tell.send(())?)).unwrap();
        let mut host = Host::builder();
        host.add("schedules", &scheduler);
        host.add("workers", pool);
        let host = host.build().unwrap();
        assert!(ran.is_empty());
        let host = host.start().unwrap();
        ran.recv().unwrap();
        ran.recv().unwrap();
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.pools().len(), 1);
        assert_eq!(entry.status().next_due(), None);
        assert_eq!(entry.status().running(), 0);
    });
}

#[test]
fn the_pool_may_go_first_and_dropped_with_its_scheduler_alive_it_ends_everything() {
    within(LONG, "pool first", || {
        let ((pool, scheduler), (tell, ran)) = (pool(1), signal());
        let entry = scheduler.entry("it", often());
        let entry = entry.run(move |_| Ok(tell.send(())?)).unwrap();
        scheduler.start().unwrap();
        ran.recv().unwrap();
        drop(pool);
        while entry.status().next_due().is_some() {
            thread::yield_now();
        }
        let runs = entry.status().runs();
        scheduler.start().unwrap();
        assert_eq!((entry.status().runs(), scheduler.next_due()), (runs, None));
    });
}

#[test]
fn a_busy_pool_makes_runs_late_and_they_come_before_what_waits_in_its_queue_is_done() {
    within(LONG, "turns", || {
        let pool = Pool::builder()
            .threads(1)
            .queue_capacity(64)
            .build()
            .unwrap();
        let gate = Gate::new();
        drop(occupy(&pool, &gate));
        let diary: Arc<Mutex<Vec<&str>>> = Arc::default();
        for _ in 0..64 {
            let diary = diary.clone();
            pool.execute(move || diary.lock().unwrap().push("task"))
                .unwrap();
        }
        let scheduler = Scheduler::new(pool.submitter());
        let of_run = diary.clone();
        let entry = scheduler.entry("it", hourly()).run(move |_| {
            of_run.lock().unwrap().push("run");
            Ok(())
        });
        assert!(entry.unwrap().trigger());
        gate.open();
        pool.wait_idle();
        let diary = diary.lock().unwrap();
        let run = diary.iter().position(|entry| *entry == "run").unwrap();
        assert!(run < 32, "it was the {run}th");
    });
}

#[test]
fn a_run_knows_its_entry_and_is_named_after_it() {
    within(LONG, "names", || {
        let ((pool, scheduler), gate, (tell, begun)) = (pool(1), Gate::new(), signal());
        let entrance = gate.entrance();
        let entry = scheduler.entry("clean up", hourly()).run(move |ctx| {
            assert_eq!((ctx.entry(), ctx.info().name()), ("clean up", "clean up"));
            ctx.note("half done");
            tell.send(())?;
            entrance.pass();
            Ok(())
        });
        assert!(entry.unwrap().trigger());
        begun.recv().unwrap();
        let running = pool.running();
        assert_eq!(running[0].info().name(), "clean up");
        assert!(
            running[0]
                .info()
                .submitted_at()
                .to_string()
                .contains("tests/schedule.rs")
        );
        gate.open();
        pool.wait_idle();
        assert_eq!(pool.stats().panicked(), 0);
    });
}

#[test]
fn the_report_and_the_status_say_which_entries_failed_how_often_and_with_what() {
    within(LONG, "failures", || {
        let pool = Pool::builder().threads(1).build().unwrap();
        let scheduler = Scheduler::new(pool.submitter());
        let mut nth = 0..;
        let counted = Mutex::new(move || nth.next().unwrap_or_default());
        let hour = || Schedule::every(Duration::from_secs(3600));
        let tidy = scheduler.entry("tidy", hour()).run(move |_| {
            let nth: u32 = counted.lock().unwrap()();
            match nth {
                3 => Ok(()),
                _ => Err(format!("no such folder: {nth}"))?,
            }
        });
        let tidy = tidy.unwrap();
        let wild = scheduler.entry("wild", hour()).run(|_| expected_panic());
        let (wild, well) = (
            wild.unwrap(),
            scheduler.entry("well", hour()).run(|_| Ok(())),
        );
        let well = well.unwrap();
        for entry in [&tidy, &tidy, &tidy, &tidy, &wild, &well] {
            assert!(entry.trigger());
            pool.wait_idle();
        }

        let said = |entry: &ScheduleEntry| {
            let status = entry.status();
            (status.failures(), status.last_error().map(str::to_owned))
        };
        assert_eq!(said(&tidy), (3, Some("no such folder: 2".to_owned())));
        assert_eq!(said(&wild), (1, Some("it panicked".to_owned())));
        assert_eq!(said(&well), (0, None));
        let status = tidy.status().to_string();
        assert!(status.contains("4 runs, 3 failed, 0 missed"), "{status}");

        let report = pool.stop(LONG);
        let failed = report.failed_schedules().iter();
        let failed: Vec<_> = failed
            .map(|it| (it.name(), it.failures(), it.last_error()))
            .collect();
        assert_eq!(
            failed,
            [("tidy", 3, "no such folder: 2"), ("wild", 1, "it panicked")]
        );
        assert_eq!((report.completed(), report.panicked()), (5, 1));
        assert!(report.is_clean(), "nothing is left behind");
        let told = report.to_string();
        assert!(told.contains("schedule    \"tidy\"  3 runs"), "{told}");
        assert!(told.contains("last error: no such folder: 2"), "{told}");
        assert!(!told.contains("well"), "{told}");
    });
}
