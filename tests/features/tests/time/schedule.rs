//! What schedulers do when time passes, by a clock that the tests move.

use crate::common::{LONG, expected_panic, within};
use groundcrew::channel::{Receiver, unbounded};
use groundcrew::schedule::{
    EntryBuilder, EntryStatus, MisfirePolicy, OverlapPolicy, RunContext, RunOutcome, ScheduleEntry,
};
use groundcrew::testing::{Gate, ManualClock};
use groundcrew::{Host, Pool, Schedule, Scheduler};
use std::error::Error;
use std::thread;
use std::time::{Duration, SystemTime};

type RunResult = Result<(), Box<dyn Error + Send + Sync>>;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A pool by a clock of its own, and a scheduler that was not started.
struct Stage {
    clock: ManualClock,
    pool: Pool,
    scheduler: Scheduler,
    begin: SystemTime,
}

/// With so many workers.
fn stage(workers: usize) -> Stage {
    let clock = ManualClock::new();
    let pool = Pool::builder().threads(workers).clock(&clock);
    let pool = pool.build().unwrap();
    Stage {
        begin: clock.wall(),
        scheduler: Scheduler::new(pool.submitter()),
        clock,
        pool,
    }
}

impl Stage {
    /// Time passes, and what became due is done.
    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.pool.wait_idle();
    }

    /// The time of day is set, and what became due is done.
    fn set(&self, wall: SystemTime) {
        self.clock.set_wall(wall);
        self.pool.wait_idle();
    }

    /// The machine is suspended: the time of day goes on, the monotonic clock does not.
    fn suspend(&self, time: Duration) {
        self.set(self.clock.wall() + time);
    }

    fn entry(&self, schedule: Schedule) -> EntryBuilder<'_> {
        self.scheduler.entry("it", schedule)
    }

    /// When it is, counted from the beginning.
    fn since(&self, time: SystemTime) -> Duration {
        time.duration_since(self.begin).unwrap()
    }

    /// What the runs so far were for, counted from the beginning.
    fn dues(&self, told: &Receiver<SystemTime>) -> Vec<Duration> {
        told.try_iter().map(|due| self.since(due)).collect()
    }
}

/// Adds it with a closure that tells what each run is for.
fn telling(entry: EntryBuilder<'_>) -> (ScheduleEntry, Receiver<SystemTime>) {
    let (tell, told) = unbounded();
    let entry = entry.run(move |ctx| Ok(tell.send(ctx.due())?)).unwrap();
    (entry, told)
}

/// A closure that waits at this gate.
fn gated(gate: &Gate) -> impl Fn(&RunContext<'_>) -> RunResult + use<> {
    let entrance = gate.entrance();
    move |_| {
        entrance.wait();
        Ok(())
    }
}

fn cron(expression: &str) -> Schedule {
    Schedule::cron(expression).in_tz("UTC")
}

/// Runs, missed, overlapped.
fn counts(status: &EntryStatus) -> (u64, u64, u64) {
    (status.runs(), status.missed(), status.overlapped())
}

#[test]
fn the_matrix_of_missed_runs() {
    within(LONG, "matrix", || {
        let late = [30 * SECOND, MINUTE, MINUTE + SECOND];
        for (rule, many, expected) in [
            (MisfirePolicy::Once, 1, [(1, 0), (1, 0), (1, 0)]),
            (MisfirePolicy::All(3), 1, [(1, 0), (1, 0), (1, 0)]),
            (MisfirePolicy::Skip, 1, [(1, 0), (1, 0), (0, 1)]),
            (MisfirePolicy::Once, 5, [(1, 4), (1, 4), (1, 4)]),
            (MisfirePolicy::All(3), 5, [(3, 2), (3, 2), (3, 2)]),
            (MisfirePolicy::All(9), 5, [(5, 0), (5, 0), (5, 0)]),
            (MisfirePolicy::Skip, 5, [(1, 4), (1, 4), (0, 5)]),
        ] {
            for schedule in [Schedule::every(HOUR), cron("0 * * * *")] {
                for (late, expected) in late.iter().zip(expected) {
                    let it = stage(1);
                    let what = format!("{many} of {schedule}, {rule:?}, late by {late:?}");
                    let (entry, told) = telling(it.entry(schedule.clone()).misfire(rule));
                    it.scheduler.start().unwrap();
                    it.pass(many * HOUR + *late);
                    let status = entry.status();
                    let (runs, missed) = expected;
                    assert_eq!(counts(&status), (runs, missed, 0), "{what}");
                    let nth = |run| (many - run) * HOUR;
                    let dues: Vec<_> = (0..runs as u32).rev().map(nth).collect();
                    assert_eq!(it.dues(&told), dues, "{what}");
                    let most = (many - runs as u32 + 1).min(many);
                    let first_late = it.since(it.clock.wall()) - most * HOUR;
                    let first_late = if runs == 0 {
                        Duration::ZERO
                    } else {
                        first_late
                    };
                    assert_eq!(status.max_lateness(), first_late, "{what}");
                    // It does not drift, and there is no more of what was missed.
                    assert_eq!(status.next_due(), Some(it.begin + (many + 1) * HOUR));
                    it.pass(HOUR - *late);
                    assert_eq!(it.dues(&told), [(many + 1) * HOUR], "{what}");
                }
            }
        }
    });
}

