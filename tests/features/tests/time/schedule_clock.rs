//! What schedules do when the time of day is corrected, in small steps and in large ones,
//! against a plain reckoning of what is due.

use crate::common::rounds::rounds;
use crate::common::{LONG, within};
use groundcrew::channel::{Receiver, unbounded};
use groundcrew::schedule::{MisfirePolicy, ScheduleEntry};
use groundcrew::testing::ManualClock;
use groundcrew::{Pool, Schedule, Scheduler};
use std::time::{Duration, SystemTime};

// All times are milliseconds of the wall clock, from the beginning of a day on.
const NONE: [i64; 0] = [];
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Up to this a clock that is set back is one as in autumn.
const CORRECTION: i64 = 3 * HOUR;
/// A clock that is set by less was not set.
const DRIFT: i64 = SECOND;

/// A scheduler with one entry, by a clock of its own.
struct Stage {
    clock: ManualClock,
    pool: Pool,
    scheduler: Scheduler,
    entry: ScheduleEntry,
    told: Receiver<SystemTime>,
    begin: SystemTime,
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(count.try_into().unwrap())
}

impl Stage {
    fn new(schedule: Schedule, missed: MisfirePolicy, start: i64) -> Stage {
        let begin = ManualClock::new().wall();
        let clock = ManualClock::at(begin + millis(start));
        let pool = Pool::builder().threads(1).clock(&clock).build().unwrap();
        let scheduler = Scheduler::new(pool.submitter());
        let (tell, told) = unbounded();
        let entry = scheduler.entry("it", schedule).misfire(missed);
        let entry = entry.run(move |ctx| Ok(tell.send(ctx.due())?)).unwrap();
        Stage {
            clock,
            pool,
            scheduler,
            entry,
            told,
            begin,
        }
    }

    fn start(&self) {
        self.scheduler.start().unwrap();
    }

    fn since(&self, time: SystemTime) -> i64 {
        match time.duration_since(self.begin) {
            Ok(since) => since.as_millis().try_into().unwrap(),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap(),
        }
    }

    fn wall(&self) -> i64 {
        self.since(self.clock.wall())
    }

    /// Time passes; returns what was due by then.
    fn pass(&self, time: i64) -> Vec<i64> {
        self.clock.advance(millis(time));
        self.dues()
    }

    /// The time of day is set, both ways; returns what was due by then.
    fn step(&self, by: i64) -> Vec<i64> {
        let wall = self.clock.wall();
        let by_that = Duration::from_millis(by.unsigned_abs());
        self.clock.set_wall(match by < 0 {
            true => wall - by_that,
            false => wall + by_that,
        });
        self.dues()
    }

    fn dues(&self) -> Vec<i64> {
        self.pool.wait_idle();
        self.told.try_iter().map(|due| self.since(due)).collect()
    }

    fn next_due(&self) -> Option<i64> {
        self.entry.status().next_due().map(|due| self.since(due))
    }
}

fn cron(expression: &str) -> Schedule {
    Schedule::cron(expression).in_tz("UTC")
}

#[test]
fn small_corrections_of_the_clock_lose_no_run_and_give_none_twice() {
    within(LONG, "small corrections", || {
        for (expression, due) in [("30 0 * * *", 30 * MINUTE), ("0 * * * *", HOUR)] {
            for (steps, by) in [(1, -600), (2, -400), (2, -600), (20, -60), (3, 700)] {
                let it = Stage::new(cron(expression), MisfirePolicy::Once, 0);
                it.start();
                for _ in 0..steps {
                    assert_eq!(it.pass(MINUTE), NONE);
                    assert_eq!(it.step(by), NONE);
                }
                let what = format!("{expression}, {steps} steps of {by} ms");
                assert_eq!(it.pass(due - it.wall() - 1), NONE, "{what}");
                assert_eq!(it.pass(1), [due], "{what}");
                // Just when it has run, too.
                for _ in 0..steps {
                    assert_eq!(it.step(by), NONE, "{what}");
                    assert_eq!(it.pass(SECOND), NONE, "{what}");
                }
                assert_eq!(it.entry.status().runs(), 1, "{what}");
                assert_eq!(it.entry.status().missed(), 0, "{what}");
            }
        }
    });
}

#[test]
fn a_clock_that_loses_half_a_second_an_hour_loses_no_daily_run_of_a_week() {
    within(LONG, "half a second", || {
        let it = Stage::new(cron("30 0 * * *"), MisfirePolicy::Once, HOUR);
        it.start();
        let mut dues = Vec::new();
        while it.wall() < 7 * DAY + HOUR {
            dues.extend(it.pass(HOUR));
            dues.extend(it.step(-500));
        }
        let nights: Vec<i64> = (1..=7).map(|day| day * DAY + 30 * MINUTE).collect();
        assert_eq!(dues, nights);
        assert_eq!(it.entry.status().missed(), 0);
    });
}

