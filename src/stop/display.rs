//! How a report looks: what an operator reads at three in the morning.
//!
//! No line is longer than 120 columns, and nobody's name can break one: what
//! programs gave us is quoted, control characters escaped, and cut to fit.

use super::abandoned::{AbandonedTask, LingeringWorker};
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

/// Says what must not get lost: to the log, or to stderr where that level is
/// not logged.
pub(crate) fn say(level: log::Level, text: &str) {
    if log::log_enabled!(level) {
        unwind::log_guarded(|| log::log!(level, "{text}"));
    } else {
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
        section(f, "abandoned", &facts.abandoned, write_abandoned)?;
        section(f, "unstarted", self.unstarted(), |f, info| {
            write_task(f, "unstarted", info, "")
        })?;
        section(f, "caller", &facts.caller, |f, info| {
            write_task(f, "caller", info, "")
        })?;
        section(f, "lingering", &facts.lingering, write_lingering)
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

fn section<T>(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    items: &[T],
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for item in items.iter().take(LINES_OF_A_KIND) {
        f.write_str("\n")?;
        write(f, item)?;
    }
    match items.len().saturating_sub(LINES_OF_A_KIND) {
        0 => Ok(()),
        more => write!(f, "\n  ... and {more} more {kind}"),
    }
}

fn write_abandoned(f: &mut fmt::Formatter<'_>, task: &AbandonedTask) -> fmt::Result {
    let cancel = match task.cancel_asked {
        Some(asked) => format!("cancel asked {} ago", short(asked)),
        None => "not asked to cancel".to_owned(),
    };
    let middle = format!(
        "  {}  running {}  {cancel}",
        task.worker.escape_debug(),
        short(task.running_for)
    );
    write_task(f, "abandoned", &task.info, &middle)?;
    let thread = match (task.thread_id(), task.thread_state()) {
        (Some(id), Some(state)) => format!("thread {id}: {state}"),
        _ => String::new(),
    };
    let room = COLUMNS - INDENT - "last note:    ".len() - thread.chars().count();
    let note = match &task.note {
        Some(note) => format!("last note: {}", cut(&format!("{note:?}"), room)),
        None => String::new(),
    };
    let between = if note.is_empty() || thread.is_empty() {
        ""
    } else {
        "   "
    };
    match note.len() + thread.len() {
        0 => Ok(()),
        _ => write!(f, "\n{:INDENT$}{note}{between}{thread}", ""),
    }
}

/// Where what belongs to a line of a kind begins.
const INDENT: usize = "  abandoned  ".len();

/// `  kind       #7 "name"<middle>  src/main.rs:88:14`
fn write_task(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    info: &TaskInfo,
    middle: &str,
) -> fmt::Result {
    let head = format!("  {kind:<9}  #{} ", info.id());
    let name = match info.is_named() {
        true => format!("{:?}", info.name()),
        false => info.name().escape_debug().to_string(),
    };
    let place = info.submitted_at().to_string();
    let room = COLUMNS - head.chars().count() - middle.chars().count() - 2;
    let name = cut(&name, room - place.chars().count().min(SHORTEST_PLACE));
    let place = cut_front(&place, room - name.chars().count());
    write!(f, "{head}{name}{middle}  {place}")
}

fn write_lingering(f: &mut fmt::Formatter<'_>, worker: &LingeringWorker) -> fmt::Result {
    write!(f, "  lingering  {}", worker.worker.escape_debug())?;
    match (worker.thread_id(), worker.thread_state()) {
        (Some(id), Some(state)) => write!(f, "  thread {id}: {state}"),
        _ => Ok(()),
    }
}

/// The beginning of `text`, in at most `room` columns.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// The end of `text`, in at most `room` columns.
fn cut_front(text: &str, room: usize) -> String {
    let length = text.chars().count();
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
