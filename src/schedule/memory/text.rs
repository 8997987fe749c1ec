//! The text of the file. Pure.
//!
//! [`Scheduler::remember`](crate::Scheduler::remember) documents the format. A change of it
//! gives it a new version. A changed `Display` of [`Schedule`](crate::Schedule) makes each schedule
//! look changed once.

use crate::sync::Arc;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the file says.
#[derive(Debug, PartialEq)]
pub(super) struct Text {
    /// What the clock showed when it was written.
    pub(super) saved: SystemTime,
    pub(super) lines: Lines,
}

/// By the names of the entries.
pub(super) type Lines = BTreeMap<Arc<str>, Line>;

/// What it says of an entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// The first moment whose run has not ended; `None`: there is none, or nothing is made up for.
    pub(super) next: Option<SystemTime>,
    /// Since when no scheduler has had an entry of this name.
    pub(super) unused: Option<SystemTime>,
    /// The schedule as a text, to notice that it was changed.
    pub(super) schedule: Arc<str>,
}

/// Why a text is none.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    Foreign,
    Newer(u32),
    Damaged(usize, &'static str),
}

const BEGINNING: &str = "groundcrew schedules ";
const VERSION: u32 = 1;
const SAVED: &str = "saved";
const END: &str = "end";
const NOTHING: &str = "-";

/// An unused line is dropped after this time.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 86_400);

impl Text {
    pub(super) fn parse(bytes: &[u8]) -> Result<Text, Wrong> {
        const CUT_OFF: Wrong = Wrong::Damaged(1, "is cut off");
        let begins_alike = BEGINNING.bytes().zip(bytes).all(|(a, b)| a == *b);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            match begins_alike {
                true => Wrong::Damaged(line, "is not text"),
                false => Wrong::Foreign,
            }
        })?;
        let Some(rest) = text.strip_prefix(BEGINNING) else {
            return Err(if begins_alike {
                CUT_OFF
            } else {
                Wrong::Foreign
            });
        };
        let (version, rest) = rest.split_once('\n').ok_or(CUT_OFF)?;
        match version.parse() {
            Ok(VERSION) => {}
            Ok(newer) if newer > VERSION => return Err(Wrong::Newer(newer)),
            _ => return Err(Wrong::Damaged(1, "has no version")),
        }
        let mut saved = None;
        let mut lines = BTreeMap::new();
        let mut number = 1;
        let mut rest = rest.split_inclusive('\n');
        while let Some(line) = rest.next() {
            number += 1;
            let wrong = |reason| Wrong::Damaged(number, reason);
            let line = line.strip_suffix('\n').ok_or(wrong("is cut off"))?;
            let columns: Vec<&str> = line.split('\t').collect();
            match (saved, &*columns) {
                (None, [SAVED, time]) => {
                    saved = Some(parse_time(time).ok_or(wrong("has no time"))?);
                }
                (Some(saved), [END]) => {
                    return match rest.next() {
                        None => Ok(Text { saved, lines }),
                        Some(_) => Err(wrong("is not the last one")),
                    };
                }
                (Some(_), [next, unused, name, schedule]) => {
                    let time = |text: &str| match text {
                        NOTHING => Some(None),
                        time => parse_time(time).map(Some),
                    };
                    let line = Line {
                        next: time(next).ok_or(wrong("has no time at its beginning"))?,
                        unused: time(unused).ok_or(wrong("has no second time"))?,
                        schedule: (*schedule).into(),
                    };
                    if name.is_empty() || name.contains(char::is_control) {
                        return Err(wrong("has no name"));
                    }
                    if lines.insert((*name).into(), line).is_some() {
                        return Err(wrong("has the name of an earlier one"));
                    }
                }
                _ => return Err(wrong("is not as a scheduler writes it")),
            }
        }
        Err(Wrong::Damaged(number + 1, "is missing"))
    }
}

/// Drops what was not used for too long.
pub(super) fn drop_unused(lines: &mut Lines, now: SystemTime) {
    lines.retain(|_, line| {
        let unused = line.unused.and_then(|since| now.duration_since(since).ok());
        unused.is_none_or(|unused| unused <= KEPT_UNUSED)
    });
}

pub(super) fn print(saved: SystemTime, lines: &Lines) -> String {
    let mut text = format!("{BEGINNING}{VERSION}\n{SAVED}\t{}\n", print_time(saved));
    let time = |time: Option<SystemTime>| time.map_or_else(|| NOTHING.to_owned(), print_time);
    for (name, line) in lines {
        let (next, unused) = (time(line.next), time(line.unused));
        let _ = writeln!(text, "{next}\t{unused}\t{name}\t{}", line.schedule);
    }
    text += END;
    text + "\n"
}

/// The seconds since 1970, with nine digits after the point.
fn print_time(time: SystemTime) -> String {
    let (sign, since) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => ("", since),
        Err(before) => ("-", before.duration()),
    };
    format!("{sign}{}.{:09}", since.as_secs(), since.subsec_nanos())
}

