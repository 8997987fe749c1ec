//! How a host's report looks.

use super::abandoned::{AbandonedService, ServiceThread};
use super::host_report::HostReport;
use super::service_report::{ServiceOutcome, ServiceReport};
use crate::host::failure::ServiceFailure;
use crate::host::items::{BatchStats, ItemStats, LeftItems, QueueStats};
use crate::stop::StopReport;
use crate::table::{INDENT, columns, cut, escaped, quoted, short, trimmed, width};
use std::fmt;
use std::time::Duration;

/// The number of services listed that ended well, and of failures.
const LINES_OF_A_KIND: usize = 20;

impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data();
        let columns = columns(f);
        write!(f, "{}", headline(self, columns))?;
        line(f, "why", &data.reason.to_string())?;
        line(f, "phases", &phases(self))?;
        // What went wrong comes first.
        for kind in KINDS {
            let services = data.services.iter();
            let rows = services.filter(|service| kind_of(service.outcome()) == kind);
            let rows: Vec<&ServiceReport> = rows.collect();
            for service in rows.iter().take(LINES_OF_A_KIND) {
                row(f, kind, service)?;
            }
            more(f, rows.len(), kind)?;
        }
        let others: Vec<&ServiceFailure> = other_failures(self).collect();
        for failure in others.iter().take(LINES_OF_A_KIND) {
            line(f, "also", &failure.to_string())?;
        }
        more(f, others.len(), "failures")?;
        for name in &data.lingering {
            let name = quoted(name);
            line(
                f,
                "lingering",
                &format!("{name}  has ended, but its thread has not"),
            )?;
        }
        for pool in self.pools() {
            let name = cut_in(columns, &quoted(pool.pool()), 40);
            write!(f, "\n  pool {name}: ")?;
            let report = match f.width() {
                None => pool.to_string(),
                Some(columns) => format!("{pool:0$}", columns.saturating_sub(2)),
            };
            write!(f, "{}", report.replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data();
        f.debug_struct("HostReport")
            .field("host", &data.host)
            .field("reason", &data.reason)
            .field("services", &data.services)
            .field("failures", &data.failures)
            .field("lingering", &data.lingering)
            .field("pools", &self.pools())
            .finish_non_exhaustive()
    }
}

const KINDS: [&str; 7] = [
    "failed",
    "panicked",
    "abandoned",
    "stopping",
    "not started",
    "stopped",
    "returned",
];

fn kind_of(ending: &ServiceOutcome) -> &'static str {
    match ending {
        ServiceOutcome::Failed(_) => KINDS[0],
        ServiceOutcome::Panicked(_) => KINDS[1],
        ServiceOutcome::Abandoned(_) => KINDS[2],
        ServiceOutcome::Stopping => KINDS[3],
        ServiceOutcome::NotStarted => KINDS[4],
        ServiceOutcome::Stopped => KINDS[5],
        ServiceOutcome::Returned => KINDS[6],
    }
}

/// What is cut where there are columns to keep to.
fn cut_in(columns: usize, text: &str, room: usize) -> String {
    match columns {
        usize::MAX => text.to_owned(),
        _ => cut(text, room),
    }
}

fn headline(report: &HostReport, columns: usize) -> String {
    let data = report.data();
    let how = match report.is_clean() {
        true => "clean",
        false => "NOT CLEAN",
    };
    let limit = match data.limit {
        Duration::MAX => "no deadline".to_owned(),
        limit => format!("deadline {}", trimmed(limit)),
    };
    format!(
        "host {}: {how} after {:.3} s ({limit}): {}{}{}{}",
        cut_in(columns, &escaped(&data.host), 30),
        (data.delay + data.stop).as_secs_f64(),
        bad_services(report),
        counted(data.services.len(), "service"),
        left_items(report),
        left_tasks(report),
    )
}