#[test]
fn the_last_ones_are_made_up_for_however_many_were_missed() {
    for (expression, period) in [("* * * * * *", SECOND), ("* * * * *", MINUTE)] {
        for (many, cap) in [
            (999, 1000),
            (1001, 1000),
            (3000, 3),
            (20_000, 4_000_000_000),
        ] {
            let it = stage(1);
            let (entry, told) =
                telling(it.entry(cron(expression)).misfire(MisfirePolicy::All(cap)));
            it.scheduler.start().unwrap();
            it.suspend(many * period);
            let runs = cap.min(many).min(10_000);
            let dues: Vec<_> = (many - runs + 1..=many).map(|nth| nth * period).collect();
            assert_eq!(it.dues(&told), dues, "{cap} of {many}");
            let status = entry.status();
            assert_eq!(status.next_due(), Some(it.begin + (many + 1) * period));
            assert!(status.missed() + status.runs() >= u64::from(many.min(1000)));
        }
    }
}

#[test]
fn a_clock_set_forward_by_a_day_fires_no_burst_and_none_of_what_goes_by_the_other_clock() {
    let it = stage(1);
    let (five, fives) = telling(it.scheduler.entry("five", cron("*/5 * * * *")));
    let (two, twos) = telling(it.scheduler.entry("two", cron("0 2 * * *")));
    let at = Schedule::at(it.begin + 12 * HOUR);
    let (noon, noons) = telling(it.scheduler.entry("noon", at));
    let (every, everies) = telling(it.scheduler.entry("every", Schedule::every(HOUR)));
    let (_, after) = telling(it.scheduler.entry("after", Schedule::after(2 * HOUR)));
    it.scheduler.start().unwrap();
    it.suspend(DAY + SECOND);
    assert_eq!(it.dues(&fives), [DAY]);
    assert_eq!(five.status().missed(), 287);
    assert_eq!(it.dues(&twos), [2 * HOUR]);
    assert_eq!(it.dues(&noons), [12 * HOUR]);
    assert_eq!(noon.status().next_due(), None);
    assert!(everies.is_empty() && after.is_empty());
    // The plan goes on from there.
    assert_eq!(two.status().next_due(), Some(it.begin + DAY + 2 * HOUR));
    assert_eq!(five.status().next_due(), Some(it.begin + DAY + 5 * MINUTE));
    it.pass(HOUR);
    assert_eq!((everies.len(), every.status().missed()), (1, 0));
    assert_eq!(after.len(), 0);
    it.pass(HOUR);
    assert_eq!((everies.len(), after.len()), (2, 1));
    assert_eq!(it.dues(&twos), [DAY + 2 * HOUR]);
}

#[test]
fn a_clock_set_back_by_a_day_fires_nothing_and_sleeps_nothing_away() {
    let it = stage(1);
    it.set(it.begin + 2 * DAY);
    let (five, fives) = telling(it.scheduler.entry("five", cron("*/5 * * * *")));
    let (two, twos) = telling(it.scheduler.entry("two", cron("0 2 * * *")));
    let (_, everies) = telling(it.scheduler.entry("every", Schedule::every(HOUR)));
    it.scheduler.start().unwrap();
    for _ in 0..12 {
        it.pass(5 * MINUTE);
    }
    assert_eq!(
        (fives.try_iter().count(), everies.try_iter().count()),
        (12, 1)
    );
    it.set(it.clock.wall() - DAY);
    assert!(fives.is_empty() && twos.is_empty() && everies.is_empty());
    let hour = it.begin + DAY + HOUR;
    assert_eq!(five.status().next_due(), Some(hour + 5 * MINUTE));
    assert_eq!(two.status().next_due(), Some(hour + HOUR));
    it.pass(HOUR);
    assert_eq!(it.dues(&fives), [DAY + 2 * HOUR]);
    assert_eq!(it.dues(&twos), [DAY + 2 * HOUR]);
    assert_eq!(everies.try_iter().count(), 1);
}

