use super::*;
use crate::clock::Clock;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A day's beginning, in UTC.
fn start() -> Now {
    Now {
        mono: Clock::default().now(),
        wall: SystemTime::UNIX_EPOCH + 20_000 * DAY,
    }
}

fn after(now: Now, passed: Duration) -> Now {
    Now {
        mono: now.mono + passed,
        wall: now.wall + passed,
    }
}

fn table(schedule: Schedule, missed: MisfirePolicy, now: Now) -> Timetable {
    let mut table = Timetable::new(schedule, missed, MINUTE, Duration::ZERO);
    table.start(now, 0.0);
    table
}

fn mono(now: Now, passed: Duration) -> Due {
    Due::Mono(now.mono + passed)
}

/// How many run and how many are missed.
fn counts(tick: &Tick) -> (usize, u64) {
    (tick.runs.len(), tick.missed)
}

#[test]
fn the_matrix_of_missed_runs() {
    let late = [30 * SECOND, MINUTE, MINUTE + SECOND];
    let start = start();
    // One was due, at the end of an hour.
    for (rule, expected) in [
        (MisfirePolicy::Once, [(1, 0), (1, 0), (1, 0)]),
        (MisfirePolicy::All(3), [(1, 0), (1, 0), (1, 0)]),
        (MisfirePolicy::Skip, [(1, 0), (1, 0), (0, 1)]),
    ] {
        for (late, expected) in late.iter().zip(expected) {
            let mut table = table(Schedule::every(HOUR), rule, start);
            let tick = table.look(after(start, HOUR + *late), 0.0);
            assert_eq!(counts(&tick), expected, "one, {rule:?}, late by {late:?}");
            assert_eq!(
                table.next(),
                Some(mono(start, 2 * HOUR)),
                "it does not drift"
            );
        }
    }
    // Five were due, each an hour after the other; the last is so late.
    for (rule, expected) in [
        (MisfirePolicy::Once, [(1, 4), (1, 4), (1, 4)]),
        (MisfirePolicy::All(3), [(3, 2), (3, 2), (3, 2)]),
        (MisfirePolicy::All(10), [(5, 0), (5, 0), (5, 0)]),
        (MisfirePolicy::Skip, [(1, 4), (1, 4), (0, 5)]),
    ] {
        for (late, expected) in late.iter().zip(expected) {
            let mut table = table(Schedule::every(HOUR), rule, start);
            let tick = table.look(after(start, 5 * HOUR + *late), 0.0);
            assert_eq!(counts(&tick), expected, "many, {rule:?}, late by {late:?}");
            assert_eq!(
                tick.runs.last().copied().unwrap_or(mono(start, 5 * HOUR)),
                mono(start, 5 * HOUR)
            );
            assert_eq!(
                table.next(),
                Some(mono(start, 6 * HOUR)),
                "it does not drift"
            );
        }
    }
}

#[test]
fn an_interval_has_neither_drift_nor_burst_after_a_thousand_late_looks() {
    let start = start();
    let mut table = table(Schedule::every(10 * SECOND), MisfirePolicy::Once, start);
    let mut runs = 0;
    let mut missed = 0;
    for look in 1..=1000_u32 {
        let tick = table.look(after(start, look * Duration::from_millis(10_700)), 0.0);
        assert!(tick.runs.len() <= 1);
        runs += tick.runs.len() as u64;
        missed += tick.missed;
    }
    assert_eq!(runs, 1000);
    assert_eq!(runs + missed, 1070);
}

#[test]
fn a_fixed_delay_counts_from_the_end_of_the_run() {
    let start = start();
    let mut table = table(
        Schedule::every(MINUTE).fixed_delay(),
        MisfirePolicy::Once,
        start,
    );
    let tick = table.look(after(start, MINUTE), 0.0);
    assert_eq!(tick.runs, [mono(start, MINUTE)]);
    assert_eq!(table.next(), None, "not before the run has ended");
    table.run_ended(after(start, 10 * MINUTE), 0.0);
    assert_eq!(table.next(), Some(mono(start, 11 * MINUTE)));
}

#[test]
fn once_is_once_also_when_it_is_planned_again() {
    let start = start();
    for schedule in [Schedule::after(MINUTE), Schedule::at(start.wall + MINUTE)] {
        let mut table = table(schedule, MisfirePolicy::Once, start);
        assert_eq!(
            counts(&table.look(after(start, MINUTE - SECOND), 0.0)),
            (0, 0)
        );
        assert_eq!(counts(&table.look(after(start, MINUTE), 0.0)), (1, 0));
        assert_eq!(table.next(), None);
        table.start(after(start, HOUR), 0.0);
        assert_eq!(table.next(), None);
    }
}