/// `1 failed, 2 abandoned of `, or nothing.
fn bad_services(report: &HostReport) -> String {
    let count = |is_so: fn(&ServiceOutcome) -> bool| report.count(is_so);
    let counts = [
        (
            count(|it| matches!(it, ServiceOutcome::Failed(_))),
            "failed",
        ),
        (
            count(|it| matches!(it, ServiceOutcome::Panicked(_))),
            "panicked",
        ),
        (
            count(|it| matches!(it, ServiceOutcome::Abandoned(_))),
            "abandoned",
        ),
        (report.data().lingering.len(), "lingering"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let bad: Vec<String> = counts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match bad.is_empty() {
        true => String::new(),
        false => format!("{} of ", bad.join(", ")),
    }
}

/// `, 2 items unstarted, 1 item failed`, or nothing.
fn left_items(report: &HostReport) -> String {
    let services = &report.data().services;
    let sum = |count: fn(&LeftItems) -> u64| -> u64 {
        let items = services.iter().filter_map(|it| it.items.as_ref());
        items.map(count).sum()
    };
    let counts = [
        (sum(|items| items.unstarted), "unstarted"),
        (sum(|items| items.failed), "failed"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    counts
        .map(|(count, what)| format!(", {} {what}", counted(*count as usize, "item")))
        .collect()
}

/// `, 2 tasks abandoned, 1 task unstarted`, or nothing: of the pools.
fn left_tasks(report: &HostReport) -> String {
    let pools = report.pools().iter();
    let left = pools.map(StopReport::left_behind);
    let (unstarted, abandoned) = left.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let counts = [(abandoned, "abandoned"), (unstarted, "unstarted")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    counts
        .map(|(count, what)| format!(", {} {what}", counted(*count, "task")))
        .collect()
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn phases(report: &HostReport) -> String {
    let data = report.data();
    let start = match data.start {
        Some(start) => format!("start {:.3} s   ", start.as_secs_f64()),
        None => "never started   ".to_owned(),
    };
    let ran = match data.ran {
        Some(ran) => format!("ran {}   ", short(ran)),
        None => String::new(),
    };
    let (delay, stop) = (data.delay.as_secs_f64(), data.stop.as_secs_f64());
    format!("{start}{ran}delay {delay:.3} s   stop {stop:.3} s")
}

/// Those that are not the ending of a service.
fn other_failures(report: &HostReport) -> impl Iterator<Item = &ServiceFailure> {
    let data = report.data();
    let is_ending = |failure: &ServiceFailure| {
        data.services.iter().any(|service| match service.outcome() {
            ServiceOutcome::Failed(ending) | ServiceOutcome::Panicked(ending) => ending.is(failure),
            _ => false,
        })
    };
    data.failures
        .iter()
        .filter(move |failure| !is_ending(failure))
}

fn row(f: &mut fmt::Formatter<'_>, kind: &str, service: &ServiceReport) -> fmt::Result {
    let mut parts = vec![quoted(service.name())];
    match service.outcome() {
        ServiceOutcome::Failed(failure) | ServiceOutcome::Panicked(failure) => {
            parts.push(format!("{}: {}", failure.failed_in(), failure.message()));
        }
        ServiceOutcome::Abandoned(abandoned) => parts.extend(abandoned_parts(abandoned)),
        ServiceOutcome::NotStarted => {}
        ServiceOutcome::Stopped | ServiceOutcome::Returned | ServiceOutcome::Stopping => {
            let took = service.stop_took();
            parts.extend(took.map(|took| format!("after {:.3} s", took.as_secs_f64())));
        }
    }
    if service.restarts() > 0 {
        parts.push(format!("restarts {}", service.restarts()));
    }
    parts.extend(service.stats().map(items));
    line(f, kind, &parts.join("  "))?;
    if let ServiceOutcome::Abandoned(abandoned) = service.outcome() {
        for thread in abandoned.threads() {
            thread_line(f, thread)?;
        }
    }
    Ok(())
}

fn items(stats: &ItemStats) -> String {
    let (mut text, in_progress) = match stats {
        ItemStats::Queue(stats) => (queue(stats), stats.in_progress()),
        ItemStats::Batch(stats) => (batch(stats), stats.in_progress()),
        #[cfg(feature = "jobs")]
        ItemStats::Jobs(report) => (report.to_string(), 0),
    };
    if in_progress > 0 {
        text.push_str(&format!("  in progress {in_progress}"));
    }
    text
}

fn queue(stats: &QueueStats) -> String {
    format!(
        "handled {}  failed {}  panicked {}  unstarted {}",
        stats.handled(),
        stats.failed(),
        stats.panicked(),
        stats.unstarted()
    )
}

fn batch(stats: &BatchStats) -> String {
    format!(
        "handled {}  dead {}  unstarted {}",
        stats.handled(),
        stats.dead(),
        stats.unstarted()
    )
}

fn abandoned_parts(abandoned: &AbandonedService) -> Vec<String> {
    let stop = match abandoned.stop_requested_for() {
        Some(since) => format!("stop requested {} ago", short(since)),
        None => "stop not requested".to_owned(),
    };
    let age = abandoned.heartbeat_age();
    let heartbeat = age.map(|age| format!("last heartbeat {} ago", short(age)));
    [Some(stop), heartbeat].into_iter().flatten().collect()
}

fn thread_line(f: &mut fmt::Formatter<'_>, thread: &ServiceThread) -> fmt::Result {
    let state = match (thread.thread_id(), thread.thread_state()) {
        (Some(id), Some(state)) => format!("thread {id}: {state}"),
        _ => String::new(),
    };
    let columns = columns(f);
    let name = cut_in(columns, &escaped(thread.name()), 24);
    let note = match thread.note() {
        Some(note) => {
            let room = columns.saturating_sub(INDENT + width(&name) + width(&state) + 6);
            cut(&format!("last note: {}", quoted(note)), room)
        }
        None => String::new(),
    };
    let parts = [name, note, state]
        .into_iter()
        .filter(|part| !part.is_empty());
    line(f, "", &parts.collect::<Vec<_>>().join("   "))
}

/// Text of one kind, on one line, or on as many as it needs where there are columns to keep to,
/// so that no error is cut off.
fn line(f: &mut fmt::Formatter<'_>, kind: &str, text: &str) -> fmt::Result {
    let shown = escaped(text);
    let room = columns(f).saturating_sub(INDENT).max(1);
    let mut rest = shown.as_str();
    let mut kind = kind;
    for _ in 0..MOST_LINES {
        let (now, later) = break_line(rest, room);
        write!(f, "\n  {kind:<9}  {now}")?;
        if later.is_empty() {
            return Ok(());
        }
        (kind, rest) = ("", later);
    }
    write!(f, "\n{:INDENT$}…", "")
}

/// The number of lines shown of one error.
const MOST_LINES: usize = 12;

/// What of `text` has room on a line, broken at a space if there is a good one, and
/// the rest.
fn break_line(text: &str, room: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(room) else {
        return (text, "");
    };
    match text[..end].rfind(' ') {
        Some(space) if space > end / 2 => (&text[..space], text[space..].trim_start()),
        _ => text.split_at(end),
    }
}

fn more(f: &mut fmt::Formatter<'_>, count: usize, kind: &str) -> fmt::Result {
    match count.saturating_sub(LINES_OF_A_KIND) {
        0 => Ok(()),
        more => write!(f, "\n  ... and {more} more {kind}"),
    }
}