#[test]
fn a_clock_set_back_by_an_hour_is_an_hour_as_in_autumn() {
    let it = stage(1);
    let (_, halves) = telling(it.scheduler.entry("half", cron("*/30 * * * *")));
    let (_, fixed) = telling(it.scheduler.entry("fixed", cron("30 2 * * *")));
    it.scheduler.start().unwrap();
    for _ in 0..16 {
        it.pass(10 * MINUTE);
    }
    assert_eq!(
        (halves.try_iter().count(), fixed.try_iter().count()),
        (5, 1)
    );
    it.set(it.clock.wall() - HOUR);
    for _ in 0..12 {
        it.pass(10 * MINUTE);
    }
    let expected = [120, 150, 180, 210].map(|minutes| minutes * MINUTE);
    assert_eq!(it.dues(&halves), expected);
    assert!(fixed.is_empty(), "it was had");
}

#[test]
fn a_suspended_night_is_made_up_for_once_and_is_no_time_for_what_goes_by_the_monotonic_clock() {
    let it = stage(1);
    let (_, nightly) = telling(it.scheduler.entry("nightly", cron("0 3 * * *")));
    let (_, every) = telling(it.scheduler.entry("every", Schedule::every(10 * MINUTE)));
    it.scheduler.start().unwrap();
    for night in 0..3 {
        it.suspend(9 * HOUR);
        assert_eq!(it.dues(&nightly), [night * DAY + 3 * HOUR]);
        assert!(every.is_empty());
        for _ in 0..15 {
            it.pass(HOUR);
            assert_eq!(every.try_iter().count(), 1);
        }
        assert!(nightly.is_empty());
    }
}

#[test]
fn a_whole_year_in_five_zones_is_what_was_planned_of_it() {
    within(LONG, "year", || {
        let it = stage(1);
        let entries = [
            ("30 2 * * *", "America/New_York"),
            ("*/30 * * * *", "Europe/London"),
            ("0 */2 * * *", "Australia/Lord_Howe"),
            ("15 0 1 * *", "Pacific/Apia"),
            ("0 1-3 * * SUN", "Europe/Berlin"),
        ]
        .map(|(expression, zone)| {
            let schedule = Schedule::cron(expression).in_tz(zone);
            (
                schedule.clone(),
                telling(it.scheduler.entry(zone, schedule)),
            )
        });
        it.scheduler.start().unwrap();
        let end = it.begin + 365 * DAY;
        while let Some(next) = it.scheduler.next_due().filter(|next| *next <= end) {
            it.pass(next.duration_since(it.clock.wall()).unwrap());
        }
        for (schedule, (entry, told)) in entries {
            let dues: Vec<_> = told.try_iter().collect();
            assert!(dues.is_sorted_by(|a, b| a < b), "{schedule}");
            let upcoming = schedule.upcoming(it.begin);
            let upcoming: Vec<_> = upcoming.take_while(|due| *due <= end).collect();
            assert_eq!(dues.len(), upcoming.len(), "{schedule}");
            assert_eq!(dues, upcoming, "{schedule}");
            let status = entry.status();
            assert_eq!(counts(&status), (dues.len() as u64, 0, 0), "{schedule}");
            assert_eq!(status.max_lateness(), Duration::ZERO, "{schedule}");
            // New York's is once a day, whatever the clocks do.
            assert!(dues.len() != 365 || status.name().ends_with("New_York"));
        }
    });
}

