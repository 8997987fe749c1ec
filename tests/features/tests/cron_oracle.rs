//! Cron schedules against a slow and simple reckoning of the same rule, which shares
//! nothing with it but the offsets of the zones.

#[path = "../../common/mod.rs"]
mod common;

use common::rounds::rounds;
use groundcrew::Schedule;
use groundcrew::schedule::ScheduleError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// A field of numbers: which of them match.
type Set = [bool; 60];

/// What an expression means, by a parser for what the tests write.
struct Meaning {
    second: Set,
    minute: Set,
    hour: Set,
    month: Set,
    days: Days,
    weekdays: Weekdays,
    /// Both days must match, not only one of the two: a `+` says so, or a star at the
    /// beginning of one of the fields.
    both: bool,
    is_interval: bool,
}

struct Days {
    set: Set,
    last: bool,
    last_working: bool,
    nearest_working: Vec<i64>,
}

struct Weekdays {
    set: Set,
    /// The weekday, and which one of the month; 0: the last.
    nth: Vec<(i64, i64)>,
}

const MONTHS: &str = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
const WEEKDAYS: &str = "SUNMONTUEWEDTHUFRISAT";

impl Meaning {
    fn of(expression: &str) -> Meaning {
        let mut fields: Vec<&str> = expression.split(' ').collect();
        if fields.len() == 5 {
            fields.insert(0, "0");
        }
        let [second, minute, hour, day, month, weekday] = fields[..] else {
            panic!("{expression}")
        };
        let weekdays = weekday.trim_start_matches('+');
        Meaning {
            second: set(second, 0, 59, ""),
            minute: set(minute, 0, 59, ""),
            hour: set(hour, 0, 23, ""),
            month: set(month, 1, 12, MONTHS),
            days: Days::of(day),
            weekdays: Weekdays::of(weekdays),
            both: weekday != weekdays || day.starts_with('*') || weekday.starts_with('*'),
            is_interval: [second, minute, hour].concat().contains(['*', '-', '/']),
        }
    }

    fn has_day(&self, day: &Date) -> bool {
        if !self.month[day.month as usize] {
            return false;
        }
        let (in_month, in_week) = (self.days.has(day), self.weekdays.has(day));
        match self.both {
            true => in_month && in_week,
            false => in_month || in_week,
        }
    }
}

impl Days {
    fn of(field: &str) -> Days {
        let items = field.split(',');
        let numbers: Vec<&str> = items.clone().filter(|i| !i.contains(['L', 'W'])).collect();
        Days {
            set: set(&numbers.join(","), 1, 31, ""),
            last: items.clone().any(|item| item == "L"),
            last_working: items.clone().any(|item| item == "LW"),
            nearest_working: items
                .filter_map(|item| item.strip_suffix('W')?.parse().ok())
                .collect(),
        }
    }

    fn has(&self, day: &Date) -> bool {
        let weekday = |of: i64| (day.weekday + of - day.day).rem_euclid(7);
        let is_working = |of: &i64| (1..=5).contains(&weekday(*of));
        let month = 1..=day.length;
        let is_nearest = |wanted: &i64| {
            month.contains(wanted)
                && [0, -1, 1, -2, 2]
                    .map(|by| wanted + by)
                    .into_iter()
                    .find(|near| month.contains(near) && is_working(near))
                    == Some(day.day)
        };
        self.set[day.day as usize]
            || self.last && day.day == day.length
            || self.last_working && month.clone().rev().find(is_working) == Some(day.day)
            || self.nearest_working.iter().any(is_nearest)
    }
}

impl Weekdays {
    fn of(field: &str) -> Weekdays {
        let (special, plain): (Vec<&str>, Vec<&str>) =
            field.split(',').partition(|item| item.contains(['#', 'L']));
        let mut set = set(&plain.join(","), 0, 7, WEEKDAYS);
        set[0] |= set[7];
        Weekdays {
            set,
            nth: special
                .iter()
                .map(|item| match item.split_once('#') {
                    Some((day, nth)) => (number(day, WEEKDAYS) % 7, nth.parse().unwrap()),
                    None => (number(item.trim_end_matches('L'), WEEKDAYS) % 7, 0),
                })
                .collect(),
        }
    }

    fn has(&self, day: &Date) -> bool {
        let is_nth = |nth: i64| match nth {
            0 => day.day + 7 > day.length,
            nth => (day.day + 6) / 7 == nth,
        };
        self.set[day.weekday as usize]
            || self
                .nth
                .iter()
                .any(|(weekday, nth)| *weekday == day.weekday && is_nth(*nth))
    }
}