#[test]
fn a_clock_that_is_set_back_right_after_the_start_is_noticed() {
    within(LONG, "right after the start", || {
        let hour = 10 * HOUR;
        for (back, next) in [
            (30 * MINUTE, hour),
            (HOUR, hour),
            (30 * DAY, hour + 15 * MINUTE - 30 * DAY),
        ] {
            for _ in 0..20 {
                let it = Stage::new(cron("0,15 10 * * *"), MisfirePolicy::Once, hour + 1);
                it.start();
                assert_eq!(it.step(-back), NONE);
                assert_eq!(it.next_due(), Some(next), "back by {back}");
                assert_eq!(it.pass(next - it.wall()), [next]);
            }
        }
    });
}

#[test]
fn a_clock_that_was_wrong_by_weeks_and_is_corrected_again_a_little_loses_no_day() {
    within(LONG, "wrong by weeks", || {
        let it = Stage::new(cron("0 2 * * *"), MisfirePolicy::Once, 0);
        it.start();
        assert_eq!(it.step(30 * DAY), [29 * DAY + 2 * HOUR]);
        assert_eq!(it.step(-30 * DAY), NONE);
        assert_eq!(it.next_due(), Some(2 * HOUR));
        assert_eq!(it.pass(HOUR), NONE);
        assert_eq!(it.step(-2 * SECOND), NONE);
        assert_eq!(it.next_due(), Some(2 * HOUR));
        assert_eq!(it.pass(HOUR + 2 * SECOND), [2 * HOUR]);
        assert_eq!(it.next_due(), Some(DAY + 2 * HOUR));
    });
}

/// What is due when, of a list of times, by a plain reckoning.
struct Reckoning {
    times: Vec<i64>,
    is_interval: bool,
    wall: i64,
    /// What is not later than this was before the start, or before the clock was corrected.
    begin: i64,
    /// The last one that was due.
    had: Option<i64>,
    /// The last one that was due before the clock was corrected: may be due again, or not.
    either: Option<i64>,
    /// The last second before each beginning: a clock that is set by less was not set.
    drift: Vec<i64>,
}

impl Reckoning {
    fn new(times: Vec<i64>, is_interval: bool, wall: i64) -> Reckoning {
        Reckoning {
            times,
            is_interval,
            wall,
            begin: wall,
            had: None,
            either: None,
            drift: vec![wall],
        }
    }

    /// The clock shows that now, and was set by so much.
    fn due(&mut self, wall: i64, set: i64) -> Vec<i64> {
        self.wall = wall;
        if self.is_interval && set < 0 {
            // It goes on in its own time, but for the moment itself that was had.
            let next = self.times[self.count_until(wall)];
            self.begin = match self.had {
                Some(had) if had == next => next,
                _ => wall,
            };
        } else if set < -CORRECTION {
            (self.either, self.had, self.begin) = (self.had.or(self.either), None, wall);
            self.drift.push(wall);
        }
        self.begin = match self.is_interval {
            true => self.begin,
            false => self.begin.min(wall),
        };
        let from = match self.had {
            Some(had) if !self.is_interval => had.max(self.begin),
            _ => self.begin,
        };
        let from = self.count_until(from);
        let due = self.times[from..self.count_until(wall).max(from)].to_vec();
        if let Some(last) = due.last() {
            self.had = Some(*last);
        }
        if self.is_interval {
            self.begin = self.begin.max(wall);
        }
        due
    }

    /// How many of the times are not later than this.
    fn count_until(&self, wall: i64) -> usize {
        self.times.partition_point(|time| *time <= wall)
    }

    fn is_certain(&self, time: i64) -> bool {
        let is_drift = |begin: &i64| time <= *begin && time > begin - DRIFT - 1;
        self.either != Some(time) && !self.drift.iter().any(is_drift)
    }

    fn compare(&mut self, it: &Stage, dues: &[i64], set: i64, what: &str) {
        let expected = self.due(it.wall(), set);
        let certain = |dues: &[i64]| -> Vec<i64> {
            let certain = dues.iter().filter(|time| self.is_certain(**time));
            certain.copied().collect()
        };
        assert_eq!(
            certain(dues),
            certain(&expected),
            "{what}, at {}",
            it.wall()
        );
        if let Some(last) = dues.last() {
            self.had = Some(*last);
        }
    }
}

/// The times of all days that a round comes to.
fn times(of_day: &[i64]) -> Vec<i64> {
    let days = (-400..400).map(|day| day * DAY);
    days.flat_map(|day| of_day.iter().map(move |time| day + time))
        .collect()
}