#[test]
fn a_run_that_is_due_while_one_runs_is_left_out_waits_or_runs_beside_it() {
    within(LONG, "overlap", || {
        for (rule, beside, queued, overlapped) in [
            (OverlapPolicy::Skip, 1, 0, 4),
            (OverlapPolicy::Queue, 1, 1, 3),
            (OverlapPolicy::Concurrent(2), 2, 0, 3),
            (OverlapPolicy::Concurrent(9), 5, 0, 0),
        ] {
            let (it, gate) = (stage(9), Gate::new());
            let every = it.entry(Schedule::every(MINUTE)).overlap(rule);
            let entry = every.run(gated(&gate)).unwrap();
            it.scheduler.start().unwrap();
            for _ in 0..5 {
                it.clock.advance(MINUTE);
            }
            gate.wait_for(beside);
            let status = entry.status();
            assert_eq!(status.running() as usize, beside, "{rule:?}");
            assert_eq!(status.overlapped(), overlapped, "{rule:?}");
            assert_eq!(status.last(), None);
            gate.open();
            it.pool.wait_idle();
            let status = entry.status();
            let runs = (beside + queued) as u64;
            assert_eq!(counts(&status), (runs, 0, overlapped), "{rule:?}");
            assert_eq!(status.running(), 0);
            it.pass(MINUTE);
            assert_eq!(entry.status().runs(), runs + 1, "{rule:?}");
        }
    });
}

#[test]
fn runs_that_are_made_up_for_follow_the_rule_for_overlaps() {
    within(LONG, "all", || {
        for (rule, beside, runs) in [
            (OverlapPolicy::Skip, 1, 5),
            (OverlapPolicy::Queue, 1, 5),
            (OverlapPolicy::Concurrent(2), 2, 5),
        ] {
            let (it, gate) = (stage(9), Gate::new());
            let every = it.entry(Schedule::every(MINUTE)).overlap(rule);
            let entry = every
                .misfire(MisfirePolicy::All(5))
                .run(gated(&gate))
                .unwrap();
            it.scheduler.start().unwrap();
            it.clock.advance(10 * MINUTE);
            gate.wait_for(beside);
            assert_eq!(entry.status().running() as usize, beside, "{rule:?}");
            // What is due meanwhile finds them all before it.
            it.clock.advance(MINUTE);
            gate.open();
            it.pool.wait_idle();
            assert_eq!(counts(&entry.status()), (runs, 5, 1), "{rule:?}");
        }
    });
}

#[test]
fn one_that_is_slow_fails_or_panics_delays_no_other_and_keeps_its_schedule() {
    within(LONG, "broken", || {
        let (it, gate) = (stage(2), Gate::new());
        let minute = || Schedule::every(MINUTE);
        let slow = it.scheduler.entry("slow", minute());
        let slow = slow.run(gated(&gate)).unwrap();
        let (_, told) = telling(it.scheduler.entry("good", minute()));
        let fails = it.scheduler.entry("fails", minute());
        let fails = fails.run(|_| Err("no luck")?).unwrap();
        let panics = it.scheduler.entry("panics", minute());
        let panics = panics.run(|_| expected_panic()).unwrap();
        it.scheduler.start().unwrap();
        for nth in 1..=5 {
            it.clock.advance(MINUTE);
            gate.wait_for(1);
            assert_eq!(told.recv().unwrap(), it.begin + nth * MINUTE);
            // All but the slow one have ended when the clock moves on.
            while fails
                .status()
                .last()
                .is_none_or(|last| last.due() < it.clock.wall())
                || panics
                    .status()
                    .last()
                    .is_none_or(|last| last.due() < it.clock.wall())
            {
                thread::yield_now();
            }
        }
        let outcome = |entry: &ScheduleEntry| entry.status().last().unwrap().outcome().clone();
        assert_eq!(outcome(&fails), RunOutcome::Failed("no luck".to_owned()));
        assert_eq!(outcome(&panics), RunOutcome::Panicked);
        assert_eq!(counts(&fails.status()), (5, 0, 0));
        assert_eq!(counts(&panics.status()), (5, 0, 0));
        assert_eq!(counts(&slow.status()), (1, 0, 4));
        drop(gate);
        it.pool.wait_idle();
        assert_eq!(it.pool.stats().panicked(), 5);
    });
}