fn set(field: &str, first: i64, last: i64, names: &str) -> Set {
    let mut set = [false; 60];
    for item in field.split(',').filter(|item| !item.is_empty()) {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (first, last),
            Some((from, "SUN")) => (number(from, names), 7),
            Some((from, to)) => (number(from, names), number(to, names)),
            None => (number(range, names), number(range, names)),
        };
        for value in (from..=to).step_by(step.parse().unwrap()) {
            set[value as usize] = true;
        }
    }
    set
}

fn number(text: &str, names: &str) -> i64 {
    let first = if names == MONTHS { 1 } else { 0 };
    match names.find(text) {
        Some(place) if text.len() == 3 => place as i64 / 3 + first,
        _ => text.parse().unwrap(),
    }
}

/// A day of the calendar.
struct Date {
    year: i64,
    month: i64,
    day: i64,
    length: i64,
    weekday: i64,
}

/// The days from 1980 to 2089, counted one by one.
fn calendar() -> &'static [Date] {
    static CALENDAR: OnceLock<Vec<Date>> = OnceLock::new();
    CALENDAR.get_or_init(|| {
        let mut dates = Vec::new();
        let mut weekday = 2; // 1980-01-01 was a Tuesday.
        for year in 1980..2090 {
            for month in 1..=12 {
                let length = match month {
                    // 2000 was a leap year, 2100 is not here.
                    2 if year % 4 == 0 => 29,
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                for day in 1..=length {
                    dates.push(Date {
                        year,
                        month,
                        day,
                        length,
                        weekday,
                    });
                    weekday = (weekday + 1) % 7;
                }
            }
        }
        dates
    })
}

/// 1980-01-01, in days since 1970.
const FIRST_DAY: i64 = 3652;

fn date(day: i64) -> Option<&'static Date> {
    calendar().get(usize::try_from(day - FIRST_DAY).unwrap())
}

/// A time with one offset. Seconds since 1970, the end exclusive.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
    offset: i64,
}

struct Zone {
    name: &'static str,
    spans: Vec<Span>,
}

impl Zone {
    /// Asks for the offset of every day, and where it is another one, when that began.
    fn new(name: &'static str) -> Zone {
        let zone = TimeZone::get(name).unwrap();
        let offset = |second: i64| {
            let time = Timestamp::from_second(second).unwrap();
            i64::from(zone.to_offset(time).seconds())
        };
        let (first, last) = (FIRST_DAY + 1, FIRST_DAY + calendar().len() as i64 - 1);
        let mut span = Span {
            start: first * DAY,
            end: last * DAY,
            offset: offset(first * DAY),
        };
        let mut spans = Vec::new();
        for day in first..last {
            if offset((day + 1) * DAY) == span.offset {
                continue;
            }
            let (mut same, mut other) = (day * DAY, (day + 1) * DAY);
            while other - same > 1 {
                let middle = (same + other) / 2;
                match offset(middle) == span.offset {
                    true => same = middle,
                    false => other = middle,
                }
            }
            spans.push(Span { end: other, ..span });
            span = Span {
                start: other,
                offset: offset(other),
                ..span
            };
        }
        spans.push(span);
        Zone { name, spans }
    }

    /// The starts of the spans between two years.
    fn changes(&self, years: (i64, i64)) -> Vec<i64> {
        let year = |second: i64| date(second / DAY).unwrap().year;
        let starts = self.spans[1..].iter().map(|span| span.start);
        starts
            .filter(|start| (years.0..years.1).contains(&year(*start)))
            .collect()
    }
}

impl Meaning {
    /// The first time on the clock, from `from` to before `to`, that matches.
    fn first(&self, from: i64, to: i64) -> Option<i64> {
        let mut clock = from;
        while clock < to {
            let (day, second) = (clock.div_euclid(DAY), clock.rem_euclid(DAY));
            let is = |set: &Set, value: i64| set[value as usize];
            if !self.has_day(date(day)?) {
                clock = (day + 1) * DAY;
            } else if !is(&self.hour, second / 3600) {
                clock += 3600 - second % 3600;
            } else if !is(&self.minute, second / 60 % 60) {
                clock += 60 - second % 60;
            } else if !is(&self.second, second % 60) {
                clock += 1;
            } else {
                return Some(clock);
            }
        }
        None
    }

