//! Times of the day: what the clocks do to them, and what is said of wrong ones.

#[path = "../../common/mod.rs"]
mod common;

use common::{LONG, within};
use groundcrew::Schedule;
use groundcrew::schedule::ScheduleError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

#[track_caller]
fn error(expression: &str) -> String {
    Schedule::cron(expression)
        .in_tz("UTC")
        .check()
        .expect_err(expression)
        .to_string()
}

#[test]
fn an_error_says_which_field_is_wrong_and_what_it_takes() {
    assert_eq!(
        error("61 * * * *"),
        "cron expression \"61 * * * *\": the minute field \"61\" is wrong: number out of bounds; \
         it takes 0 to 59, `*`, lists such as `1,3`, ranges that go up such as `1-3`, and steps \
         such as `*/2` or `1-5/2`"
    );
    assert_eq!(
        error("0 0 * * fry"),
        "cron expression \"0 0 * * fry\": the weekday field \"fry\" is wrong: \"FRY\" means \
         nothing here; it takes 0 to 7 or SUN to SAT, `*`, lists such as `1,3`, ranges that go up \
         such as `1-3`, and steps such as `*/2` or `1-5/2`, `FRI#2` for the second Friday of the \
         month, `FRIL` for its last one"
    );
    for (expression, field, text) in [
        ("60 * * * * *", "second", "60"),
        ("* * 24 * * *", "hour", "24"),
        ("* 22-2 * * *", "hour", "22-2"),
        ("* * 0 * *", "day-of-month", "0"),
        ("* * 1,32 * *", "day-of-month", "1,32"),
        ("* * * 13 *", "month", "13"),
        ("* * * FOO *", "month", "FOO"),
        ("* * * * 8", "weekday", "8"),
        ("* * * * FRI-MON", "weekday", "FRI-MON"),
        ("99 99 99 99 99", "minute", "99"),
        ("* * 99 99 *", "day-of-month", "99"),
    ] {
        let wrong = Schedule::cron(expression).in_tz("UTC").check();
        let Err(ScheduleError::Field {
            field: found,
            text: wrong,
            ..
        }) = wrong
        else {
            panic!("{expression}: {wrong:?}");
        };
        assert_eq!((found, &*wrong), (field, text), "{expression}");
    }
}

#[test]
fn what_cannot_be_meant_is_an_error_in_its_field() {
    for field in [
        ",",
        "1,",
        "1,,2",
        "-",
        "1-",
        "-1",
        "1-2-3",
        "/",
        "*/",
        "/5",
        "*/0",
        "*/61",
        "*/99999",
        "5/10",
        "1-5/",
        "1/2/3",
        "*/*",
        "**",
        "*5",
        "1.5",
        "+1",
        "0x1",
        "MON",
        "JAN",
        "L",
        "?",
        "#",
        "1#1",
        "W",
        "5L",
        "1e1",
        "\u{661}",
        "\u{ff11}",
        "99999999999999999999",
        "~",
        "1@",
        "1\u{a0}2",
    ] {
        let text = error(&format!("{field} * * * *"));
        assert!(text.contains("the minute field"), "{text}");
    }
    for field in [
        "W", "0W", "32W", "15W3", "15WL", "1-5W", "WL", "LL", "L-3", "L,LW", "15#1", "JAN", "MON",
        "5L", "*W", "1,,2",
    ] {
        let text = error(&format!("0 0 {field} * *"));
        assert!(text.contains("the day-of-month field"), "{text}");
    }
    for field in [
        "0", "JANFEB", "1JAN", "JANUARY", "MON", "JAN-", "*/JAN", "L",
    ] {
        let text = error(&format!("0 0 * {field} *"));
        assert!(text.contains("the month field"), "{text}");
    }
    for field in [
        "L",
        "1,L",
        "MON#0",
        "MON#6",
        "MON#",
        "#1",
        "MONTUE",
        "SUNDAY",
        "1W",
        "MON#1#2",
        "LMON",
        "+",
        "++1",
        "1+",
        "*L",
        "*#1",
        "*/MON",
        "\u{17f}un",
        "MON#\u{661}",
    ] {
        let text = error(&format!("0 0 * * {field}"));
        assert!(text.contains("the weekday field"), "{text}");
    }
}

