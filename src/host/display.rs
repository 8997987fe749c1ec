//! How a host's report looks.

use super::ending::{AbandonedService, ServiceOutcome, ServiceReport, ServiceThread};
use super::failure::ServiceFailure;
use super::queue::QueueStats;
use super::report::HostReport;
use crate::table::{COLUMNS, INDENT, cut, short, trimmed};
use std::fmt;
use std::time::Duration;

/// The number of services listed that ended well, and of failures.
const LINES_OF_A_KIND: usize = 20;

impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts();
        write!(f, "{}", headline(self))?;
        line(f, "why", &facts.reason.to_string())?;
        line(f, "phases", &phases(self))?;
        // What went wrong comes first.
        for kind in KINDS {
            let services = facts.services.iter();
            let rows = services.filter(|service| kind_of(service.ending()) == kind);
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
        for name in &facts.lingering {
            line(
                f,
                "lingering",
                &format!("{name:?}  has ended, but its thread has not"),
            )?;
        }
        for pool in self.pools() {
            let name = cut(&format!("{:?}", pool.pool()), 40);
            write!(f, "\n  pool {name}: ")?;
            write!(f, "{}", pool.to_string().replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts();
        f.debug_struct("HostReport")
            .field("host", &facts.host)
            .field("reason", &facts.reason)
            .field("services", &facts.services)
            .field("failures", &facts.failures)
            .field("lingering", &facts.lingering)
            .field("pools", &self.pools())
            .finish_non_exhaustive()
    }
}

const KINDS: [&str; 7] = [
    "failed",
    "panicked",
    "abandoned",
    "caller",
    "not started",
    "stopped",
    "returned",
];

fn kind_of(ending: &ServiceOutcome) -> &'static str {
    match ending {
        ServiceOutcome::Failed(_) => KINDS[0],
        ServiceOutcome::Panicked(_) => KINDS[1],
        ServiceOutcome::Abandoned(_) => KINDS[2],
        ServiceOutcome::Caller => KINDS[3],
        ServiceOutcome::NotStarted => KINDS[4],
        ServiceOutcome::Stopped => KINDS[5],
        ServiceOutcome::Returned => KINDS[6],
    }
}