    /// The first moment after `after`: goes along the offsets of the zone, and within
    /// each along the clock.
    fn next(&self, zone: &Zone, after: i64) -> Option<i64> {
        let at = zone.spans.partition_point(|span| span.end <= after + 1);
        for (index, span) in zone.spans.iter().enumerate().skip(at) {
            let mut from = span.start.max(after + 1) + span.offset;
            if index > 0 && !self.is_interval {
                let last = zone.spans[index - 1];
                let (left, right) = (last.end + last.offset, span.start + span.offset);
                let is_skipped = self.first(left, right).is_some();
                if is_skipped && span.start > after {
                    return Some(span.start);
                }
                // What the clock showed before has had its run.
                from = from.max(left);
            }
            if let Some(clock) = self.first(from, span.end + span.offset) {
                return Some(clock - span.offset);
            }
        }
        None
    }
}

/// Zones that change their clocks between 2020 and 2040 in as many ways as there are, and
/// two that do not: by half an hour, by two, at midnight, around Ramadan, with offsets of
/// quarters of an hour, in the south.
const NOW: [&str; 14] = [
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/Santiago",
    "America/St_Johns",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "UTC",
];

/// Zones that did stranger things before.
const THEN: [&str; 8] = [
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Pacific/Kiritimati",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Asia/Pyongyang",
    "America/Caracas",
    "Europe/Moscow",
];

fn zones(names: &'static [&'static str]) -> Vec<Zone> {
    names.iter().map(|name| Zone::new(name)).collect()
}

fn random_expression(rng: &mut fastrand::Rng) -> String {
    let second = match rng.u8(..6) {
        0 => random_field(rng, 0, 59) + " ",
        1 => "0 ".to_owned(),
        2 => format!("{} ", rng.u8(..60)),
        _ => String::new(),
    };
    let minute = random_field(rng, 0, 59);
    // Most changes of clocks are at night.
    let hour = match rng.u8(..4) {
        0 => random_field(rng, 0, 23),
        1 => rng.u8(..4).to_string(),
        2 => random_field(rng, 0, 3),
        _ => format!("{},{}", rng.u8(..3), rng.u8(3..24)),
    };
    let day = match rng.u8(..8) {
        0 | 1 => random_field(rng, 1, 31),
        2 => "L".to_owned(),
        3 => format!("{}W", rng.u8(1..32)),
        4 => ["LW", "1,L", "L,15W,20", "29", "1,LW"][rng.usize(..5)].to_owned(),
        _ => "*".to_owned(),
    };
    let month = match rng.u8(..6) {
        0 => random_field(rng, 1, 12),
        1 => name(rng, MONTHS),
        2 => "MAR-APR,OCT-NOV".to_owned(),
        _ => "*".to_owned(),
    };
    let weekday = match rng.u8(..9) {
        0 => random_field(rng, 0, 7),
        1 => name(rng, WEEKDAYS),
        2 => format!("{}#{}", name(rng, WEEKDAYS), rng.u8(1..6)),
        3 => format!("{}L", rng.u8(..8)),
        4 => ["MON-FRI", "sat-sun", "TUE,6#2,0L", "SUN#1,SUN#3"][rng.usize(..4)].to_uppercase(),
        _ => "*".to_owned(),
    };
    let both = if rng.u8(..3) == 0 { "+" } else { "" };
    format!("{second}{minute} {hour} {day} {month} {both}{weekday}")
}

fn random_field(rng: &mut fastrand::Rng, first: u8, last: u8) -> String {
    let count = if rng.u8(..4) == 0 { rng.u8(2..5) } else { 1 };
    let mut item = |is_alone: bool| {
        let (one, other) = (rng.u8(first..=last), rng.u8(first..=last));
        let (from, to) = (one.min(other), one.max(other));
        let step = rng.u8(1..=last.min(20));
        match rng.u8(..7) {
            0 | 1 if is_alone => "*".to_owned(),
            2 => format!("*/{step}"),
            3 => format!("{from}-{to}"),
            4 => format!("{from}-{to}/{step}"),
            _ => from.to_string(),
        }
    };
    let items: Vec<String> = (0..count).map(|_| item(count == 1)).collect();
    items.join(",")
}

fn name(rng: &mut fastrand::Rng, names: &str) -> String {
    let index = rng.usize(..names.len() / 3) * 3;
    names[index..index + 3].to_owned()
}

