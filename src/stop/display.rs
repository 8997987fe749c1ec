//! How a report looks: what an operator reads at three in the morning.
//!
//! No line is longer than 120 columns, and nobody's name can break one: what
//! programs gave us is quoted, control characters escaped, and cut to fit.

use super::abandoned::AbandonedTask;
use super::lingering::LingeringWorker;
use super::report::{Facts, StopReport};
use crate::task::TaskInfo;
use crate::unwind;
use std::fmt;
use std::io::Write;
use std::time::Duration;

const COLUMNS: usize = 120;
/// So many lines of each kind, and then a count.
const LINES_OF_A_KIND: usize = 20;
/// What a place is left with, however long the name is.
const SHORTEST_PLACE: usize = 24;

/// Writes text to stderr and ignores errors: it may be closed.
pub(super) fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// So long a stop or a signal waits for a logger, or a reader of stderr, that
/// is stuck.
pub(crate) const TIME_TO_TELL: Duration = Duration::from_millis(100);

/// So long the drop of a pool waits for them with a report that is not clean,
/// and that nobody else has.
pub(super) const TIME_TO_TELL_UNCLEAN: Duration = Duration::from_secs(1);

/// Says what must not get lost: to the log, or to stderr where that level is
/// not logged.
pub(crate) fn say(level: log::Level, text: &str) {
    let mut logged = false;
    unwind::log_guarded(|| {
        if log::log_enabled!(level) {
            log::log!(level, "{text}");
            logged = true;
        }
    });
    if !logged {
        to_stderr(text);
    }
}

impl fmt::Display for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts();
        write!(f, "{}", headline(facts, self.is_clean()))?;
        write!(
            f,
            "\n  completed {}   panicked {}   cancelled {}   expired {}",
            facts.completed, facts.panicked, facts.cancelled, facts.expired
        )?;
        let abandoned = facts.abandoned.iter().map(abandoned_row);
        section(f, "abandoned", abandoned)?;
        let unstarted = self.unstarted().iter();
        section(f, "unstarted", unstarted.map(|info| task_row(info, "")))?;
        let caller = facts.caller.iter();
        section(
            f,
            "caller",
            caller.map(|info| task_row(info, "inside stop")),
        )?;
        section(f, "lingering", facts.lingering.iter().map(lingering_row))
    }
}

impl fmt::Debug for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts();
        f.debug_struct("StopReport")
            .field("elapsed", &facts.elapsed)
            .field("accepted", &facts.accepted)
            .field("completed", &facts.completed)
            .field("panicked", &facts.panicked)
            .field("cancelled", &facts.cancelled)
            .field("expired", &facts.expired)
            .field("unstarted", &facts.unstarted.len())
            .field("abandoned", &facts.abandoned)
            .field("caller", &facts.caller)
            .field("lingering", &facts.lingering)
            .finish_non_exhaustive()
    }
}

fn headline(facts: &Facts, is_clean: bool) -> String {
    let how = if is_clean { "clean" } else { "NOT CLEAN" };
    let limit = match facts.limit {
        Some(limit) => format!("deadline {}", trimmed(limit)),
        None => "no deadline".to_owned(),
    };
    let left: Vec<String> = [
        (facts.abandoned.len(), "abandoned"),
        (facts.unstarted.len(), "unstarted"),
        (facts.caller.len(), "caller"),
        (facts.lingering.len(), "lingering"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let left = match left.is_empty() {
        true => String::new(),
        false => format!("{} of ", left.join(", ")),
    };
    format!(
        "stop: {how} after {:.3} s ({limit}): {left}{} accepted",
        facts.elapsed.as_secs_f64(),
        facts.accepted
    )
}

/// One thing that was left behind: its columns, and a second line.
struct Row {
    id: String,
    name: String,
    middle: String,
    place: String,
    more: String,
}

/// Where what belongs to a line of a kind begins.
const INDENT: usize = "  abandoned  ".len();
/// Between two columns.
const GAP: &str = "  ";

fn task_row(info: &TaskInfo, middle: &str) -> Row {
    Row {
        id: format!("#{}", info.id()),
        name: match info.is_named() {
            true => format!("{:?}", info.name()),
            false => info.name().escape_debug().to_string(),
        },
        middle: middle.to_owned(),
        place: info.submitted_at().to_string(),
        more: String::new(),
    }
}

fn abandoned_row(task: &AbandonedTask) -> Row {
    let cancel = match task.cancel_asked() {
        Some(asked) => format!("cancel asked {} ago", short(asked)),
        None => "not asked to cancel".to_owned(),
    };
    let middle = format!(
        "{}{GAP}running {}{GAP}{cancel}",
        worker_name(task.worker()),
        short(task.running_for())
    );
    let thread = thread(task.thread_id(), task.thread_state());
    let token = match task.has_token {
        true => String::new(),
        false => "has no token to look at".to_owned(),
    };
    let note = match task.note() {
        Some(note) => format!("last note: {note:?}"),
        None => String::new(),
    };
    let facts = [thread, token].into_iter().filter(|fact| !fact.is_empty());
    let facts = facts.collect::<Vec<_>>().join("   ");
    let room = COLUMNS - INDENT - "   ".len();
    let note = cut(&note, room.saturating_sub(width(&facts)));
    let parts = [note, facts].into_iter().filter(|part| !part.is_empty());
    Row {
        more: parts.collect::<Vec<_>>().join("   "),
        ..task_row(task.info(), &middle)
    }
}

fn lingering_row(worker: &LingeringWorker) -> Row {
    Row {
        id: worker_name(worker.worker()),
        name: "runs no task, but has not ended".to_owned(),
        middle: String::new(),
        place: thread(worker.thread_id(), worker.thread_state()),
        more: String::new(),
    }
}

/// It was cut to what a thread can show, but what is escaped in it takes more
/// columns than that.
fn worker_name(name: &str) -> String {
    cut(&name.escape_debug().to_string(), 15)
}

fn thread(id: Option<u64>, state: Option<&str>) -> String {
    match (id, state) {
        (Some(id), Some(state)) => format!("thread {id}: {state}"),
        _ => String::new(),
    }
}

/// The rows of one kind, in columns as wide as their widest, and the names cut
/// so that the places are seen.
fn section(
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
    let name = longest.min(room.saturating_sub(place));
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

fn width(text: &str) -> usize {
    text.chars().count()
}

/// The beginning of `text`, in at most `room` columns.
fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The end of `text`, in at most `room` columns.
fn cut_front(text: &str, room: usize) -> String {
    let length = width(text);
    if length <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(length + 1 - room.max(1)).collect();
    format!("…{kept}")
}

/// As in `41.2 s`, `12.5 min`, `3.0 h`.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        ..600.0 => format!("{seconds:.1} s"),
        ..36_000.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// As in `5 s`, `0.25 s`.
fn trimmed(duration: Duration) -> String {
    let text = format!("{:.3}", duration.as_secs_f64());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} s")
}

#[cfg(test)]
mod tests;
