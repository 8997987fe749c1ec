//! The text of a report.

use super::abandoned::AbandonedTask;
use super::lingering::LingeringWorker;
use super::report::{ReportData, StopReport};
use crate::queue::FailedSchedule;
use crate::table::{COLUMNS, GAP, INDENT, Row, cut, section, short, trimmed, width};
use crate::task::TaskInfo;
use std::fmt;

impl fmt::Display for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data();
        write!(f, "{}", headline(data, self.is_clean()))?;
        write!(
            f,
            "\n  completed {}   panicked {}   cancelled {}   expired {}",
            data.completed, data.panicked, data.cancelled, data.expired
        )?;
        if data.overrun > 0 {
            write!(f, "   overrun {}", data.overrun)?;
        }
        let failed = data.failed_schedules.iter();
        section(f, "schedule", failed.map(failed_schedule_row))?;
        let abandoned = data.abandoned.iter().map(abandoned_row);
        section(f, "abandoned", abandoned)?;
        let unstarted = self.unstarted().iter();
        section(f, "unstarted", unstarted.map(unstarted_row))?;
        let stopping = data.stopping.iter();
        let stopping = stopping.map(|info| task_row(info, "inside stop"));
        section(f, "stopping", stopping)?;
        section(f, "lingering", data.lingering.iter().map(lingering_row))
    }
}

impl fmt::Debug for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data();
        f.debug_struct("StopReport")
            .field("elapsed", &data.elapsed)
            .field("accepted", &data.accepted)
            .field("completed", &data.completed)
            .field("panicked", &data.panicked)
            .field("cancelled", &data.cancelled)
            .field("expired", &data.expired)
            .field("overrun", &data.overrun)
            .field("failed_schedules", &data.failed_schedules)
            .field("unstarted", &data.unstarted.len())
            .field("abandoned", &data.abandoned)
            .field("stopping_tasks", &data.stopping)
            .field("lingering", &data.lingering)
            .finish_non_exhaustive()
    }
}

fn headline(data: &ReportData, is_clean: bool) -> String {
    let how = if is_clean { "clean" } else { "NOT CLEAN" };
    let limit = match data.limit {
        Some(limit) => format!("deadline {}", trimmed(limit)),
        None => "no deadline".to_owned(),
    };
    let left: Vec<String> = [
        (data.abandoned.len(), "abandoned"),
        (data.unstarted.len(), "unstarted"),
        (data.stopping.len(), "stopping"),
        (data.lingering.len(), "lingering"),
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
        data.elapsed.as_secs_f64(),
        data.accepted
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

fn failed_schedule_row(failed: &FailedSchedule) -> Row {
    let runs = match failed.failures() {
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    };
    let error = failed.last_error().escape_debug();
    Row {
        name: format!("{:?}", failed.name()),
        middle: runs,
        more: cut(&format!("last error: {error}"), COLUMNS - INDENT),
        ..Row::default()
    }
}

fn abandoned_row(task: &AbandonedTask) -> Row {
    let cancel = match task.cancel_asked() {
        Some(ago) => format!("cancel requested {} ago", short(ago)),
        None => "no cancel requested".to_owned(),
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
        false => "takes no cancel token".to_owned(),
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