#[test]
fn a_time_that_was_past_when_it_was_planned_is_missed_or_made_up_for() {
    let start = start();
    for (rule, late, expected) in [
        (MisfirePolicy::Once, DAY, (1, 0)),
        (MisfirePolicy::Skip, DAY, (0, 1)),
        (MisfirePolicy::Skip, MINUTE, (1, 0)),
    ] {
        let mut table = table(Schedule::at(start.wall - late), rule, start);
        assert_eq!(counts(&table.look(start, 0.0)), expected);
    }
}

#[test]
fn jitter_makes_each_run_later_and_the_next_no_later() {
    let start = start();
    let mut table = Timetable::new(
        Schedule::every(MINUTE),
        MisfirePolicy::Once,
        MINUTE,
        10 * SECOND,
    );
    table.start(start, 0.5);
    assert_eq!(table.next(), Some(mono(start, 65 * SECOND)));
    assert_eq!(counts(&table.look(after(start, 64 * SECOND), 0.0)), (0, 0));
    let tick = table.look(after(start, 65 * SECOND), 1.0);
    assert_eq!(tick.runs, [mono(start, MINUTE)]);
    assert_eq!(table.next(), Some(mono(start, 130 * SECOND)));
}

#[test]
fn jitter_never_puts_a_run_off_beyond_the_time_of_the_next_one() {
    let start = start();
    let mut table = Timetable::new(Schedule::every(MINUTE), MisfirePolicy::Once, MINUTE, DAY);
    table.start(start, 1.0);
    for nth in 1..100 {
        assert_eq!(table.next(), Some(mono(start, (nth + 1) * MINUTE)));
        let tick = table.look(after(start, (nth + 1) * MINUTE), 1.0);
        assert_eq!(counts(&tick), (1, 0), "{nth}");
    }
    // At random, all runs are had as well.
    let mut table = Timetable::new(Schedule::every(MINUTE), MisfirePolicy::Skip, MINUTE, DAY);
    table.start(start, 0.7);
    let mut runs = 0;
    for second in 0..6_000_u32 {
        let random = f64::from(second * 37 % 101) / 100.0;
        let tick = table.look(after(start, second * SECOND), random);
        assert_eq!(tick.missed, 0, "{second}");
        runs += tick.runs.len();
    }
    assert!((98..=99).contains(&runs), "{runs}");
}

#[cfg(feature = "cron")]
#[test]
fn jitter_puts_no_run_of_a_cron_entry_off_beyond_the_next_one_either() {
    let start = start();
    let hourly = Schedule::cron("0 * * * *").in_tz("UTC");
    let mut table = Timetable::new(hourly, MisfirePolicy::Once, MINUTE, DAY);
    table.start(start, 1.0);
    for nth in 1..30 {
        let due = after(start, (nth + 1) * HOUR);
        assert_eq!(table.next(), Some(Due::Wall(due.wall)));
        assert_eq!(counts(&table.look(due, 1.0)), (1, 0), "{nth}");
    }
}

#[test]
fn endless_periods_and_jitters_are_never_due_and_do_not_overflow() {
    let start = start();
    for schedule in [
        Schedule::every(Duration::MAX),
        Schedule::every(Duration::MAX).fixed_delay(),
        Schedule::after(Duration::MAX),
    ] {
        let mut table = Timetable::new(
            schedule,
            MisfirePolicy::All(u32::MAX),
            MINUTE,
            Duration::MAX,
        );
        table.start(start, 1.0);
        assert_eq!(table.next(), None);
        table.run_ended(start, 1.0);
        assert_eq!(counts(&table.look(after(start, 1000 * DAY), 1.0)), (0, 0));
    }
    let mut table = Timetable::new(
        Schedule::every(Duration::from_nanos(1)),
        MisfirePolicy::Once,
        MINUTE,
        Duration::MAX,
    );
    table.start(start, 1.0);
    let tick = table.look(after(start, 1000 * DAY), 1.0);
    assert!(tick.runs.len() <= 1);
}

#[test]
fn what_goes_by_the_monotonic_clock_does_not_care_for_the_time_of_day() {
    let start = start();
    let mut table = table(Schedule::every(HOUR), MisfirePolicy::Once, start);
    for wall in [start.wall - 3 * DAY, start.wall + 3 * DAY] {
        let set = Now { wall, ..start };
        assert_eq!(counts(&table.look(set, 0.0)), (0, 0));
    }
    assert_eq!(table.next(), Some(mono(start, HOUR)));
}

#[cfg(feature = "cron")]
mod cron {
    use super::*;

    fn cron(expression: &str, missed: MisfirePolicy, now: Now) -> Timetable {
        table(Schedule::cron(expression).in_tz("UTC"), missed, now)
    }