fn parse_time(text: &str) -> Option<SystemTime> {
    let positive = text.strip_prefix('-');
    let (seconds, nanos) = positive.unwrap_or(text).split_once('.')?;
    let is_number = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(seconds) || !is_number(nanos) || nanos.len() != 9 {
        return None;
    }
    let since = Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
    match positive {
        Some(_) => UNIX_EPOCH.checked_sub(since),
        None => UNIX_EPOCH.checked_add(since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn line(next: Option<SystemTime>, unused: Option<SystemTime>, schedule: &str) -> Line {
        let schedule = schedule.into();
        Line {
            next,
            unused,
            schedule,
        }
    }

    fn printed(text: &Text) -> String {
        print(text.saved, &text.lines)
    }

    fn sample() -> Text {
        let lines = [
            (
                "back up",
                line(Some(time(90_000)), None, "cron \"30 1 * * *\" in UTC"),
            ),
            ("näme ü", line(None, Some(time(70_000)), "every 1h")),
            (
                "-",
                line(
                    Some(UNIX_EPOCH - Duration::from_nanos(1_500_000_000)),
                    None,
                    "",
                ),
            ),
        ];
        Text {
            saved: time(80_000) + Duration::from_nanos(7),
            lines: lines.map(|(name, line)| (name.into(), line)).into(),
        }
    }

    #[test]
    fn the_text_is_as_documented_and_says_what_it_was_made_of() {
        let text = printed(&sample());
        let expected = "groundcrew schedules 1\nsaved\t80000.000000007\n\
             -1.500000000\t-\t-\t\n\
             90000.000000000\t-\tback up\tcron \"30 1 * * *\" in UTC\n\
             -\t70000.000000000\tnäme ü\tevery 1h\nend\n";
        assert_eq!(text, expected);
        assert_eq!(Text::parse(text.as_bytes()), Ok(sample()));
    }

    #[test]
    fn a_text_that_is_cut_off_anywhere_is_damaged_and_neither_foreign_nor_less() {
        let whole = printed(&sample());
        for end in 0..whole.len() {
            let cut = &whole.as_bytes()[..end];
            let parsed = Text::parse(cut);
            assert!(
                matches!(parsed, Err(Wrong::Damaged(..))),
                "{end}: {parsed:?}"
            );
        }
    }

    #[test]
    fn what_another_program_or_a_newer_version_has_written_is_known_as_that() {
        for foreign in ["#!/bin/sh\n", "\n", "groundcrew jobs 1\n", "\u{0}\u{0}"] {
            assert_eq!(Text::parse(foreign.as_bytes()), Err(Wrong::Foreign));
        }
        assert_eq!(Text::parse(b"\xff\xfe"), Err(Wrong::Foreign));
        let newer = printed(&sample()).replacen(" 1\n", " 2\n", 1) + "what it does not know\n";
        assert_eq!(Text::parse(newer.as_bytes()), Err(Wrong::Newer(2)));
    }

    #[test]
    fn a_line_that_is_wrong_is_named_with_its_number() {
        let begin = "groundcrew schedules 1\nsaved\t1.000000000\n";
        let damaged = |rest: &str| match Text::parse(format!("{begin}{rest}").as_bytes()) {
            Err(Wrong::Damaged(line, reason)) => (line, reason),
            other => panic!("{rest:?}: {other:?}"),
        };
        assert_eq!(damaged("1.5\t-\ta\tb\nend\n").0, 3);
        assert_eq!(damaged("1.000000000\t+\ta\tb\nend\n").0, 3);
        assert_eq!(damaged("-\t-\t\tb\nend\n").0, 3);
        assert_eq!(damaged("-\t-\ta\tb\n-\t-\ta\tb\nend\n").0, 4);
        assert_eq!(damaged("-\t-\ta\nend\n").0, 3);
        assert_eq!(damaged("saved\t1.000000000\nend\n").0, 3);
        assert_eq!(damaged("end\nend\n"), (3, "is not the last one"));
        assert_eq!(damaged("-\t-\ta\tb\n"), (4, "is missing"));
        assert_eq!(
            damaged("99999999999999999999.000000000\t-\ta\tb\nend\n").0,
            3
        );
        let no_text = [begin.as_bytes(), b"\xff\n"].concat();
        let damaged = Err(Wrong::Damaged(3, "is not text"));
        assert_eq!(Text::parse(&no_text), damaged);
        for header in ["groundcrew schedules 0\n", "groundcrew schedules one\n"] {
            let parsed = Text::parse(header.as_bytes());
            assert_eq!(parsed, Err(Wrong::Damaged(1, "has no version")));
        }
    }

    #[test]
    fn a_line_that_no_entry_uses_is_kept_for_thirty_days() {
        let mut text = sample();
        drop_unused(&mut text.lines, time(70_000) + KEPT_UNUSED);
        assert_eq!(text, sample());
        // A clock that was set back.
        drop_unused(&mut text.lines, time(0));
        assert_eq!(text, sample());
        drop_unused(&mut text.lines, time(70_001) + KEPT_UNUSED);
        let names: Vec<_> = text.lines.keys().map(|name| &**name).collect();
        assert_eq!(names, ["-", "back up"]);
    }
}