#[test]
fn a_full_pool_makes_runs_late_and_blocks_nothing() {
    within(LONG, "full", || {
        let clock = ManualClock::new();
        let full = Pool::builder().threads(1).queue_capacity(1).clock(&clock);
        let full = full.build().unwrap();
        let gate = crate::common::Gate::new();
        drop(crate::common::occupy(&full, &gate));
        let entrance = gate.entrance();
        full.execute(move || entrance.pass()).unwrap();
        assert!(full.try_execute(|| ()).is_err());

        let late = Scheduler::new(full.submitter());
        let minute = || Schedule::every(MINUTE);
        let entries: Vec<_> = (0..10)
            .map(|nth| telling(late.entry(format!("{nth}"), minute())))
            .collect();
        // The same clock, and so the same timer.
        let free = Pool::builder().threads(1).clock(&clock).build().unwrap();
        let other = Scheduler::new(free.submitter());
        let (_, told) = telling(other.entry("other", minute()));
        late.start().unwrap();
        other.start().unwrap();
        for nth in 1..=3 {
            clock.advance(MINUTE);
            free.wait_idle();
            assert_eq!(told.try_iter().count(), 1, "{nth}");
        }
        assert_eq!(full.stats().queued(), 1, "they take no room in the queue");
        gate.open();
        full.wait_idle();
        for (entry, told) in entries {
            let status = entry.status();
            assert_eq!(counts(&status), (1, 0, 2));
            assert_eq!(status.max_lateness(), 2 * MINUTE);
            assert_eq!(told.len(), 1);
        }
    });
}

#[test]
fn a_fixed_rate_keeps_its_pace_and_a_fixed_delay_counts_from_the_end() {
    within(LONG, "pace", || {
        let (it, gate) = (stage(2), Gate::new());
        let rate = it.scheduler.entry("rate", Schedule::every(10 * SECOND));
        let rate = rate.run(gated(&gate)).unwrap();
        let delay = Schedule::every(10 * SECOND).fixed_delay();
        let delay = it.scheduler.entry("delay", delay);
        let delay = delay.run(gated(&gate)).unwrap();
        it.scheduler.start().unwrap();
        it.clock.advance(10 * SECOND);
        gate.wait_for(2);
        assert_eq!(delay.status().next_due(), None, "it has not begun to count");
        it.clock.advance(4 * SECOND);
        gate.pass(2);
        it.pool.wait_idle();
        assert_eq!(rate.status().next_due(), Some(it.begin + 20 * SECOND));
        assert_eq!(delay.status().next_due(), Some(it.begin + 24 * SECOND));
        it.clock.advance(6 * SECOND);
        gate.wait_for(1);
        gate.open();
        it.pool.wait_idle();
        assert_eq!((rate.status().runs(), delay.status().runs()), (2, 1));
        it.pass(4 * SECOND);
        assert_eq!(delay.status().next_due(), Some(it.begin + 34 * SECOND));
        for _ in 0..100 {
            it.pass(SECOND);
        }
        // 10, 20 to 120; 10, 24 to 124.
        assert_eq!(counts(&rate.status()), (12, 0, 0));
        assert_eq!(counts(&delay.status()), (12, 0, 0));
    });
}

#[test]
fn a_fixed_delay_counts_from_the_end_of_whatever_ran() {
    within(LONG, "delay", || {
        for rule in [
            OverlapPolicy::Skip,
            OverlapPolicy::Queue,
            OverlapPolicy::Concurrent(2),
        ] {
            let (it, gate) = (stage(3), Gate::new());
            let delay = it.entry(Schedule::every(MINUTE).fixed_delay());
            let delay = delay.overlap(rule).run_at_start();
            let entry = delay.run(gated(&gate)).unwrap();
            it.scheduler.start().unwrap();
            gate.wait_for(1);
            assert_eq!(entry.status().next_due(), None, "{rule:?}");
            it.clock.advance(10 * MINUTE);
            gate.pass(1);
            it.pool.wait_idle();
            assert_eq!(counts(&entry.status()), (1, 0, 0), "{rule:?}");
            let next = Some(it.clock.wall() + MINUTE);
            assert_eq!(entry.status().next_due(), next, "{rule:?}");

            it.clock.advance(30 * SECOND);
            assert!(entry.trigger());
            gate.wait_for(1);
            entry.pause();
            entry.resume();
            it.scheduler.stop();
            it.scheduler.start().unwrap();
            assert_eq!(entry.status().next_due(), None, "{rule:?}");
            it.clock.advance(10 * MINUTE);
            gate.open();
            it.pool.wait_idle();
            let next = Some(it.clock.wall() + MINUTE);
            assert_eq!(entry.status().next_due(), next, "{rule:?}");
            it.pass(MINUTE);
            assert_eq!(entry.status().missed(), 0);
        }
    });
}