    fn wall(now: Now, passed: Duration) -> Option<Due> {
        Some(Due::Wall(now.wall + passed))
    }

    /// The time of day moves on, the monotonic clock does not: a suspension, or a clock that
    /// was set.
    fn ahead(now: Now, by: Duration) -> Now {
        let wall = now.wall + by;
        Now { wall, ..now }
    }

    fn back(now: Now, by: Duration) -> Now {
        let wall = now.wall - by;
        Now { wall, ..now }
    }

    #[test]
    fn a_clock_set_forward_by_a_day_makes_one_run_and_the_plan_goes_on_from_there() {
        let start = start();
        for (expression, first, missed) in [
            ("0 2 * * *", 26 * HOUR, 0),
            ("*/5 * * * *", DAY + 5 * MINUTE, 287),
        ] {
            let mut table = cron(expression, MisfirePolicy::Once, start);
            let tick = table.look(ahead(start, DAY + SECOND), 0.0);
            assert_eq!(counts(&tick), (1, missed), "{expression}");
            assert_eq!(table.next(), wall(start, first), "{expression}");
        }
    }

    #[test]
    fn a_year_of_seconds_that_was_slept_through_is_one_run_at_its_last_second() {
        let start = start();
        let mut table = cron("* * * * * *", MisfirePolicy::Once, start);
        let tick = table.look(ahead(start, 365 * DAY), 0.0);
        assert_eq!(tick.runs, [Due::Wall(start.wall + 365 * DAY)]);
        assert!(tick.missed >= 999);
        assert_eq!(table.next(), wall(start, 365 * DAY + SECOND));
    }

    #[test]
    fn the_last_ones_are_made_up_for_however_many_were_slept_through() {
        let start = start();
        let mut table = cron("0 * * * *", MisfirePolicy::All(3), start);
        let tick = table.look(ahead(start, 10 * HOUR), 0.0);
        let due = |hour| Due::Wall(start.wall + hour * HOUR);
        assert_eq!(tick.runs, [due(8), due(9), due(10)]);
        assert_eq!(tick.missed, 7);
    }

    #[test]
    fn a_clock_set_back_by_a_day_neither_fires_nor_is_slept_away() {
        let start = start();
        let mut table = cron("*/5 * * * *", MisfirePolicy::Once, start);
        let now = after(start, 5 * MINUTE);
        assert_eq!(counts(&table.look(now, 0.0)), (1, 0));
        let now = back(now, DAY);
        assert_eq!(counts(&table.look(now, 0.0)), (0, 0));
        assert_eq!(table.next(), Some(Due::Wall(now.wall + 5 * MINUTE)));
        let mut daily = cron("0 2 * * *", MisfirePolicy::Once, start);
        let now = after(start, 3 * HOUR);
        assert_eq!(counts(&daily.look(now, 0.0)), (1, 0));
        let now = back(now, DAY);
        assert_eq!(counts(&daily.look(now, 0.0)), (0, 0));
        // 3:00 of the day before: 2:00 of this day was had.
        assert_eq!(daily.next(), wall(start, 2 * HOUR + DAY));
    }

    #[test]
    fn a_clock_set_back_by_an_hour_is_an_hour_as_in_autumn() {
        let start = start();
        let mut fixed = cron("30 2 * * *", MisfirePolicy::Once, start);
        let now = after(start, 2 * HOUR + 40 * MINUTE);
        assert_eq!(counts(&fixed.look(now, 0.0)), (1, 0));
        let now = back(now, HOUR);
        assert_eq!(counts(&fixed.look(now, 0.0)), (0, 0));
        assert_eq!(fixed.next(), wall(start, DAY + 2 * HOUR + 30 * MINUTE));

        let mut interval = cron("*/30 * * * *", MisfirePolicy::Once, start);
        let now = after(start, 2 * HOUR + 40 * MINUTE);
        assert_eq!(counts(&interval.look(now, 0.0)), (1, 4));
        let now = back(now, HOUR);
        assert_eq!(counts(&interval.look(now, 0.0)), (0, 0));
        assert_eq!(interval.next(), wall(start, 2 * HOUR));
    }

