//! What a scheduler remembers on a file, and makes up for after a restart, by a clock that the
//! tests move. Processes are in `tests/schedule_remember.rs` of the library.

use crate::common::{LONG, expected_panic, within};
use groundcrew::cancel::Cancelled;
use groundcrew::channel::{Receiver, Sender, unbounded};
use groundcrew::schedule::{EntryBuilder, MisfirePolicy, OverlapPolicy, ScheduleEntry};
use groundcrew::testing::{Gate, ManualClock};
use groundcrew::{Host, Pool, Schedule, Scheduler, StopPlan};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The time of day and the file, which outlive the lives of a program.
struct World {
    clock: ManualClock,
    begin: SystemTime,
    folder: tempfile::TempDir,
    tell: Sender<SystemTime>,
    told: Receiver<SystemTime>,
}

/// One life of the program.
struct Life {
    pool: Pool,
    scheduler: Scheduler,
}

fn world() -> World {
    // Midnight, in UTC.
    let begin = UNIX_EPOCH + 20_000 * DAY;
    let (tell, told) = unbounded();
    World {
        clock: ManualClock::at(begin),
        begin,
        folder: tempfile::tempdir().unwrap(),
        tell,
        told,
    }
}

impl World {
    fn file(&self) -> PathBuf {
        self.folder.path().join("schedules")
    }

    fn life(&self) -> Life {
        self.life_on(&self.file())
    }

    fn life_on(&self, file: &Path) -> Life {
        let pool = Pool::builder().threads(1).clock(&self.clock);
        let pool = pool.build().unwrap();
        let scheduler = Scheduler::new(pool.submitter());
        scheduler.remember(file).unwrap();
        Life { pool, scheduler }
    }

    /// A life with one entry, which is started: it has done what was due at its start.
    fn live(&self, schedule: Schedule) -> Life {
        self.live_as(schedule, |entry| entry)
    }