#[test]
fn a_fixed_delay_whose_run_was_missed_and_is_left_out_goes_on() {
    let it = stage(1);
    let delay = it.entry(Schedule::every(MINUTE).fixed_delay());
    let (entry, told) = telling(delay.misfire(MisfirePolicy::Skip));
    it.scheduler.start().unwrap();
    it.pass(HOUR);
    assert_eq!(counts(&entry.status()), (0, 1, 0));
    it.pass(MINUTE);
    assert_eq!(it.dues(&told), [HOUR + MINUTE]);
}

#[test]
fn a_run_at_the_start_comes_before_the_first_that_is_due() {
    let it = stage(1);
    let (entry, told) = telling(it.entry(Schedule::every(HOUR)).run_at_start());
    it.pass(HOUR);
    assert!(told.is_empty());
    it.scheduler.start().unwrap();
    it.scheduler.start().unwrap();
    it.pool.wait_idle();
    assert_eq!(it.dues(&told), [HOUR]);
    assert_eq!(entry.status().next_due(), Some(it.begin + 2 * HOUR));
    // One that is added later begins at once.
    let late = it.scheduler.entry("late", cron("@daily")).run_at_start();
    let (_, late) = telling(late);
    it.pool.wait_idle();
    assert_eq!(it.dues(&late), [HOUR]);
}

#[test]
fn a_run_that_takes_too_long_is_cancelled_and_one_that_does_not_is_not() {
    within(LONG, "limit", || {
        let (it, gate) = (stage(1), Gate::new());
        let entrance = gate.entrance();
        let limited = it.entry(Schedule::every(MINUTE)).time_limit(10 * SECOND);
        let entry = limited
            .run(move |ctx| {
                entrance.wait();
                ctx.token().wait();
                Ok(ctx.token().check()?)
            })
            .unwrap();
        it.scheduler.start().unwrap();
        it.clock.advance(MINUTE);
        gate.wait_for(1);
        gate.pass(1);
        it.clock.advance(9 * SECOND);
        assert_eq!(entry.status().running(), 1);
        it.clock.advance(SECOND);
        it.pool.wait_idle();
        let status = entry.status();
        let last = status.last().unwrap();
        assert_eq!(last.outcome(), &RunOutcome::Cancelled);
        assert_eq!(last.ran(), 10 * SECOND);
    });
}

#[test]
fn what_is_paused_runs_neither_then_nor_afterwards() {
    let it = stage(1);
    let (entry, told) = telling(it.entry(Schedule::every(HOUR)).run_at_start());
    // It may be paused before its scheduler starts, and stays so.
    entry.pause();
    assert!(entry.status().is_paused());
    it.scheduler.start().unwrap();
    it.pass(3 * HOUR);
    it.scheduler.stop();
    it.scheduler.start().unwrap();
    it.pass(3 * HOUR);
    let status = entry.status();
    assert!(status.is_paused() && told.is_empty());
    assert_eq!((status.next_due(), counts(&status)), (None, (0, 0, 0)));
    assert!(entry.trigger());
    it.pool.wait_idle();
    assert_eq!(it.dues(&told), [6 * HOUR]);
    entry.resume();
    entry.resume();
    assert!(!entry.status().is_paused());
    it.pass(HOUR);
    assert_eq!(it.dues(&told), [7 * HOUR]);
    entry.pause();
    it.scheduler.stop();
    entry.resume();
    it.pass(HOUR);
    assert!(told.is_empty(), "its scheduler does not run");
    it.scheduler.start().unwrap();
    it.pool.wait_idle();
    assert_eq!(it.dues(&told), [8 * HOUR]);
    entry.remove();
    entry.resume();
    it.pass(DAY);
    assert!(told.is_empty() && !entry.trigger());
}

#[test]
fn a_run_that_waits_for_another_is_left_out_by_a_pause() {
    within(LONG, "waits", || {
        let (it, gate) = (stage(1), Gate::new());
        let queue = it
            .entry(Schedule::every(HOUR))
            .overlap(OverlapPolicy::Queue);
        let entry = queue.run(gated(&gate)).unwrap();
        it.scheduler.start().unwrap();
        it.clock.advance(HOUR);
        it.clock.advance(HOUR);
        entry.pause();
        gate.open();
        it.pool.wait_idle();
        assert_eq!(entry.status().runs(), 1);
    });
}