    #[test]
    fn a_clock_that_is_corrected_by_seconds_gives_no_moment_twice() {
        let start = start();
        for expression in ["*/5 * * * *", "5 0 * * *"] {
            let mut table = cron(expression, MisfirePolicy::Once, start);
            let now = after(start, 5 * MINUTE);
            assert_eq!(counts(&table.look(now, 0.0)), (1, 0));
            let planned = table.next();
            assert_eq!(counts(&table.look(back(now, 20 * SECOND), 0.0)), (0, 0));
            assert_eq!(table.next(), planned, "{expression}");
        }
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_leaves_nothing_behind() {
        let start = start();
        let mut table = cron("0 2 * * *", MisfirePolicy::Once, start);
        let wrong = ahead(start, 3 * DAY);
        assert_eq!(counts(&table.look(wrong, 0.0)), (1, 2));
        let right = after(start, MINUTE);
        assert_eq!(counts(&table.look(right, 0.0)), (0, 0));
        assert_eq!(table.next(), wall(start, 2 * HOUR));
    }
}

#[cfg(feature = "cron")]
#[test]
fn a_small_correction_of_the_clock_loses_no_run_that_is_put_off_by_jitter() {
    let start = start();
    let nightly = Schedule::cron("0 2 * * *").in_tz("UTC");
    let mut table = Timetable::new(nightly, MisfirePolicy::Once, MINUTE, HOUR);
    table.start(start, 0.5);
    let due = after(start, 2 * HOUR + 30 * MINUTE);
    assert_eq!(table.next(), Some(Due::Wall(due.wall)));
    let before = after(start, 2 * HOUR + 20 * MINUTE);
    assert_eq!(counts(&table.look(before, 0.0)), (0, 0));
    let back = Now {
        wall: before.wall - 3 * SECOND,
        ..before
    };
    assert_eq!(counts(&table.look(back, 0.0)), (0, 0));
    assert_eq!(table.next(), Some(Due::Wall(due.wall)), "as it was");
    assert_eq!(counts(&table.look(due, 0.0)), (1, 0));
    let next = Due::Wall(start.wall + DAY + 2 * HOUR);
    assert_eq!(table.next(), Some(next), "once");
}

#[test]
fn the_shortest_period_and_the_longest_silence_overflow_nothing() {
    let start = start();
    let period = Duration::from_nanos(1);
    let mut table = Timetable::new(
        Schedule::every(period),
        MisfirePolicy::All(3),
        MINUTE,
        SECOND,
    );
    table.start(start, 0.0);
    let tick = table.look(after(start, 700 * 366 * DAY), 0.0);
    assert_eq!(counts(&tick), (3, u64::MAX - 3));
    let mut table = Timetable::new(
        Schedule::after(SECOND),
        MisfirePolicy::Once,
        MINUTE,
        Duration::MAX,
    );
    table.start(start, 1.0);
    assert_eq!(counts(&table.look(after(start, 1000 * DAY), 0.0)), (0, 0));
}

#[test]
fn an_interval_that_another_process_has_left_goes_on_at_its_own_times() {
    let start = start();
    let left = |ago: Duration| Left {
        next: Some(start.wall - ago),
        noted: start.wall - 2 * ago,
        is_same: true,
    };
    let due = |ago: Duration| Due::Wall(start.wall - ago);
    let ago = 2 * HOUR + 10 * MINUTE;
    for (rule, runs, missed) in [
        (MisfirePolicy::Once, vec![due(10 * MINUTE)], 2),
        (
            MisfirePolicy::All(9),
            vec![due(ago), due(ago - HOUR), due(10 * MINUTE)],
            0,
        ),
        (MisfirePolicy::Skip, vec![], 3),
    ] {
        let mut table = Timetable::new(Schedule::every(HOUR), rule, MINUTE, Duration::ZERO);
        let none = table.resume(&left(ago), start, 0.0);
        assert_eq!(none, Tick::default());
        let tick = table.look(start, 0.0);
        assert_eq!((tick.runs, tick.missed), (runs, missed), "{rule:?}");
        assert_eq!(table.next(), Some(mono(start, 50 * MINUTE)));
    }
    // Put off by jitter, which is no longer than the period.
    let once = MisfirePolicy::Once;
    let mut table = Timetable::new(Schedule::every(HOUR), once, MINUTE, DAY);
    let _ = table.resume(&left(MINUTE), start, 0.5);
    assert_eq!(table.next(), Some(Due::Wall(start.wall + 29 * MINUTE)));
    let later = after(start, 29 * MINUTE);
    let tick = table.look(later, 0.0);
    assert_eq!(counts(&tick), (1, 0));
    assert_eq!(table.next(), Some(mono(start, 59 * MINUTE)));
    // The shortest period, and the longest time.
    let period = Duration::from_nanos(1);
    let mut table = Timetable::new(Schedule::every(period), once, MINUTE, SECOND);
    let _ = table.resume(&left(19_000 * DAY), start, 1.0);
    assert_eq!(counts(&table.look(start, 0.0)).0, 1);
    let mut table = Timetable::new(Schedule::every(Duration::MAX), once, MINUTE, SECOND);
    let _ = table.resume(&left(MINUTE), start, 1.0);
    assert_eq!(counts(&table.look(start, 0.0)), (1, 0));
    assert_eq!(table.next(), None);
}