/// A time to pass: mostly up to what is due next, or about.
fn random_time(rng: &mut fastrand::Rng, it: &Stage) -> i64 {
    let to_next = it.next_due().map_or(HOUR, |due| due - it.wall()).max(1);
    match rng.u8(..8) {
        0..3 => (to_next + rng.i64(-2 * SECOND..2 * SECOND)).max(1),
        3 => to_next,
        4 => rng.i64(1..to_next + 1),
        5 => rng.i64(1..2 * MINUTE),
        6 => rng.i64(1..HOUR),
        _ => rng.i64(1..2 * DAY),
    }
}

/// Without those of about three hours, which may be more or less than that by the drift.
fn random_step(rng: &mut fastrand::Rng, largest_small: i64) -> i64 {
    let size = match rng.u8(..10) {
        0..5 if largest_small > 0 => rng.i64(1..=largest_small),
        0..7 => rng.i64(1_500..MINUTE),
        7 => rng.i64(MINUTE..CORRECTION - 2 * SECOND),
        8 => rng.i64(CORRECTION + 2 * SECOND..12 * HOUR),
        _ => rng.i64(CORRECTION + 2 * SECOND..10 * DAY),
    };
    match rng.u8(..3) {
        0 => size,
        _ => -size,
    }
}

#[test]
fn no_fixed_time_is_lost_or_had_twice_whatever_is_done_to_the_clock() {
    rounds("fixed times", 100, |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let minute = rng.i64(0..60);
        let mut hours: Vec<i64> = (0..rng.i64(1..5)).map(|_| rng.i64(0..24)).collect();
        hours.sort_unstable();
        hours.dedup();
        let texts: Vec<String> = hours.iter().map(ToString::to_string).collect();
        let expression = format!("{minute} {} * * *", texts.join(","));
        let of_day: Vec<i64> = hours.iter().map(|h| h * HOUR + minute * MINUTE).collect();
        let start = rng.i64(0..DAY);
        let it = Stage::new(cron(&expression), MisfirePolicy::All(1000), start);
        let mut reckoning = Reckoning::new(times(&of_day), false, start);
        it.start();
        for _ in 0..60 {
            if rng.bool() {
                let time = random_time(&mut rng, &it);
                let dues = it.pass(time);
                reckoning.compare(&it, &dues, 0, &format!("{expression}, after {time} ms"));
            } else {
                let by = random_step(&mut rng, 900);
                let dues = it.step(by);
                reckoning.compare(&it, &dues, by, &format!("{expression}, set by {by} ms"));
            }
        }
        assert_eq!(it.entry.status().missed(), 0);
    });
}

#[test]
fn an_interval_goes_on_in_its_own_time_whatever_is_done_to_the_clock() {
    rounds("intervals", 60, |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let minutes = rng.i64(1..30);
        let expression = format!("*/{minutes} * * * *");
        let of_hour: Vec<i64> = (0..60).step_by(minutes as usize).collect();
        let hours = (0..24).map(|hour| hour * HOUR);
        let of_day: Vec<i64> = hours
            .flat_map(|hour| of_hour.iter().map(move |minute| hour + minute * MINUTE))
            .collect();
        let start = rng.i64(0..DAY);
        let it = Stage::new(cron(&expression), MisfirePolicy::All(10_000), start);
        let mut reckoning = Reckoning::new(times(&of_day), true, start);
        it.start();
        for _ in 0..40 {
            if rng.bool() {
                let time = random_time(&mut rng, &it).min(6 * HOUR);
                let dues = it.pass(time);
                reckoning.compare(&it, &dues, 0, &format!("{expression}, after {time} ms"));
            } else {
                let by = random_step(&mut rng, 0).min(6 * HOUR);
                let dues = it.step(by);
                reckoning.compare(&it, &dues, by, &format!("{expression}, set by {by} ms"));
            }
        }
    });
}

#[test]
fn a_clock_that_drifts_gives_every_run_of_an_interval_once_and_so_does_one_time() {
    rounds("drift", 20, |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let start = rng.i64(2 * SECOND..MINUTE);
        let it = Stage::new(cron("* * * * *"), MisfirePolicy::All(1000), start);
        let at = it.begin + millis(rng.i64(HOUR..2 * HOUR));
        let (tell, told) = unbounded();
        let once = it.scheduler.entry("once", Schedule::at(at));
        let once = once.run(move |ctx| Ok(tell.send(ctx.due())?)).unwrap();
        it.start();
        let mut dues = Vec::new();
        while it.wall() < 3 * HOUR {
            dues.extend(it.pass(rng.i64(2 * SECOND..3 * MINUTE)));
            dues.extend(it.step(rng.i64(-900..=900)));
        }
        let last = dues.last().unwrap() / MINUTE;
        assert!(last >= 3 * 60 - 1);
        assert_eq!(dues, (1..=last).map(|nth| nth * MINUTE).collect::<Vec<_>>());
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [at]);
        assert_eq!(once.status().runs(), 1);
    });
}
