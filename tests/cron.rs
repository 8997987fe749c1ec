//! Times of the day: what the clocks do to them, and what is said of wrong ones.

use groundcrew::{Schedule, ScheduleError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::{Duration, SystemTime};

fn utc(text: &str) -> SystemTime {
    text.parse::<Timestamp>().unwrap().into()
}

/// As in `2026-03-08T03:00-04:00`.
fn shown(time: SystemTime, zone: &str) -> String {
    let zoned = Timestamp::try_from(time)
        .unwrap()
        .to_zoned(TimeZone::get(zone).unwrap());
    let format = match zoned.second() {
        0 => "%Y-%m-%dT%H:%M%:z",
        _ => "%Y-%m-%dT%H:%M:%S%:z",
    };
    zoned.strftime(format).to_string()
}

#[track_caller]
fn assert_runs(expression: &str, zone: &str, from: &str, runs: &[&str]) {
    let schedule = Schedule::cron(expression).in_tz(zone);
    schedule.check().unwrap();
    let found: Vec<String> = schedule
        .upcoming(utc(from))
        .take(runs.len())
        .map(|time| shown(time, zone))
        .collect();
    assert_eq!(found, runs, "{schedule} after {from}");
}

#[test]
fn the_table_of_new_york_in_2026_is_kept() {
    let zone = "America/New_York";
    // A gap at 2:00 on 8 March, an overlap at 2:00 on 1 November.
    assert_runs(
        "30 2 * * *",
        zone,
        "2026-03-07T12:00:00Z",
        &["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"],
    );
    assert_runs(
        "30 1 * * *",
        zone,
        "2026-11-01T00:00:00Z",
        &["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
    );
    assert_runs(
        "*/30 * * * *",
        zone,
        "2026-11-01T04:45:00Z",
        &[
            "2026-11-01T01:00-04:00",
            "2026-11-01T01:30-04:00",
            "2026-11-01T01:00-05:00",
            "2026-11-01T01:30-05:00",
            "2026-11-01T02:00-05:00",
        ],
    );
    assert!(matches!(
        Schedule::cron("0 0 30 2 *").check(),
        Err(ScheduleError::NeverMatches { .. })
    ));
}

#[test]
fn fixed_times_run_once_in_a_gap_and_a_list_of_them_is_fixed_too() {
    let zone = "America/New_York";
    let from = "2026-03-08T06:00:00Z";
    for expression in [
        "30 2 * * *",
        "0,30,59 2 * * *",
        "0 2 * * *",
        "15,45 30 2 * * *",
    ] {
        assert_runs(expression, zone, from, &["2026-03-08T03:00-04:00"]);
        let schedule = Schedule::cron(expression).in_tz(zone);
        let on_that_day = schedule
            .upcoming(utc(from))
            .take_while(|time| *time < utc("2026-03-09T04:00:00Z"));
        assert_eq!(on_that_day.count(), 1, "{expression}");
    }
    // The end of the gap is one of the times.
    assert_runs(
        "0 2,3 * * *",
        zone,
        from,
        &["2026-03-08T03:00-04:00", "2026-03-09T02:00-04:00"],
    );
    // Half a second before it.
    assert_runs(
        "30 2 * * *",
        zone,
        "2026-03-08T06:59:59.5Z",
        &["2026-03-08T03:00-04:00"],
    );
    assert_runs(
        "30 2 * * *",
        zone,
        "2026-03-08T07:00:00Z",
        &["2026-03-09T02:30-04:00"],
    );
}

#[test]
fn an_interval_has_no_run_in_a_gap() {
    let zone = "America/New_York";
    assert_runs(
        "15 * * * *",
        zone,
        "2026-03-08T06:00:00Z",
        &["2026-03-08T01:15-05:00", "2026-03-08T03:15-04:00"],
    );
    assert_runs(
        "*/20 2 * * *",
        zone,
        "2026-03-08T06:00:00Z",
        &["2026-03-09T02:00-04:00"],
    );
}

#[test]
fn fixed_times_run_in_the_first_pass_of_an_overlap_only() {
    let zone = "America/New_York";
    assert_runs(
        "0,30 1 * * *",
        zone,
        "2026-11-01T04:00:00Z",
        &[
            "2026-11-01T01:00-04:00",
            "2026-11-01T01:30-04:00",
            "2026-11-02T01:00-05:00",
        ],
    );
    // From within the second pass.
    for from in ["2026-11-01T06:00:00Z", "2026-11-01T06:10:00Z"] {
        assert_runs("30 1 * * *", zone, from, &["2026-11-02T01:30-05:00"]);
        assert_runs("30 1-1 * * *", zone, from, &["2026-11-01T01:30-05:00"]);
    }
}

#[test]
fn an_interval_keeps_its_pace_in_an_overlap() {
    let zone = "America/New_York";
    let schedule = Schedule::cron("*/7 * * * * *").in_tz(zone);
    let times: Vec<SystemTime> = schedule
        .upcoming(utc("2026-11-01T04:59:55Z"))
        .take(9 * 180 + 1)
        .collect();
    assert_eq!(times[0], utc("2026-11-01T04:59:56Z"));
    for pair in times.windows(2) {
        let pause = pair[1].duration_since(pair[0]).unwrap();
        assert!(pause == Duration::from_secs(7) || pause == Duration::from_secs(4));
    }
    assert_eq!(times[times.len() - 1], utc("2026-11-01T07:59:56Z"));
    // Between the last match of the first pass and the end of it.
    assert_runs(
        "0-5 1 * * *",
        zone,
        "2026-11-01T05:40:00Z",
        &["2026-11-01T01:00-05:00", "2026-11-01T01:01-05:00"],
    );
}

#[test]
fn half_an_hour_and_midnight_and_a_whole_day_may_be_left_out() {
    // 30 minutes: a gap at 2:00, an overlap at 2:00.
    assert_runs(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T00:00:00Z",
        &["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
    );
    assert_runs(
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-04T00:00:00Z",
        &["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"],
    );
    assert_runs(
        "*/15 * * * *",
        "Australia/Lord_Howe",
        "2026-04-04T14:25:00Z",
        &[
            "2026-04-05T01:30+11:00",
            "2026-04-05T01:45+11:00",
            "2026-04-05T01:30+10:30",
            "2026-04-05T01:45+10:30",
            "2026-04-05T02:00+10:30",
        ],
    );
    // Midnight.
    for (zone, from, first, second) in [
        (
            "America/Sao_Paulo",
            "2018-11-03T12:00:00Z",
            "2018-11-04T01:00-02:00",
            "2018-11-05T00:00-02:00",
        ),
        (
            "Asia/Beirut",
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00+03:00",
            "2026-03-30T00:00+03:00",
        ),
        (
            "Africa/Cairo",
            "2026-04-23T12:00:00Z",
            "2026-04-24T01:00+03:00",
            "2026-04-25T00:00+03:00",
        ),
    ] {
        assert_runs("@daily", zone, from, &[first, second]);
        assert_runs("1,59 30 0 * * *", zone, from, &[first]);
    }
    // And the overlap of Sao Paulo, in which Saturday's last hour comes twice.
    assert_runs(
        "30 23 * * *",
        "America/Sao_Paulo",
        "2018-02-17T12:00:00Z",
        &["2018-02-17T23:30-02:00", "2018-02-18T23:30-03:00"],
    );
    assert_runs(
        "30 * * * SAT",
        "America/Sao_Paulo",
        "2018-02-18T01:00:00Z",
        &[
            "2018-02-17T23:30-02:00",
            "2018-02-17T23:30-03:00",
            "2018-02-24T00:30-03:00",
        ],
    );
    // A day.
    for (zone, from, first, second) in [
        (
            "Pacific/Apia",
            "2011-12-29T23:00:00Z",
            "2011-12-31T00:00+14:00",
            "2011-12-31T12:00+14:00",
        ),
        (
            "Pacific/Kwajalein",
            "1993-08-21T01:00:00Z",
            "1993-08-22T00:00+12:00",
            "1993-08-22T12:00+12:00",
        ),
    ] {
        assert_runs("0 12 * * *", zone, from, &[first, second]);
    }
    assert_runs(
        "0 12 30 12 *",
        "Pacific/Apia",
        "2011-06-01T00:00:00Z",
        &["2011-12-31T00:00+14:00", "2012-12-30T12:00+14:00"],
    );
    assert_runs(
        "0 */8 * * *",
        "Pacific/Apia",
        "2011-12-30T01:00:00Z",
        &["2011-12-29T16:00-10:00", "2011-12-31T00:00+14:00"],
    );
}

#[test]
fn offsets_need_not_be_whole_hours() {
    assert_runs(
        "0 9 * * *",
        "Asia/Kathmandu",
        "2026-01-01T00:00:00Z",
        &["2026-01-01T09:00+05:45", "2026-01-02T09:00+05:45"],
    );
    assert_runs(
        "0 9 * * *",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2026-01-01T09:00+00:00"],
    );
}