#[test]
fn what_is_wrong_as_a_whole_is_an_error_too() {
    assert_eq!(
        error("0 0 30 2 *"),
        "cron expression \"0 0 30 2 *\" matches no date at all; write days that its months have"
    );
    for never in [
        "0 0 31 4,6,9,11 *",
        "0 0 30,31 FEB *",
        "0 0 31W 2 *",
        "0 0 1 * +MON#2",
    ] {
        assert!(error(never).contains("matches no date"), "{never}");
    }
    assert_eq!(
        error("0 0 1 1 * * 2030"),
        "cron expression \"0 0 1 1 * * 2030\" has 7 fields, and there is no field for the year; \
         leave the last one out"
    );
    for (expression, fields) in [("", 0), (" \t", 0), ("* * * *", 4), ("1 2 3 4 5 6 7 8", 8)] {
        let text = error(expression);
        assert!(
            text.contains(&format!("has {fields} fields; write five")),
            "{text}"
        );
    }
    assert_eq!(
        error("@fortnightly"),
        "cron expression \"@fortnightly\" is none of @yearly, @annually, @monthly, @weekly, @daily, \
         @midnight, @hourly; write one of these, or five fields"
    );
    assert!(error("@reboot").contains("is none of"));
    assert_eq!(
        error(&"*".repeat(10_000)),
        "a cron expression of 10000 characters is too long; write one of 1000 at most"
    );
    // What a program passes on cannot break a line.
    assert!(error("1\n2\u{1b}[31m * * *").contains(r#""1\n2\u{1b}[31m * * *""#));
}

#[test]
fn everything_that_is_documented_is_taken() {
    for expression in [
        "* * * * *",
        "  0\t17 * * *\n",
        "*/5 9-17 * * MON-FRI",
        "0 0 1,15 * *",
        "0 0 L * *",
        "0 0 LW * *",
        "0 0 15W * *",
        "0 0 L,15 * *",
        "0 0 * jan-mar,Dec *",
        "0 0 * * sat-sun",
        "0 0 * * 5-7",
        "0 0 * * FRI#2",
        "0 0 * * FRIL",
        "0 0 * * 5L,1#1",
        "0 0 13 * +FRI",
        "0 0 ? * MON",
        "0 0 29 2 +MON",
        "1-30/5 */6 * * *",
        "59 59 23 31 12 7",
        "@hourly",
        "@DAILY",
        " @midnight ",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
    ] {
        let schedule = Schedule::cron(expression).in_tz("UTC");
        assert_eq!(schedule.check(), Ok(()), "{expression}");
        assert!(schedule.next_after(UNIX_EPOCH).is_some());
    }
    let long = format!("{} * * * *", vec!["1-59/7"; 140].join(","));
    assert!(long.len() > 950 && Schedule::cron(&long).in_tz("UTC").check().is_ok());
}

#[test]
fn zones_are_known_by_their_names_only() {
    for name in ["UTC", "Etc/UTC", "utc", "europe/london", "Asia/Kolkata"] {
        assert_eq!(
            Schedule::cron("@daily").in_tz(name).check(),
            Ok(()),
            "{name}"
        );
    }
    let text = |name: &str| {
        Schedule::cron("@daily")
            .in_tz(name)
            .check()
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        text("Europe/Lodnon"),
        "there is no time zone \"Europe/Lodnon\"; write a name of the IANA database, as in \
         \"Europe/London\", or \"UTC\""
    );
    for name in [
        "",
        " ",
        "../../etc/passwd",
        "/etc/localtime",
        "UTC\0",
        "Europe",
        "+01:00",
    ] {
        assert!(text(name).contains(&format!("{name:?}")), "{name:?}");
    }
    assert!(text(&"x".repeat(10_000)).len() < 200);
    // The last one that is said counts.
    let schedule = Schedule::cron("@daily").in_tz("nowhere").in_tz("UTC");
    assert_eq!(schedule.check(), Ok(()));
    let schedule = Schedule::every(Duration::from_secs(1)).in_tz("UTC");
    assert_eq!(
        schedule.check().unwrap_err().to_string(),
        "`in_tz` is for `Schedule::cron`, and means nothing to `every 1s`; leave it out"
    );
    assert!(Schedule::cron("@daily").fixed_delay().check().is_err());
}

#[test]
fn the_zone_is_the_one_of_the_variable_tz() {
    const CHILD: &str = "GROUNDCREW_SCENARIO";
    let name = "the_zone_is_the_one_of_the_variable_tz";
    if std::env::var_os(CHILD).is_some() {
        let schedule = Schedule::cron("0 9 * * *");
        match schedule.check() {
            Ok(()) => println!("{schedule}: {:?}", schedule.next_after(UNIX_EPOCH)),
            Err(error) => println!("{error}"),
        }
        return;
    }
    for (zone, said) in [
        ("Asia/Tokyo", r#"cron "0 9 * * *" in Asia/Tokyo: "#),
        ("UTC", r#"cron "0 9 * * *" in UTC: "#),
        (
            "EST5EDT,M3.2.0,M11.1.0",
            r#"cron "0 9 * * *" in the system's time zone: "#,
        ),
        ("Nowhere", "the system's time zone cannot be found ("),
        (
            "Etc/Unknown",
            "the system's time zone cannot be found (TZ is \"Etc/Unknown\"); set",
        ),
        (
            "etc/unknown",
            "the system's time zone cannot be found (TZ is \"etc/unknown\"); set",
        ),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "zone")
            .env("TZ", zone)
            .output()
            .unwrap();
        let said_by_it = String::from_utf8_lossy(&output.stdout);
        assert!(said_by_it.contains(said), "{said_by_it}");
    }
}

#[test]
fn a_zone_that_stands_for_none_is_refused() {
    for zone in ["Etc/Unknown", "etc/unknown", "ETC/UNKNOWN"] {
        let schedule = Schedule::cron("0 9 * * *").in_tz(zone);
        assert_eq!(
            schedule.check().unwrap_err().to_string(),
            format!(
                "there is no time zone {zone:?}; write a name of the IANA database, as in \
                 \"Europe/London\", or \"UTC\""
            )
        );
        assert_eq!(schedule.next_after(UNIX_EPOCH), None);
        assert_eq!(
            schedule.to_string(),
            format!("cron \"0 9 * * *\" in {zone:?}")
        );
    }
}

#[test]
fn a_day_field_that_begins_with_a_star_asks_for_both_fields_as_in_vixies_cron() {
    // 2026-01-01 was a Thursday.
    let first_days = |expression: &str| -> Vec<u64> {
        let schedule = Schedule::cron(expression).in_tz("UTC");
        let new_year = utc("2026-01-01T00:00:00Z");
        let days = schedule.upcoming(new_year - Duration::from_secs(1));
        days.take(5)
            .map(|time| 1 + time.duration_since(new_year).unwrap().as_secs() / 86_400)
            .collect()
    };
    for (expression, days) in [
        // Either.
        ("0 0 5,9 * THU", [1, 5, 8, 9, 15]),
        ("0 0 1-31/2 * THU", [1, 3, 5, 7, 8]),
        // Both.
        ("0 0 */2 * THU", [1, 15, 29, 36, 50]),
        ("0 0 ?/2 * THU", [1, 15, 29, 36, 50]),
        ("0 0 */2 * *", [1, 3, 5, 7, 9]),
        ("0 0 5,9 * */2", [36, 64, 95, 99, 125]),
        ("0 0 */10,5 * THU", [1, 36, 64, 141, 162]),
        ("0 0 5,*/10 * 4", [1, 5, 8, 11, 15]),
        ("0 0 5,9 * *", [5, 9, 36, 40, 64]),
        ("0 0 * * THU", [1, 8, 15, 22, 29]),
        ("0 0 ? * THU", [1, 8, 15, 22, 29]),
        ("0 0 1-31/2 * +THU", [1, 15, 29, 36, 50]),
        ("0 0 */2 * +*/4", [1, 11, 15, 25, 29]),
    ] {
        assert_eq!(first_days(expression), days, "{expression}");
    }
}

#[test]
fn no_time_is_too_early_or_too_late() {
    let schedule = Schedule::cron("0 0 1 1 *").in_tz("Pacific/Apia");
    let far = |seconds: u64| Duration::from_secs(seconds);
    let early = [
        1,
        86_400,
        1 << 33,
        60_000_000_000,
        62_135_596_801,
        1 << 40,
        1 << 62,
    ];
    for time in early.map(|seconds| UNIX_EPOCH.checked_sub(far(seconds))) {
        let next = time.and_then(|time| schedule.next_after(time));
        assert!(next.is_none_or(|next| next > time.unwrap()), "{time:?}");
    }
    // By the sun of Apia.
    assert_eq!(
        schedule.next_after(UNIX_EPOCH - far(1 << 33)),
        Some(utc("1697-12-31T11:26:56Z"))
    );
    for late in [
        253_402_300_799,
        253_402_300_800,
        1 << 40,
        1 << 62,
        i64::MAX as u64,
    ] {
        let time = UNIX_EPOCH.checked_add(far(late));
        assert_eq!(time.and_then(|time| schedule.next_after(time)), None);
    }
    assert_runs(
        "0 0 1 1 *",
        "UTC",
        "9997-06-01T00:00:00Z",
        &["9998-01-01T00:00+00:00"],
    );
    assert_eq!(
        Schedule::cron("* * * * *")
            .in_tz("UTC")
            .next_after(utc("9999-12-30T22:00:00Z")),
        None
    );
}

#[test]
fn an_interval_that_is_always_left_out_is_never_due() {
    // The second Sunday in March, from 2007 on.
    let schedule = Schedule::cron("*/5 2 8-14 3 +SUN").in_tz("America/New_York");
    assert!(schedule.check().is_err());
    assert_eq!(schedule.next_after(utc("2020-01-01T00:00:00Z")), None);
}

#[test]
fn beyond_the_year_5000_the_calendar_goes_on() {
    assert_runs(
        "0 0 29 2 +MON",
        "UTC",
        "5000-01-01T00:00:00Z",
        &["5008-02-29T00:00+00:00", "5036-02-29T00:00+00:00"],
    );
    let near = Schedule::cron("30 2 29 2 +MON,WED").in_tz("UTC");
    let cycles = Duration::from_secs(146_097 * 86_400 * 10);
    let far = near.upcoming(utc("2026-01-01T00:00:00Z") + cycles);
    for (near, far) in near.upcoming(utc("2026-01-01T00:00:00Z")).zip(far).take(20) {
        assert_eq!(near + cycles, far);
    }
}

#[test]
fn no_text_makes_it_panic_or_takes_long() {
    let seed = fastrand::u64(..1 << 32);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let words = [
        "*",
        "*",
        "*",
        "0",
        "1",
        "5",
        "7",
        "12",
        "31",
        "59",
        "60",
        "99999",
        "-",
        "/",
        ",",
        "#",
        "L",
        "W",
        "LW",
        "?",
        "+",
        "MON",
        "FRI",
        "JAN",
        "DEC",
        "@",
        "@daily",
        " ",
        " ",
        " ",
        "\t",
        "\u{3000}",
        "\u{661}",
        "\u{17f}",
        "\u{fb01}",
        "\u{130}",
        "\u{1f553}",
        "\0",
        "\u{202e}",
    ];
    let times = [0, 1_000_000_000, 1 << 35, 253_402_300_799, 1 << 62];
    within(LONG, "random texts", || {
        for round in 0..3_000 {
            let text: String = match round % 30 {
                0 => (0..rng.usize(..10_000)).map(|_| rng.char(..)).collect(),
                1 => "1,".repeat(rng.usize(..600)) + "1 * * * *",
                2 => (0..40).map(|_| rng.char(..)).collect(),
                // Shaped like one.
                3..20 => (0..rng.usize(4..8))
                    .map(|_| {
                        (0..rng.usize(1..3))
                            .map(|_| words[rng.usize(..words.len())])
                            .collect()
                    })
                    .collect::<Vec<String>>()
                    .join(" "),
                _ => (0..rng.usize(..20))
                    .map(|_| words[rng.usize(..words.len())])
                    .collect(),
            };
            let schedule =
                Schedule::cron(&text).in_tz(if round % 7 == 0 { &text } else { "Asia/Gaza" });
            let (checked, shown) = (schedule.check(), schedule.to_string());
            if let Err(error) = &checked {
                let error = error.to_string();
                assert!(
                    error.len() < 30_000 && !error.contains(char::is_control),
                    "{error}"
                );
            }
            assert!(!shown.contains(char::is_control), "{shown}");
            for time in times.map(Duration::from_secs) {
                let time = UNIX_EPOCH.checked_add(time).unwrap();
                let next = schedule.next_after(time);
                assert!(
                    next.is_none_or(|next| checked.is_ok() && next > time),
                    "{schedule}"
                );
            }
        }
    });
}

#[test]
fn what_falls_into_gaps_of_the_clock_only_is_refused_where_there_are_any() {
    // The last Sunday of March, between two and three.
    for expression in ["*/5 2 25-31 3 +SUN", "30 2-2 25-31 3 +SUN"] {
        let error = Schedule::cron(expression).in_tz("Europe/Berlin").check();
        let Err(ScheduleError::NeverDue { zone, .. }) = &error else {
            panic!("{expression}: {error:?}")
        };
        assert_eq!(zone, "Europe/Berlin");
        assert_eq!(Schedule::cron(expression).in_tz("UTC").check(), Ok(()));
    }
    // A fixed time is due at the end of the gap.
    let fixed = Schedule::cron("30 2 25-31 3 +SUN").in_tz("Europe/Berlin");
    assert_eq!(fixed.check(), Ok(()));
}
