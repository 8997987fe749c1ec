//! How a report looks: what an operator reads at three in the morning.

use super::abandoned::AbandonedTask;
use super::failed_runs;
use super::lingering::LingeringWorker;
use super::report::{ReportData, StopReport};
use crate::clock::Deadline;
use crate::table::{COLUMNS, GAP, INDENT, Row, cut, section, short, trimmed, width};
use crate::task::TaskInfo;
use crate::threads;
use crate::unwind;
use std::fmt;
use std::io::Write;
use std::time::Duration;

/// Writes text to stderr and ignores errors: it may be closed.
fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// How long the end of a program waits for the logger, or for a reader of stderr, with a
/// report that is not clean and that is shown nowhere else.
pub(crate) const TIME_TO_TELL_UNCLEAN: Duration = Duration::from_secs(1);

/// As [`to_stderr`], but does not wait for a reader that is stuck beyond
/// [`TIME_TO_TELL_UNCLEAN`].
pub(crate) fn to_stderr_in_time(text: String) {
    let deadline = Deadline::after(TIME_TO_TELL_UNCLEAN);
    threads::run_until("stderr", deadline, move || to_stderr(&text));
}

/// As [`say`], but does not wait for the logger beyond [`TIME_TO_TELL_UNCLEAN`].
pub(crate) fn say_in_time(level: log::Level, text: String) {
    let deadline = Deadline::after(TIME_TO_TELL_UNCLEAN);
    threads::run_until("log", deadline, move || say(level, &text));
}

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
        if facts.overrun > 0 {
            write!(f, "   overrun {}", facts.overrun)?;
        }
        let failed = facts.failed_schedules.iter();
        section(f, "schedule", failed.map(failed_runs::row))?;
        let abandoned = facts.abandoned.iter().map(abandoned_row);
        section(f, "abandoned", abandoned)?;
        let unstarted = self.unstarted().iter();
        section(f, "unstarted", unstarted.map(unstarted_row))?;
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
            .field("overrun", &facts.overrun)
            .field("failed_schedules", &facts.failed_schedules)
            .field("unstarted", &facts.unstarted.len())
            .field("abandoned", &facts.abandoned)
            .field("caller", &facts.caller)
            .field("lingering", &facts.lingering)
            .finish_non_exhaustive()
    }
}

fn headline(facts: &ReportData, is_clean: bool) -> String {
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

fn unstarted_row(info: &TaskInfo) -> Row {
    match info.attempts() {
        0 => task_row(info, ""),
        1 => task_row(info, "1 attempt failed"),
        attempts => task_row(info, &format!("{attempts} attempts failed")),
    }
}

fn abandoned_row(task: &AbandonedTask) -> Row {
    let cancel = match task.cancel_asked() {
        Some(asked) => format!("cancel asked {} ago", short(asked)),
        None => "not asked to cancel".to_owned(),
    };
    let middle = format!(
        "{}{GAP}running {}{GAP}{cancel}{}",
        worker_name(task.worker()),
        short(task.running_for()),
        if task.is_overrun() { ", overrun" } else { "" }
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

#[cfg(test)]
mod tests;
