//! How reports are laid out: lines that a terminal shows whole.
//!
//! No line is longer than 120 columns, and no name can break one: text from the program is
//! quoted, control characters escaped, and cut to fit.

use std::fmt;
use std::time::Duration;

pub(crate) const COLUMNS: usize = 120;
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
}

/// Where what belongs to a line of a kind begins.
pub(crate) const INDENT: usize = "  abandoned  ".len();
/// Between two columns.
pub(crate) const GAP: &str = "  ";

/// The rows of one kind, in columns as wide as their widest, and the names cut
/// so that the places are seen.
pub(crate) fn section(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    rows: impl ExactSizeIterator<Item = Row>,
) -> fmt::Result {
    let more = rows.len().saturating_sub(LINES_OF_A_KIND);
    let rows: Vec<Row> = rows.take(LINES_OF_A_KIND).collect();
    let widest = |column: fn(&Row) -> &String| rows.iter().map(|row| width(column(row))).max();
    let id = widest(|row| &row.id).unwrap_or(0);
    let middle = widest(|row| &row.middle).unwrap_or(0);
    let place = widest(|row| &row.place).unwrap_or(0).min(SHORTEST_PLACE);
    let gaps = if middle > 0 { 2 } else { 1 } * GAP.len();
    let room = COLUMNS.saturating_sub(INDENT + id + 1 + middle + gaps);
    let longest = widest(|row| &row.name).unwrap_or(0);
    // At least the sign that it was cut.
    let name = longest.min(room.saturating_sub(place).max(1));
    for row in &rows {
        let shown = cut(&row.name, name);
        write!(f, "\n  {kind:<9}  {:<id$} {shown:<name$}", row.id)?;
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
    match more {
        0 => Ok(()),
        _ => write!(f, "\n  ... and {more} more {kind}"),
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
