//! The text of a cron expression: what it means, or exactly what is wrong with it.
//!
//! croner is lenient with what cannot be meant: names in any field (`MON * * * *`), names
//! without a gap (`JANFEB` is December), empty items of a list, a rest after a `W`, an `L`
//! alone as the weekday. So the words of each field are checked here, and the rest is left
//! to croner.

use super::super::error::ScheduleError;
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Year};
use jiff::civil::DateTime;

/// In bytes, which are characters where the text can be right.
pub(super) const LONGEST: usize = 1_000;

/// A cron expression that can match.
pub(super) struct Pattern {
    cron: Cron,
    pub(super) is_interval: bool,
}

const NICKNAMES: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];
const MEANINGS: [&str; 7] = [
    "0 0 1 1 *",
    "0 0 1 1 *",
    "0 0 1 * *",
    "0 0 * * 0",
    "0 0 * * *",
    "0 0 * * *",
    "0 * * * *",
];

struct Field {
    name: &'static str,
    takes: &'static str,
    names: &'static [&'static str],
    last: u16,
}

macro_rules! takes {
    ($numbers:literal, $more:literal) => {
        concat!(
            $numbers,
            ", `*`, lists such as `1,3`, ranges that go up such as `1-3`, and steps such as `*/2` \
             or `1-5/2`",
            $more
        )
    };
}

const FIELDS: [Field; 6] = [
    Field {
        name: "second",
        takes: takes!("0 to 59", ""),
        names: &[],
        last: 59,
    },
    Field {
        name: "minute",
        takes: takes!("0 to 59", ""),
        names: &[],
        last: 59,
    },
    Field {
        name: "hour",
        takes: takes!("0 to 23", ""),
        names: &[],
        last: 23,
    },
    Field {
        name: "day-of-month",
        takes: takes!(
            "1 to 31",
            ", `L` for the last day, `15W` for the working day nearest to the 15th, `LW` for the \
             last working day"
        ),
        names: &[],
        last: 31,
    },
    Field {
        name: "month",
        takes: takes!("1 to 12 or JAN to DEC", ""),
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
        last: 12,
    },
    Field {
        name: "weekday",
        takes: takes!(
            "0 to 7 or SUN to SAT",
            ", `FRI#2` for the second Friday of the month, `FRIL` for its last one"
        ),
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
        last: 7,
    },
];
const DAY: &str = "day-of-month";
const WEEKDAY: &str = "weekday";

pub(super) fn parse(text: &str) -> Result<Pattern, ScheduleError> {
    if text.len() > LONGEST {
        return Err(ScheduleError::TooLong {
            characters: text.chars().count(),
            most: LONGEST,
        });
    }
    let fields: Vec<&str> = spelled_out(text)?.split_ascii_whitespace().collect();
    if !(5..=6).contains(&fields.len()) {
        return Err(ScheduleError::FieldCount {
            expression: text.to_owned(),
            fields: fields.len(),
        });
    }
    let kinds = &FIELDS[FIELDS.len() - fields.len()..];
    let field_error = |index: usize, reason| ScheduleError::Field {
        expression: text.to_owned(),
        field: kinds[index].name,
        text: fields[index].to_owned(),
        reason,
        takes: kinds[index].takes,
    };
    for (index, field) in fields.iter().enumerate() {
        if let Some(reason) = wrong_words(&kinds[index], &field.to_ascii_uppercase()) {
            return Err(field_error(index, reason));
        }
    }
    let cron = read_days(&fields).map_err(|reason| match wrong_field(&fields) {
        Some((index, reason)) => field_error(index, reason),
        None => ScheduleError::Expression {
            expression: text.to_owned(),
            reason,
        },
    })?;
    // What comes before the day of month.
    let clock = &fields[..fields.len() - 3];
    let pattern = Pattern {
        cron,
        is_interval: clock.iter().any(|field| field.contains(['*', '-', '/'])),
    };
    if !pattern.can_match() {
        return Err(ScheduleError::NeverMatches {
            expression: text.to_owned(),
        });
    }
    Ok(pattern)
}

/// The text, or what its nickname stands for.
fn spelled_out(text: &str) -> Result<&str, ScheduleError> {
    let name = text.trim_ascii();
    if !name.starts_with('@') {
        return Ok(text);
    }
    NICKNAMES
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name))
        .map(|index| MEANINGS[index])
        .ok_or_else(|| ScheduleError::UnknownNickname {
            expression: text.to_owned(),
            known: &NICKNAMES,
        })
}