fn random_start(rng: &mut fastrand::Rng, zone: &Zone, years: (i64, i64)) -> i64 {
    let changes = zone.changes(years);
    if changes.is_empty() || rng.bool() {
        let day = |year: i64| FIRST_DAY + (year - 1980) * 365;
        return rng.i64(day(years.0) * DAY..day(years.1) * DAY);
    }
    let change = changes[rng.usize(..changes.len())];
    let around = if rng.bool() { DAY } else { 2 * 3600 };
    change + rng.i64(-around..around)
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(since.subsec_nanos(), 0);
    i64::try_from(since.as_secs()).unwrap()
}

fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap())
}

/// As in `2026-03-08T07:00:00Z`.
fn shown(time: Option<i64>) -> Option<String> {
    time.map(|second| Timestamp::from_second(second).unwrap().to_string())
}

fn compare(rng: &mut fastrand::Rng, expression: &str, zones: &[Zone], years: (i64, i64)) {
    let (meaning, schedule) = (Meaning::of(expression), Schedule::cron(expression));
    for zone in zones {
        let schedule = schedule.clone().in_tz(zone.name);
        match schedule.check() {
            Err(ScheduleError::NeverMatches { .. }) => {
                assert!(
                    !calendar().iter().any(|day| meaning.has_day(day)),
                    "{schedule}"
                );
                continue;
            }
            Err(ScheduleError::NeverDue { .. }) => {
                // From now on: in earlier years the zone may have had other gaps.
                let now = Timestamp::now().as_second();
                assert_eq!(shown(meaning.next(zone, now)), None, "{schedule}");
                continue;
            }
            checked => checked.unwrap(),
        }
        for _ in 0..2 {
            let mut after = random_start(rng, zone, years);
            let fraction = Duration::from_millis(if rng.bool() { 999 } else { 0 });
            for _ in 0..3 {
                let next = schedule.next_after(time(after) + fraction).map(seconds);
                let expected = meaning.next(zone, after);
                let end = zone.spans[zone.spans.len() - 1].end;
                assert_eq!(
                    shown(next.filter(|next| *next < end)),
                    shown(expected),
                    "{schedule}, after {:?}",
                    shown(Some(after))
                );
                let Some(expected) = expected else { break };
                after = expected;
            }
        }
    }
}

#[test]
fn the_next_time_is_that_of_the_reckoning() {
    static ZONES: OnceLock<Vec<Zone>> = OnceLock::new();
    rounds("cron", 600, |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let expression = random_expression(&mut rng);
        let zones = ZONES.get_or_init(|| zones(&NOW));
        compare(&mut rng, &expression, zones, (2020, 2040));
    });
}

#[test]
fn so_it_is_in_the_strangest_years_of_strange_zones() {
    static ZONES: OnceLock<Vec<Zone>> = OnceLock::new();
    rounds("cron, before 2020", 200, |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let expression = random_expression(&mut rng);
        let zones = ZONES.get_or_init(|| zones(&THEN));
        compare(&mut rng, &expression, zones, (1981, 2020));
    });
}

#[test]
fn a_whole_year_is_that_of_the_reckoning() {
    let start = seconds("2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap().into());
    let end = start + 365 * DAY;
    let zones = zones(&NOW);
    for (expression, least) in [
        ("*/30 * * * *", 17_000),
        ("30 2 * * *", 364),
        ("0,30 0-3 * * *", 2_900),
        ("15,45 1,2 * * SUN", 200),
        ("7 0 0 L * *", 11),
        ("59 23 * MAR,OCT FRI#2", 2),
        ("0 0 13 * +FRI", 3),
        ("0 0 13 * FRI", 60),
        ("0 0 */2 * 4", 20),
        ("0 0 1-31/2 * 4", 200),
        ("0 0 1 * */2", 5),
        ("0 0 */10,5 * 2", 4),
        ("0 0 5,*/10 * 2", 90),
    ] {
        let meaning = Meaning::of(expression);
        let schedule = Schedule::cron(expression);
        for zone in &zones[..if least > 10_000 { 6 } else { NOW.len() }] {
            let schedule = schedule.clone().in_tz(zone.name);
            let year = schedule.upcoming(time(start)).map(seconds);
            let (mut last, mut count) = (start, 0);
            for next in year.take_while(|next| *next < end) {
                assert!(next > last, "{schedule}");
                assert_eq!(Some(next), meaning.next(zone, last), "{schedule}, {last}");
                (last, count) = (next, count + 1);
            }
            assert!(meaning.next(zone, last).is_none_or(|next| next >= end));
            assert!(count >= least, "{schedule}: {count} times");
        }
    }
}