#[test]
fn once_is_once() {
    let it = stage(1);
    let (after, afters) = telling(it.scheduler.entry("after", Schedule::after(HOUR)));
    let at = it.scheduler.entry("at", Schedule::at(it.begin + HOUR));
    let (at, ats) = telling(at);
    it.scheduler.start().unwrap();
    it.pass(HOUR - SECOND);
    assert!(afters.is_empty() && ats.is_empty());
    it.pass(SECOND);
    assert_eq!(it.dues(&afters), [HOUR]);
    assert_eq!(it.dues(&ats), [HOUR]);
    for entry in [&after, &at] {
        assert_eq!(entry.status().next_due(), None);
        entry.pause();
        entry.resume();
    }
    it.scheduler.stop();
    it.scheduler.start().unwrap();
    it.pass(DAY);
    it.set(it.begin);
    it.pass(DAY);
    assert!(afters.is_empty() && ats.is_empty());
}

#[test]
fn a_time_that_has_passed_is_due_at_once() {
    let it = stage(1);
    let (_, told) = telling(it.entry(Schedule::at(it.begin - DAY)));
    it.scheduler.start().unwrap();
    it.pass(Duration::ZERO);
    assert_eq!(told.recv().unwrap(), it.begin - DAY);
    let skip = it.scheduler.entry("skip", Schedule::at(it.begin - DAY));
    let (skip, told) = telling(skip.misfire(MisfirePolicy::Skip));
    it.pass(Duration::ZERO);
    assert_eq!(counts(&skip.status()), (0, 1, 0));
    assert!(told.is_empty());
}

#[test]
fn jitter_makes_a_run_later_and_is_no_lateness() {
    let it = stage(1);
    let (entry, told) = telling(it.entry(Schedule::every(HOUR)).jitter(10 * MINUTE));
    it.scheduler.start().unwrap();
    let mut jitters = Vec::new();
    for nth in 1..=50 {
        let next = entry.status().next_due().unwrap();
        let jitter = it.since(next) - nth * HOUR;
        assert!(jitter <= 10 * MINUTE);
        jitters.push(jitter);
        it.pass(next.duration_since(it.clock.wall()).unwrap());
        assert_eq!(it.dues(&told), [nth * HOUR]);
    }
    jitters.dedup();
    assert!(jitters.len() > 40, "{jitters:?}");
    let status = entry.status();
    assert_eq!(status.max_lateness(), Duration::ZERO);
    assert_eq!(counts(&status), (50, 0, 0));
}

#[test]
fn no_moment_is_had_twice_though_the_clock_is_corrected_and_the_entry_paused() {
    let it = stage(1);
    let (entry, told) = telling(it.entry(cron("0 * * * *")));
    it.scheduler.start().unwrap();
    it.pass(HOUR);
    for step in [SECOND / 2, SECOND, 5 * SECOND] {
        it.set(it.clock.wall() - step);
        entry.pause();
        entry.resume();
        it.pass(step + SECOND);
    }
    it.pass(HOUR);
    assert_eq!(it.dues(&told), [HOUR, 2 * HOUR]);
}

#[test]
fn a_status_says_everything() {
    within(LONG, "status", || {
        let (it, gate) = (stage(1), Gate::new());
        let entrance = gate.entrance();
        let entry = it.entry(Schedule::every(HOUR));
        let entry = entry.run(move |_| {
            entrance.wait();
            Err("no such folder")?
        });
        let entry = entry.unwrap();
        let status = entry.status();
        assert_eq!((status.name(), status.schedule()), ("it", "every 1h"));
        assert_eq!((status.next_due(), status.last()), (None, None));
        assert_eq!(
            status.to_string(),
            "it (every 1h): 0 runs, 0 missed, 0 overlapped"
        );
        it.scheduler.start().unwrap();
        it.clock.advance(3 * HOUR + SECOND);
        gate.wait_for(1);
        it.clock.advance(HOUR);
        let status = entry.status();
        assert_eq!((status.running(), counts(&status)), (1, (1, 2, 1)));
        gate.open();
        it.pool.wait_idle();
        let status = entry.status();
        assert_eq!(status.next_due(), Some(it.begin + 5 * HOUR));
        assert_eq!(it.scheduler.next_due(), status.next_due());
        assert_eq!(status.max_lateness(), SECOND);
        let last = status.last().unwrap();
        assert_eq!(last.due(), it.begin + 3 * HOUR);
        assert_eq!(last.started(), it.begin + 3 * HOUR + SECOND);
        assert_eq!((last.ran(), last.lateness()), (HOUR, SECOND));
        assert_eq!(
            status.to_string(),
            "it (every 1h): 1 runs, 1 failed, 2 missed, 1 overlapped, last failed: no such folder"
        );
        assert!(!status.is_paused());
        assert_eq!(it.scheduler.status().len(), 1);
    });
}