    fn live_as(
        &self,
        schedule: Schedule,
        options: impl FnOnce(EntryBuilder<'_>) -> EntryBuilder<'_>,
    ) -> Life {
        let life = self.life();
        self.add(options(life.scheduler.entry("it", schedule)));
        life.start();
        life
    }

    /// Its closure tells what each run is for.
    fn add(&self, entry: EntryBuilder<'_>) -> ScheduleEntry {
        let tell = self.tell.clone();
        entry.run(move |ctx| Ok(tell.send(ctx.due())?)).unwrap()
    }

    /// What the runs so far were for, counted from the beginning.
    fn dues(&self) -> Vec<Duration> {
        let since = |due: SystemTime| due.duration_since(self.begin).unwrap();
        self.told.try_iter().map(since).collect()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// A copy of the file, as a crash of this moment leaves it.
    fn crashed(&self) -> PathBuf {
        let copy = self.folder.path().join("crashed");
        fs::copy(self.file(), &copy).unwrap();
        copy
    }
}

impl Life {
    fn start(&self) {
        self.scheduler.start().unwrap();
        self.pool.wait_idle();
    }

    fn pass(&self, world: &World, time: Duration) {
        world.clock.advance(time);
        self.pool.wait_idle();
    }

    fn end(self) {
        self.scheduler.stop();
        assert!(self.pool.stop(LONG).is_clean());
    }
}

fn cron(expression: &str) -> Schedule {
    Schedule::cron(expression).in_tz("UTC")
}

/// At 1:30.
fn nightly() -> Schedule {
    cron("30 1 * * *")
}

const NIGHT: Duration = Duration::from_secs(5400);

#[test]
fn what_was_missed_between_two_lives_is_made_up_for_by_the_policy_at_its_true_time() {
    for (policy, expected, missed) in [
        (MisfirePolicy::Once, vec![2 * DAY + NIGHT], 2),
        (
            MisfirePolicy::All(9),
            vec![NIGHT, DAY + NIGHT, 2 * DAY + NIGHT],
            0,
        ),
        (MisfirePolicy::All(2), vec![DAY + NIGHT, 2 * DAY + NIGHT], 1),
        (MisfirePolicy::Skip, vec![], 3),
    ] {
        let world = world();
        let live = || world.live_as(nightly(), |entry| entry.misfire(policy));
        live().end();
        world.clock.advance(2 * DAY + 2 * HOUR);
        assert_eq!(world.dues(), [], "nobody runs");

        let life = live();
        assert_eq!(world.dues(), expected, "{policy:?}");
        assert_eq!(life.scheduler.status()[0].missed(), missed, "{policy:?}");
        life.pass(&world, DAY - 30 * MINUTE);
        assert_eq!(world.dues(), [3 * DAY + NIGHT]);
        life.end();

        live().end();
        assert_eq!(world.dues(), [], "each once");
    }
}

#[test]
fn a_run_that_is_made_up_for_knows_how_late_it_is() {
    let world = world();
    world.live(nightly()).end();
    world.clock.advance(2 * HOUR);
    let life = world.live(nightly());
    let status = life.scheduler.status();
    let last = status[0].last().unwrap();
    assert_eq!(last.due(), world.begin + NIGHT);
    assert_eq!(last.lateness(), 30 * MINUTE);
}

#[test]
fn an_interval_counts_on_from_its_last_run_through_all_lives() {
    let world = world();
    let every = || Schedule::every(10 * HOUR);
    let life = world.live(every());
    life.pass(&world, 6 * HOUR);
    life.end();
    world.clock.advance(HOUR);
    let life = world.live(every());
    assert_eq!(world.dues(), []);
    life.pass(&world, 3 * HOUR);
    assert_eq!(world.dues(), [10 * HOUR], "not 17");
    life.end();

    world.clock.advance(25 * HOUR);
    let life = world.live(every());
    assert_eq!(world.dues(), [30 * HOUR], "one makes up for two");
    assert_eq!(life.scheduler.status()[0].missed(), 1);
    life.pass(&world, 5 * HOUR);
    assert_eq!(world.dues(), [40 * HOUR]);
    life.end();
}

#[test]
fn a_fixed_delay_counts_from_the_end_of_the_last_run() {
    let world = world();
    let delay = || Schedule::every(10 * MINUTE).fixed_delay();
    let life = world.life();
    let gate = Gate::new();
    let entrance = gate.entrance();
    life.scheduler
        .entry("it", delay())
        .run(move |_| {
            entrance.wait();
            Ok(())
        })
        .unwrap();
    life.scheduler.start().unwrap();
    world.clock.advance(10 * MINUTE);
    gate.wait_for(1);
    life.scheduler.stop(); // the run goes on
    world.clock.advance(5 * MINUTE);
    gate.open();
    assert!(life.pool.stop(LONG).is_clean());
    drop(life);

    world.clock.advance(9 * MINUTE);
    let life = world.live(delay());
    assert_eq!(world.dues(), []);
    life.pass(&world, MINUTE);
    assert_eq!(world.dues(), [25 * MINUTE]);
}

#[test]
fn an_appointment_is_had_once_in_all_lives_and_a_delay_once_in_each() {
    let world = world();
    let noon = || Schedule::at(world.begin + 12 * HOUR);
    world.live(noon()).end();
    world.clock.advance(13 * HOUR);
    for expected in [vec![12 * HOUR], vec![], vec![]] {
        world.live(noon()).end();
        assert_eq!(world.dues(), expected);
    }
    // Not while it is paused at the start either.
    let life = world.life();
    let entry = world.add(life.scheduler.entry("it", noon()));
    entry.pause();
    life.start();
    entry.resume();
    life.pool.wait_idle();
    assert_eq!(world.dues(), []);
    life.end();

    fs::remove_file(world.file()).unwrap();
    for begin in [13, 16] {
        let life = world.live(Schedule::after(2 * HOUR));
        life.pass(&world, 3 * HOUR);
        assert_eq!(world.dues(), [(begin + 2) * HOUR]);
        life.end();
    }
}

#[test]
fn a_run_that_a_crash_cuts_short_is_repeated_with_all_that_was_due_after_it() {
    let world = world();
    let hourly = || cron("0 * * * *");
    fn policies(entry: EntryBuilder<'_>) -> EntryBuilder<'_> {
        let entry = entry.overlap(OverlapPolicy::Concurrent(9));
        entry.misfire(MisfirePolicy::All(9))
    }
    let pool = Pool::builder().threads(2).clock(&world.clock);
    let pool = pool.build().unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    scheduler.remember(world.file()).unwrap();
    let gate = Gate::new();
    let (entrance, slow) = (gate.entrance(), world.begin + 2 * HOUR);
    let (tell, told) = unbounded();
    let entry = scheduler.entry("it", hourly());
    let run = move |ctx: &groundcrew::schedule::RunContext<'_>| {
        if ctx.due() == slow {
            entrance.wait();
        }
        Ok(tell.send(ctx.due())?)
    };
    policies(entry).run(run).unwrap();
    scheduler.start().unwrap();
    for hour in [1, 2, 3] {
        world.clock.advance(HOUR);
        match hour {
            2 => gate.wait_for(1),
            _ => assert_eq!(told.recv(), Ok(world.begin + hour * HOUR)),
        }
    }
    // All that has ended is on the file then.
    scheduler.stop();
    let crashed = world.crashed();

    let life = world.life_on(&crashed);
    world.add(policies(life.scheduler.entry("it", hourly())));
    life.start();
    assert_eq!(world.dues(), [2 * HOUR, 3 * HOUR]);
    life.end();

    // Without the crash it ends, and nothing is repeated.
    gate.open();
    assert!(pool.stop(LONG).is_clean());
    drop(scheduler);
    world.live_as(hourly(), policies).end();
    assert_eq!(world.dues(), []);
}

#[test]
fn what_a_stop_hands_back_or_cuts_short_is_had_after_the_restart_and_what_failed_is_not() {
    let world = world();
    let life = world.life();
    let entry = |name| life.scheduler.entry(name, nightly());
    let (late, gate) = (Gate::new(), Gate::new());
    let (too_late, entrance) = (late.entrance(), gate.entrance());
    entry("fails").run(|_| Err("no disk")?).unwrap();
    entry("panics").run(|_| expected_panic()).unwrap();
    let limited = entry("takes too long").time_limit(SECOND);
    limited
        .run(move |ctx| {
            too_late.wait();
            ctx.token().wait();
            Err(Cancelled)?
        })
        .unwrap();
    entry("is cut short")
        .run(move |ctx| {
            entrance.wait();
            ctx.token().wait();
            Err(Cancelled)?
        })
        .unwrap();
    entry("is handed back").run(|_| Ok(())).unwrap();
    life.scheduler.start().unwrap();
    world.clock.advance(NIGHT);
    late.wait_for(1);
    world.clock.advance(SECOND);
    late.open();
    gate.wait_for(1);
    gate.open();
    life.scheduler.stop();
    let report = life.pool.stop(StopPlan::cancel(LONG));
    assert_eq!(report.unstarted().len(), 1);
    drop(report);
    drop(life);

    let life = world.life();
    for name in [
        "fails",
        "panics",
        "takes too long",
        "is cut short",
        "is handed back",
    ] {
        let tell = world.tell.clone();
        let entry = life.scheduler.entry(name, nightly());
        entry.run(move |ctx| Ok(tell.send(ctx.due())?)).unwrap();
    }
    life.start();
    let status = life.scheduler.status();
    let again = status.iter().filter(|status| status.runs() > 0);
    let names: Vec<_> = again.map(|status| status.name()).collect();
    assert_eq!(names, ["is cut short", "is handed back"]);
    assert_eq!(world.dues(), [NIGHT, NIGHT]);
}

#[test]
fn a_run_that_waits_for_another_one_when_its_scheduler_stops_is_left_to_the_next_start() {
    for schedule in [
        |_: &World| cron("0 * * * *"),
        |world: &World| Schedule::at(world.begin + HOUR),
    ] {
        let world = world();
        let life = world.life();
        let gate = Gate::new();
        let (entrance, tell) = (gate.entrance(), world.tell.clone());
        let entry = life.scheduler.entry("it", schedule(&world));
        let entry = entry.overlap(OverlapPolicy::Queue).run(move |ctx| {
            entrance.wait();
            Ok(tell.send(ctx.due())?)
        });
        life.scheduler.start().unwrap();
        assert!(entry.unwrap().trigger());
        gate.wait_for(1);
        world.clock.advance(HOUR);
        life.scheduler.stop();
        gate.open();
        life.pool.wait_idle();
        assert_eq!(world.dues(), [Duration::ZERO], "the one that was triggered");
        // In the same process.
        world.clock.advance(10 * MINUTE);
        life.start();
        assert_eq!(world.dues(), [HOUR]);
        life.end();
        world.live(schedule(&world)).end();
        assert_eq!(world.dues(), []);
    }
}

#[test]
fn a_schedule_that_was_changed_has_what_the_old_one_had_due_and_counts_from_now() {
    for (policy, expected) in [
        (MisfirePolicy::Once, vec![NIGHT]),
        (MisfirePolicy::All(9), vec![NIGHT]),
        (MisfirePolicy::Skip, vec![]),
    ] {
        let world = world();
        world.live(nightly()).end();
        world.clock.advance(DAY + 12 * HOUR);
        let life = world.live_as(cron("0 * * * *"), |entry| entry.misfire(policy));
        assert_eq!(world.dues(), expected, "{policy:?}");
        life.pass(&world, HOUR);
        assert_eq!(world.dues(), [DAY + 13 * HOUR]);
        life.end();
    }
    // Nothing was due by the old one.
    let world = world();
    world.live(nightly()).end();
    world.clock.advance(HOUR);
    world.live(cron("30 0 * * *")).end();
    assert_eq!(world.dues(), []);
}

#[test]
fn a_name_is_known_again_within_thirty_days_and_one_that_was_removed_is_not() {
    let world = world();
    world.live(nightly()).end();
    let other = || {
        let life = world.life();
        world.add(life.scheduler.entry("other", Schedule::every(1000 * DAY)));
        life.start();
        life.end();
    };
    world.clock.advance(29 * DAY);
    other();
    world.clock.advance(HOUR);
    other();
    world.clock.advance(HOUR);
    assert!(world.text().contains("\tit\t"));
    world.live(nightly()).end();
    assert_eq!(world.dues(), [29 * DAY + NIGHT], "it is back");

    other(); // unused from here on
    world.clock.advance(31 * DAY);
    other();
    other();
    let text = world.text();
    assert!(!text.contains("\tit\t"), "{text}");

    world.live(nightly()).end();
    let life = world.life();
    let entry = world.add(life.scheduler.entry("it", nightly()));
    life.start();
    entry.remove();
    life.end();
    let text = world.text();
    assert!(!text.contains("\tit\t"), "{text}");
    world.clock.advance(DAY);
    world.live(nightly()).end();
    assert_eq!(world.dues(), [], "a new entry");
}

#[test]
fn what_a_pause_left_out_is_not_made_up_for_and_an_appointment_is() {
    let world = world();
    let noon = Schedule::at(world.begin + 12 * HOUR);
    let life = world.life();
    let entry = world.add(life.scheduler.entry("it", nightly()));
    let at = world.add(life.scheduler.entry("at", noon.clone()));
    life.start();
    entry.pause();
    at.pause();
    life.pass(&world, DAY);
    life.end();
    let life = world.life();
    let entry = world.add(life.scheduler.entry("it", nightly()));
    world.add(life.scheduler.entry("at", noon));
    life.start();
    assert_eq!(world.dues(), [12 * HOUR]);
    // One that was resumed counts from there.
    entry.pause();
    life.pass(&world, DAY);
    entry.resume();
    life.end();
    world.clock.advance(DAY);
    world.live(nightly()).end();
    assert_eq!(world.dues(), [2 * DAY + NIGHT]);
}

#[test]
fn a_clock_that_was_set_back_between_two_lives_is_as_one_that_was_set_back_in_one() {
    let world = world();
    let live = || world.live(nightly());
    let life = live();
    life.pass(&world, 2 * HOUR);
    assert_eq!(world.dues(), [NIGHT]);
    life.end();
    world.clock.set_wall(world.begin + HOUR);
    let life = live();
    life.pass(&world, HOUR);
    assert_eq!(world.dues(), [], "a fixed time is had once");
    life.pass(&world, DAY);
    assert_eq!(world.dues(), [DAY + NIGHT]);
    life.end();
    // By more than three hours: it was wrong before.
    world.clock.set_wall(world.begin + HOUR);
    let life = live();
    life.pass(&world, HOUR);
    assert_eq!(world.dues(), [NIGHT]);
    life.end();

    // An interval waits for one period at most.
    fs::remove_file(world.file()).unwrap();
    world.live(Schedule::every(HOUR)).end();
    world.clock.set_wall(world.begin);
    let life = world.live(Schedule::every(HOUR));
    life.pass(&world, HOUR);
    assert_eq!(world.dues(), [HOUR]);
    life.end();
}

#[test]
fn runs_that_are_triggered_or_come_with_the_start_change_nothing() {
    let world = world();
    let life = world.life();
    let entry = life.scheduler.entry("it", nightly()).run_at_start();
    let entry = world.add(entry);
    life.start();
    assert!(entry.trigger());
    life.pool.wait_idle();
    assert_eq!(world.dues(), [Duration::ZERO, Duration::ZERO]);
    life.end();
    world.clock.advance(DAY);
    world.live(nightly()).end();
    assert_eq!(world.dues(), [NIGHT]);
}

#[test]
fn in_a_host_it_remembers_and_makes_up_for_what_was_missed() {
    let world = world();
    within(LONG, "the hosts", || {
        for (passed, expected) in [(2 * HOUR, vec![]), (HOUR, vec![NIGHT]), (HOUR, vec![])] {
            let pool = Pool::builder().threads(1).clock(&world.clock);
            let pool = pool.build().unwrap();
            let scheduler = Scheduler::new(pool.submitter());
            scheduler.remember(world.file()).unwrap();
            world.add(scheduler.entry("it", nightly()));
            let mut host = Host::builder();
            host.add("workers", pool);
            host.add("schedules", &scheduler);
            let host = host.build().unwrap().start().unwrap();
            let due = expected.iter().map(|_| world.told.recv().unwrap());
            let due: Vec<_> = due
                .map(|due| due.duration_since(world.begin).unwrap())
                .collect();
            assert_eq!(due, expected);
            assert!(host.stop().is_clean());
            assert_eq!(world.dues(), []);
            world.clock.advance(passed);
        }
    });
}

/// Until when each moment of an entry was had, by the text of the file.
fn next_in(file: &Path) -> BTreeMap<String, Duration> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let entry = |columns: Vec<&str>| match columns[..] {
        [next, _, name, _] => {
            let (seconds, nanos) = next.split_once('.')?;
            let next = Duration::new(seconds.parse().unwrap(), nanos.parse().unwrap());
            Some((name.to_owned(), next))
        }
        _ => None,
    };
    lines.filter_map(entry).collect()
}

/// One random world: entries that make up for all that was missed, and lives that end in order, or
/// by a crash, after any time, with a clock that is corrected in between. The model is plain: a
/// fixed time is had once for each time that the file says it was not, in order.
fn random_lives(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = world();
    let mut file = world.file();
    let entries = [
        ("nightly", nightly(), DAY, NIGHT),
        ("hourly", cron("0 * * * *"), HOUR, HOUR),
        (
            "odd",
            Schedule::every(77 * MINUTE),
            77 * MINUTE,
            77 * MINUTE,
        ),
    ];
    // The next moment of each, from the beginning.
    let mut expected: BTreeMap<&str, Duration> =
        entries.iter().map(|entry| (entry.0, entry.3)).collect();
    for life_number in 0..12 {
        let life = world.life_on(&file);
        let told = entries.each_ref().map(|(name, schedule, ..)| {
            let (tell, told) = unbounded();
            let entry = life.scheduler.entry(*name, schedule.clone());
            let entry = entry.misfire(MisfirePolicy::All(10_000));
            let entry = entry.overlap(OverlapPolicy::Concurrent(10_000));
            entry.run(move |ctx| Ok(tell.send(ctx.due())?)).unwrap();
            told
        });
        life.start();
        for _ in 0..random.u32(0..5) {
            let time = SECOND * random.u32(0..40_000);
            life.pass(&world, time);
        }
        let now = world.clock.wall().duration_since(world.begin).unwrap();
        for ((name, _, period, _), told) in entries.iter().zip(&told) {
            let next = expected.get_mut(name).unwrap();
            for due in told.try_iter() {
                let due = due.duration_since(world.begin).unwrap();
                assert_eq!(due, *next, "seed {seed}, life {life_number}: {name}");
                *next += *period;
            }
            assert!(
                *next > now,
                "seed {seed}, life {life_number}: {name} lost {next:?}"
            );
        }
        // The first time all of them have to get onto the file.
        if life_number == 0 || random.bool() {
            life.end();
        } else {
            // A crash: the file is as it was before, and what had ended since is repeated.
            let crashed = world.folder.path().join(format!("{life_number}"));
            fs::copy(&file, &crashed).unwrap();
            for (name, next) in next_in(&crashed) {
                let next = UNIX_EPOCH + next;
                let expected = expected.get_mut(&*name).unwrap();
                let noted = next.duration_since(world.begin).unwrap();
                assert!(noted <= *expected, "seed {seed}: {name} was not had yet");
                *expected = noted;
            }
            life.end();
            file = crashed;
        }
        world.clock.advance(SECOND * random.u32(0..400_000));
    }
}

#[test]
fn through_any_lives_and_crashes_no_moment_is_lost_and_none_repeated_that_the_file_has() {
    within(LONG, "random lives", || (0..12).for_each(random_lives));
}
