//! How reports are laid out.
//!
//! Each fact is one line, however long it is, so that a search in a log finds it whole. A report
//! that is written with a width, as by `{:120}`, has no line that is longer: names are cut, and
//! errors are broken into several lines. No text of the program can break a line: what would is
//! [escaped].

use std::env;
use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// The width of a terminal that does not say how wide it is.
const COLUMNS: usize = 120;
/// Widths that are taken from the environment are moved into this range: below it there is no
/// room for a name, and above it `format!` panics.
const SENSIBLE: std::ops::RangeInclusive<usize> = 40..=1000;
/// Columns are no wider than this to keep a short name in line with a long one.
const WIDEST_PADDED: usize = 60;
/// The number of lines of each kind; then a count.
const LINES_OF_A_KIND: usize = 20;
/// What a place is left with, however long the name is.
const SHORTEST_PLACE: usize = 24;

/// One thing that was left behind: its columns, and a second line.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) middle: String,
    pub(crate) place: String,
    pub(crate) more: String,
    /// How many others are the same, and have no row of their own.
    pub(crate) alike: usize,
}

/// Where what belongs to a line of a kind begins.
pub(crate) const INDENT: usize = "  abandoned  ".len();
/// Between two columns.
pub(crate) const GAP: &str = "  ";

/// The number of columns that a report is to have: no limit unless it is written with a width.
pub(crate) fn columns(f: &fmt::Formatter<'_>) -> usize {
    f.width().unwrap_or(usize::MAX)
}

/// The text of a report for stderr: as wide as that is, if it is a terminal.
pub(crate) fn for_stderr(report: &impl fmt::Display) -> String {
    match io::stderr().is_terminal() {
        true => {
            let columns = terminal_columns(env::var("COLUMNS").ok().as_deref());
            format!("{report:columns$}")
        }
        false => report.to_string(),
    }
}

fn terminal_columns(variable: Option<&str>) -> usize {
    let columns = variable.and_then(|columns| columns.parse().ok());
    columns.map_or(COLUMNS, |columns: usize| {
        columns.clamp(*SENSIBLE.start(), *SENSIBLE.end())
    })
}

/// Text of the program as a part of a line: characters that would break or garble that are
/// escaped. Quotes and backslashes are not: an error is to be found as it was written.
pub(crate) fn escaped(text: &str) -> String {
    const KEPT: [char; 3] = ['"', '\'', '\\'];
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(KEPT) {
        let bare = piece.trim_end_matches(KEPT);
        shown.extend(bare.escape_debug());
        shown.push_str(&piece[bare.len()..]);
    }
    shown
}

/// A name that the program gave, in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", escaped(name))
}

/// The rows of one kind, of `total` things, in columns as wide as their widest, and the names cut
/// so that the places are seen.
pub(crate) fn section(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    total: usize,
    rows: impl Iterator<Item = Row>,
) -> fmt::Result {
    let rows: Vec<Row> = rows.take(LINES_OF_A_KIND).collect();
    let shown: usize = rows.iter().map(|row| 1 + row.alike).sum();
    let widest = |column: fn(&Row) -> &String| rows.iter().map(|row| width(column(row))).max();
    let id = widest(|row| &row.id).unwrap_or(0);
    let middle = widest(|row| &row.middle).unwrap_or(0);
    let place = widest(|row| &row.place).unwrap_or(0).min(SHORTEST_PLACE);
    let gaps = if middle > 0 { 2 } else { 1 } * GAP.len();
    let room = columns(f).saturating_sub(INDENT + id + 1 + middle + gaps);
    let longest = widest(|row| &row.name).unwrap_or(0);
    // At least the sign that it was cut.
    let name = longest.min(room.saturating_sub(place).max(1));
    for row in &rows {
        let shown = cut(&row.name, name);
        let padded = name.min(WIDEST_PADDED);
        write!(f, "\n  {kind:<9}  {:<id$} {shown:<padded$}", row.id)?;
        if middle > 0 {
            write!(f, "{GAP}{:<middle$}", row.middle)?;
        }
        let shown = cut_front(&row.place, room.saturating_sub(name));
        if !shown.is_empty() {
            write!(f, "{GAP}{shown}")?;
        }
        if !row.more.is_empty() {
            write!(f, "\n{:INDENT$}{}", "", row.more)?;
        }
    }
    match total - shown {
        0 => Ok(()),
        more => write!(f, "\n  ... and {more} more {kind}"),
    }
}

pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// The beginning of `text`, in at most `room` columns.
pub(crate) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The end of `text`, in at most `room` columns.
pub(crate) fn cut_front(text: &str, room: usize) -> String {
    let length = width(text);
    if length <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(length + 1 - room.max(1)).collect();
    format!("…{kept}")
}

/// As in `41.2 s`, `12.5 min`, `3.0 h`.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        ..600.0 => format!("{seconds:.1} s"),
        ..36_000.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// As in `5 s`, `0.25 s`.
pub(crate) fn trimmed(duration: Duration) -> String {
    if !duration.is_zero() && duration < Duration::from_millis(1) {
        return format!("{duration:?}");
    }
    let text = format!("{:.3}", duration.as_secs_f64());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_quotes_are_not() {
        for (text, shown) in [
            ("it's \"C:\\new\"", "it's \"C:\\new\""),
            ("a\nb\t\u{1b}[31m\u{202e}", "a\\nb\\t\\u{1b}[31m\\u{202e}"),
            ("\"\"\n\"", "\"\"\\n\""),
            ("grüße e\u{301}", "grüße e\u{301}"),
            ("", ""),
        ] {
            assert_eq!(escaped(text), shown);
        }
        assert_eq!(quoted("a \"b\"\n"), "\"a \"b\"\\n\"");
    }

    #[test]
    fn a_terminal_that_does_not_say_how_wide_it_is_has_120_columns() {
        for (variable, columns) in [
            (None, 120),
            (Some("wide"), 120),
            (Some("80"), 80),
            (Some("0"), 40),
            (Some("100000"), 1000),
        ] {
            assert_eq!(terminal_columns(variable), columns);
        }
    }
}