#[test]
fn a_host_by_the_same_clock_starts_and_stops_it_in_its_turn() {
    within(LONG, "host", || {
        let (it, gate) = (stage(1), Gate::new());
        let entry = it.entry(Schedule::every(HOUR)).run(gated(&gate)).unwrap();
        let Stage {
            clock,
            pool,
            scheduler,
            begin,
        } = it;
        let mut host = Host::builder();
        host.clock(&clock);
        host.add("workers", pool);
        host.add("schedules", &scheduler);
        assert_eq!(entry.status().next_due(), None);
        let host = host.build().unwrap().start().unwrap();
        assert_eq!(entry.status().next_due(), Some(begin + HOUR));
        clock.advance(HOUR);
        gate.wait_for(1);
        // The run that is under way goes on to its end, and no other begins.
        host.handle().request_stop("enough");
        while entry.status().next_due().is_some() {
            thread::yield_now();
        }
        gate.open();
        let report = host.wait();
        assert!(report.is_clean(), "{report}");
        let status = entry.status();
        assert_eq!(status.last().unwrap().outcome(), &RunOutcome::Completed);
        clock.advance(DAY);
        assert_eq!(entry.status().runs(), 1);
        assert!(!entry.trigger());
    });
}

#[test]
fn what_is_due_when_the_scheduler_starts_is_in_the_pool_when_that_returns() {
    within(LONG, "due at once", || {
        let it = stage(1);
        let now = it.clock.wall();
        let rules = [
            ("now", Schedule::at(now)),
            ("past", Schedule::at(now - HOUR)),
            ("after no time", Schedule::after(Duration::ZERO)),
        ];
        let entries = rules.map(|(name, rule)| {
            let entry = it.scheduler.entry(name, rule);
            entry.run(|_| Ok(())).unwrap()
        });
        let paused = it
            .scheduler
            .entry("paused", Schedule::at(now))
            .run(|_| Ok(()));
        let paused = paused.unwrap();
        paused.pause();
        it.scheduler.start().unwrap();
        it.pool.wait_idle();
        for entry in &entries {
            assert_eq!(entry.status().runs(), 1, "{}", entry.name());
        }
        // One that is added later, and one that is resumed.
        let late = it
            .scheduler
            .entry("late", Schedule::at(now))
            .run(|_| Ok(()));
        assert_eq!(paused.status().runs(), 0);
        paused.resume();
        it.pool.wait_idle();
        assert_eq!(
            (late.unwrap().status().runs(), paused.status().runs()),
            (1, 1)
        );
    });
}

#[test]
fn by_the_real_clock_a_time_that_has_come_is_run_before_the_pool_is_idle() {
    within(LONG, "now", || {
        for _ in 0..100 {
            let pool = Pool::new(1).unwrap();
            let scheduler = Scheduler::new(pool.submitter());
            let entry = scheduler.entry("now", Schedule::at(SystemTime::now()));
            let entry = entry.run(|_| Ok(())).unwrap();
            scheduler.start().unwrap();
            pool.wait_idle();
            assert_eq!(entry.status().runs(), 1);
        }
    });
}

#[test]
fn a_scheduler_says_what_time_it_is_by_the_clock_of_its_entries() {
    let it = stage(1);
    let daily = it.entry(Schedule::at(it.begin + DAY));
    daily.run(|_| Ok(())).unwrap();
    it.scheduler.start().unwrap();
    let left = || {
        let due = it.scheduler.next_due().unwrap();
        due.duration_since(it.scheduler.now()).unwrap()
    };
    assert_eq!((it.scheduler.now(), left()), (it.begin, DAY));
    it.pass(HOUR);
    assert_eq!((it.scheduler.now(), left()), (it.begin + HOUR, DAY - HOUR));
    it.set(it.begin);
    assert_eq!((it.scheduler.now(), left()), (it.begin, DAY));
}
