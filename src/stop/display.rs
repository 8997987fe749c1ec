//! The text of a report.

use super::abandoned::AbandonedTask;
use super::lingering::LingeringWorker;
use super::report::{ReportData, StopReport};
use crate::queue::FailedSchedule;
use crate::table::{
    GAP, INDENT, Row, columns, cut, escaped, quoted, section, short, trimmed, width,
};
use crate::task::TaskInfo;
use std::collections::HashMap;
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
        let columns = columns(f);
        let failed = data.failed_schedules.iter();
        let rows = failed.map(|failed| failed_schedule_row(failed, columns));
        section(f, "schedule", rows.len(), rows)?;
        let rows = data.abandoned.iter();
        let rows = rows.map(|task| abandoned_row(task, columns));
        section(f, "abandoned", rows.len(), rows)?;
        let unstarted = self.unstarted();
        let rows = alike(unstarted).into_iter();
        let rows = rows.map(|(info, count)| unstarted_row(info, count));
        section(f, "unstarted", unstarted.len(), rows)?;
        let rows = data.stopping.iter();
        let rows = rows.map(|info| task_row(info, "inside stop"));
        section(f, "stopping", rows.len(), rows)?;
        let rows = data.lingering.iter().map(lingering_row);
        section(f, "lingering", rows.len(), rows)
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
            true => quoted(info.name()),
            false => escaped(info.name()),
        },
        middle: middle.to_owned(),
        place: info.submitted_at().to_string(),
        ..Row::default()
    }
}

/// The tasks that differ in more than their ids, each with the number of those that are like it:
/// a backlog is often one closure, submitted in one place. In the order of their first ones.
fn alike(tasks: &[TaskInfo]) -> Vec<(&TaskInfo, usize)> {
    let mut places = HashMap::new();
    let mut groups: Vec<(&TaskInfo, usize)> = Vec::new();
    for task in tasks {
        let key = (
            task.name(),
            task.is_named(),
            task.submitted_at(),
            task.attempts(),
        );
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => groups.push((task, 1)),
        }
    }
    groups
}

fn unstarted_row(info: &TaskInfo, count: usize) -> Row {
    let attempts = match info.attempts() {
        0 => String::new(),
        1 => "1 attempt failed".to_owned(),
        attempts => format!("{attempts} attempts failed"),
    };
    let mut row = task_row(info, &attempts);
    if count > 1 {
        row.id = format!("{count} x");
        row.alike = count - 1;
    }
    row
}

fn failed_schedule_row(failed: &FailedSchedule, columns: usize) -> Row {
    let runs = match failed.failures() {
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    };
    let error = format!("last error: {}", escaped(failed.last_error()));
    Row {
        name: quoted(failed.name()),
        middle: runs,
        more: cut(&error, columns.saturating_sub(INDENT)),
        ..Row::default()
    }
}

fn abandoned_row(task: &AbandonedTask, columns: usize) -> Row {
    let cancel = match task.cancel_requested_for() {
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
        Some(note) => format!("last note: {}", quoted(note)),
        None => String::new(),
    };
    let facts = [thread, token].into_iter().filter(|fact| !fact.is_empty());
    let facts = facts.collect::<Vec<_>>().join("   ");
    let room = columns.saturating_sub(INDENT + "   ".len());
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
        place: thread(worker.thread_id(), worker.thread_state()),
        ..Row::default()
    }
}

/// It was cut to what a thread can show, but what is escaped in it takes more
/// columns than that.
fn worker_name(name: &str) -> String {
    cut(&escaped(name), 15)
}

fn thread(id: Option<u64>, state: Option<&str>) -> String {
    match (id, state) {
        (Some(id), Some(state)) => format!("thread {id}: {state}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