/// The first field that croner does not like though all others are as good as can be.
fn wrong_field(fields: &[&str]) -> Option<(usize, String)> {
    fields.iter().enumerate().find_map(|(index, field)| {
        let mut alone = vec!["*"; fields.len()];
        alone[index] = field;
        Some((index, read(&alone).err()?))
    })
}

/// What is wrong with a field, in capital letters, before croner sees it.
fn wrong_words(kind: &Field, field: &str) -> Option<String> {
    let is_weekday = kind.name == WEEKDAY;
    // "Both must match", as `croner` has it.
    let items = field.strip_prefix('+').filter(|_| is_weekday);
    let items: Vec<&str> = items.unwrap_or(field).split(',').collect();
    if is_weekday && items.contains(&"L") {
        return Some("`L` needs a weekday before it, as in `5L`".to_owned());
    }
    if items.contains(&"L") && items.contains(&"LW") {
        // croner forgets the `L`.
        return Some("`L` and `LW` cannot be in one list".to_owned());
    }
    items.iter().find_map(|item| wrong_item(kind, item))
}

fn wrong_item(kind: &Field, item: &str) -> Option<String> {
    let (item, nth) = match item.split_once('#') {
        Some((item, nth)) => (item, Some(nth)),
        None => (item, None),
    };
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    if let Some(word) = range.split('-').find(|word| !is_word(kind, word)) {
        return Some(match word {
            "" => "a number is missing".to_owned(),
            _ => format!("{word:?} means nothing here"),
        });
    }
    if nth.is_some_and(|nth| !is_number(nth) && nth != "L") {
        return Some("after `#` there is no number".to_owned());
    }
    let step = step?;
    if !is_number(step) {
        return Some("after `/` there is no number".to_owned());
    }
    // `*/90` of the minutes would be once an hour.
    let fits = step.parse().is_ok_and(|step: u16| step <= kind.last);
    (!fits).then(|| format!("a step of {step} goes beyond {}", kind.last))
}

fn is_word(kind: &Field, word: &str) -> bool {
    let is_value = |word: &str| is_number(word) || kind.names.contains(&word);
    let is_special = match kind.name {
        DAY => {
            word == "?"
                || word == "L"
                || word == "LW"
                || word.strip_suffix('W').is_some_and(is_number)
        }
        WEEKDAY => word == "?" || word.strip_suffix('L').is_some_and(is_value),
        _ => false,
    };
    word == "*" || is_value(word) || is_special
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// [`read`], but for the rule of the two fields for days, which is Vixie's: a field that
/// begins with a star is one, whatever follows, and then both fields must match. (To croner
/// only `*` itself is one.)
fn read_days(fields: &[&str]) -> Result<Cron, String> {
    let is_star = |field: &str| field.starts_with(['*', '?']);
    let [.., day, _, weekday] = fields else {
        return read(fields);
    };
    if weekday.starts_with('+') || !is_star(day) && !is_star(weekday) {
        return read(fields);
    }
    let weekday = format!("+{weekday}");
    let mut fields = fields.to_vec();
    fields.pop();
    fields.push(&weekday);
    read(&fields)
}

/// What croner makes of the fields, or its reason.
fn read(fields: &[&str]) -> Result<Cron, String> {
    let parser = CronParser::builder().year(Year::Disallowed).build();
    parser
        .parse(&fields.join(" "))
        .map_err(|error| match error {
            CronError::ComponentError(reason) | CronError::InvalidPattern(reason) => {
                let reason = reason.trim_end_matches('.');
                let mut letters = reason.chars();
                letters.next().map_or(String::new(), |first| {
                    first.to_lowercase().chain(letters).collect()
                })
            }
            other => other.to_string(),
        })
}

impl Pattern {
    /// The first time of the calendar, at `from` or later, that matches.
    pub(super) fn search(&self, from: DateTime) -> Option<DateTime> {
        // croner looks no further than the year 5000, and the calendar comes again every
        // 400 years, weekdays and all.
        let cycles = ((from.year() - 4200) / 400).max(0) * 400;
        let near = from.with().year(from.year() - cycles).build().ok()?;
        let found = self.cron.find_next_occurrence(&near, true).ok()?;
        found.with().year(found.year() + cycles).build().ok()
    }

    /// Whether there is a match in 400 years, and so whether there is one ever.
    fn can_match(&self) -> bool {
        self.search(DateTime::constant(4599, 1, 1, 0, 0, 0, 0))
            .is_some()
    }
}