fn headline(report: &HostReport) -> String {
    let facts = report.facts();
    let how = if report.is_clean() {
        "clean"
    } else {
        "NOT CLEAN"
    };
    let limit = match facts.limit {
        Duration::MAX => "no deadline".to_owned(),
        limit => format!("deadline {}", trimmed(limit)),
    };
    let sum = |count: fn(&QueueStats) -> u64| -> u64 {
        let queues = facts.services.iter();
        queues.filter_map(|it| it.queue.as_ref()).map(count).sum()
    };
    let items = [
        (sum(QueueStats::unprocessed), "unprocessed"),
        (sum(QueueStats::failed_left), "failed"),
    ];
    let counts = [
        (
            report.count(|ending| matches!(ending, ServiceOutcome::Failed(_))),
            "failed",
        ),
        (
            report.count(|ending| matches!(ending, ServiceOutcome::Panicked(_))),
            "panicked",
        ),
        (
            report.count(|ending| matches!(ending, ServiceOutcome::Abandoned(_))),
            "abandoned",
        ),
        (facts.lingering.len(), "lingering"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let bad: Vec<String> = counts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let of = match bad.is_empty() {
        true => String::new(),
        false => format!("{} of ", bad.join(", ")),
    };
    let services = match facts.services.len() {
        1 => "1 service".to_owned(),
        count => format!("{count} services"),
    };
    let items: String = items
        .iter()
        .map(|(count, what)| match count {
            0 => String::new(),
            1 => format!(", 1 item {what}"),
            _ => format!(", {count} items {what}"),
        })
        .collect();
    format!(
        "host {}: {how} after {:.3} s ({limit}): {of}{services}{items}",
        cut(&facts.host, 30),
        (facts.delay + facts.stop).as_secs_f64(),
    )
}

fn phases(report: &HostReport) -> String {
    let facts = report.facts();
    let start = match facts.start {
        Some(start) => format!("start {:.3} s   ", start.as_secs_f64()),
        None => "never started   ".to_owned(),
    };
    let ran = match facts.ran {
        Some(ran) => format!("ran {}   ", short(ran)),
        None => String::new(),
    };
    let (delay, stop) = (facts.delay.as_secs_f64(), facts.stop.as_secs_f64());
    format!("{start}{ran}delay {delay:.3} s   stop {stop:.3} s")
}

/// Those that are not the ending of a service.
fn other_failures(report: &HostReport) -> impl Iterator<Item = &ServiceFailure> {
    let facts = report.facts();
    let is_ending = |failure: &ServiceFailure| {
        facts.services.iter().any(|service| match service.ending() {
            ServiceOutcome::Failed(ending) | ServiceOutcome::Panicked(ending) => ending.is(failure),
            _ => false,
        })
    };
    facts
        .failures
        .iter()
        .filter(move |failure| !is_ending(failure))
}

fn row(f: &mut fmt::Formatter<'_>, kind: &str, service: &ServiceReport) -> fmt::Result {
    let mut parts = vec![format!("{:?}", service.name())];
    match service.ending() {
        ServiceOutcome::Failed(failure) | ServiceOutcome::Panicked(failure) => {
            let message = failure.message().escape_debug();
            parts.push(format!("{}: {message}", failure.during()));
        }
        ServiceOutcome::Abandoned(abandoned) => parts.extend(abandoned_parts(abandoned)),
        ServiceOutcome::NotStarted => {}
        ServiceOutcome::Stopped | ServiceOutcome::Returned | ServiceOutcome::Caller => {
            let took = service.stop_took();
            parts.extend(took.map(|took| format!("after {:.3} s", took.as_secs_f64())));
        }
    }
    if service.restarts() > 0 {
        parts.push(format!("restarts {}", service.restarts()));
    }
    if let Some(queue) = service.queue() {
        parts.push(format!(
            "handled {}  failed {}  panicked {}  unprocessed {}",
            queue.handled(),
            queue.failed(),
            queue.panicked(),
            queue.unprocessed()
        ));
        if queue.in_progress() > 0 {
            parts.push(format!("in hand {}", queue.in_progress()));
        }
    }
    line(f, kind, &parts.join("  "))?;
    if let ServiceOutcome::Abandoned(abandoned) = service.ending() {
        for thread in abandoned.threads() {
            thread_line(f, thread)?;
        }
    }
    Ok(())
}

fn abandoned_parts(abandoned: &AbandonedService) -> Vec<String> {
    let told = match abandoned.stop_requested_for() {
        Some(told) => format!("told to stop {} ago", short(told)),
        None => "not told to stop".to_owned(),
    };
    let age = abandoned.heartbeat_age();
    let beat = age.map(|age| format!("last heartbeat {} ago", short(age)));
    [Some(told), beat].into_iter().flatten().collect()
}

fn thread_line(f: &mut fmt::Formatter<'_>, thread: &ServiceThread) -> fmt::Result {
    let state = match (thread.thread_id(), thread.thread_state()) {
        (Some(id), Some(state)) => format!("thread {id}: {state}"),
        _ => String::new(),
    };
    let name = cut(&thread.name().escape_debug().to_string(), 24);
    let note = match thread.note() {
        Some(note) => {
            let room = COLUMNS.saturating_sub(INDENT + name.len() + state.len() + 6);
            cut(&format!("last note: {note:?}"), room)
        }
        None => String::new(),
    };
    let parts = [name, note, state]
        .into_iter()
        .filter(|part| !part.is_empty());
    line(f, "", &parts.collect::<Vec<_>>().join("   "))
}

/// Text of one kind, on as many lines as it needs, so that no error is cut off.
fn line(f: &mut fmt::Formatter<'_>, kind: &str, text: &str) -> fmt::Result {
    let shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut rest = shown.as_str();
    let mut kind = kind;
    for _ in 0..MOST_LINES {
        let (now, later) = break_line(rest, COLUMNS - INDENT);
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
