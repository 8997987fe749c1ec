//! How often the database and its log are synced for an enqueue, as `strace` sees it.

use crate::database::{self, Database, Noop};
use crate::harness::figure::{Better, Figure, Series};
use groundcrew::store::JobState;
use groundcrew::store::sqlite::Durability;
use std::fs;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

pub(crate) fn enqueue(title: &'static str, quick: bool) -> Figure {
    let jobs = if quick { 200 } else { 4000 };
    let callers = [
        ("eight callers", "enqueue-eight"),
        ("one caller", "enqueue-one"),
    ];
    let series = callers.map(|(name, child)| Series {
        name,
        values: traced(child, jobs).into_iter().collect(),
    });
    let figure = Figure {
        title,
        unit: "syncs",
        better: Better::Lower,
        series: series.into(),
        notes: Vec::new(),
    };
    match figure.series.iter().all(|series| series.values.is_empty()) {
        true => figure.note("SKIPPED: strace is not installed, or may not trace.".into()),
        false => figure.note(format!("FULL, {jobs} jobs, counted by strace.")),
    }
}

/// `None` if there is no `strace`.
fn traced(what: &str, jobs: u64) -> Option<f64> {
    let database = Database::new();
    let trace = database.file().with_extension("strace");
    let mut strace = Command::new("strace");
    // The child calls `getppid` before and after, and no other code does.
    strace.args(["-f", "-qq", "-e", "trace=fsync,fdatasync,getppid", "-o"]);
    let child = database::child(what, &database.file(), jobs);
    strace
        .arg(&trace)
        .arg(child.get_program())
        .args(child.get_args());
    let status = strace.stderr(Stdio::null()).status().ok()?;
    let text = fs::read_to_string(&trace).unwrap_or_default();
    if !status.success() || text.is_empty() {
        return None;
    }
    database.check(JobState::Available, jobs);
    let between = text.split("getppid(").nth(1).unwrap_or_default();
    // What another thread interrupted ends in a line of its own, "resumed", without the parenthesis.
    let syncs = between.matches("sync(").count();
    Some(syncs as f64 / jobs as f64)
}

/// What the child does.
pub(crate) fn child(file: &Path, callers: u64, amount: u64) {
    let jobs = database::open(file, Durability::Full);
    let _ = parent_id();
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                for n in 0..amount / callers {
                    jobs.enqueue(&Noop { n }).unwrap();
                }
            });
        }
    });
    let _ = parent_id();
}
