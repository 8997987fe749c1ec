//! What players note for the parent, in files that outlive them: one line each, appended in one
//! piece.

use groundcrew::host::JobsReport;
use groundcrew::jobs::JobContext;
use groundcrew::store::JobId;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;

pub(crate) struct Records {
    log: File,
    enqueued: File,
    reports: PathBuf,
    complaints: PathBuf,
}

const LOG: &str = "log";
const ENQUEUED: &str = "enqueued";
const REPORTS: &str = "reports";
const COMPLAINTS: &str = "complaints";

/// What a handler did in an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    Begun,
    Snoozes,
    Succeeds,
}

/// A line of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) said: Said,
    pub(crate) id: i64,
    pub(crate) attempt: u32,
    pub(crate) fence: i64,
    pub(crate) pid: u32,
}

/// The account of a player that was stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) pid: u32,
    pub(crate) completed: u64,
    /// Those whose ends the store has not confirmed, or that still ran.
    pub(crate) open: u64,
}

fn append(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.append(true).create(true).open(path).unwrap()
}

fn write(mut file: &File, line: impl Display) {
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

impl Records {
    pub(crate) fn open(folder: &Path) -> Records {
        Records {
            log: append(&folder.join(LOG)),
            enqueued: append(&folder.join(ENQUEUED)),
            reports: folder.join(REPORTS),
            complaints: folder.join(COMPLAINTS),
        }
    }

    fn note(&self, said: &str, ctx: &JobContext) {
        let (id, attempt, fence) = (ctx.id(), ctx.attempt(), ctx.fence());
        let pid = process::id();
        write(&self.log, format!("{said} {id} {attempt} {fence} {pid}"));
    }

    pub(crate) fn begun(&self, ctx: &JobContext) {
        self.note("begun", ctx);
    }

    pub(crate) fn snoozes(&self, ctx: &JobContext) {
        self.note("snoozes", ctx);
    }

    pub(crate) fn succeeds(&self, ctx: &JobContext) {
        self.note("succeeds", ctx);
    }

    /// The store has acknowledged it.
    pub(crate) fn enqueued(&self, client_id: &str, id: JobId) {
        write(&self.enqueued, format!("{client_id} {id}"));
    }

    pub(crate) fn report(&self, report: &JobsReport) {
        let sum = report.completed()
            + report.failed()
            + report.dead()
            + report.cancelled()
            + report.snoozed()
            + report.given_back()
            + report.interrupted()
            + report.lease_lost()
            + report.unacknowledged()
            + report.abandoned().len() as u64;
        if sum != report.claimed() {
            self.complain(format!("the account does not add up: {report}"));
        }
        let open = report.unacknowledged() + report.abandoned().len() as u64;
        let line = format!("{} {} {open}", process::id(), report.completed());
        write(&append(&self.reports), line);
    }

    /// Something that must not be. The parent fails with it.
    pub(crate) fn complain(&self, what: impl Display) {
        let line = format!("process {}: {what}", process::id());
        write(&append(&self.complaints), line);
    }
}

/// What all players have noted.
pub(crate) struct AllRecords {
    pub(crate) log: Vec<Line>,
    /// Client ids with their jobs.
    pub(crate) enqueued: Vec<(String, i64)>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) complaints: Vec<String>,
}

impl AllRecords {
    pub(crate) fn read(folder: &Path) -> AllRecords {
        let log = lines(folder, LOG).into_iter().map(|line| {
            let [said, id, attempt, fence, pid] = words(&line);
            Line {
                said: match said {
                    "begun" => Said::Begun,
                    "snoozes" => Said::Snoozes,
                    _ => Said::Succeeds,
                },
                id: id.parse().unwrap(),
                attempt: attempt.parse().unwrap(),
                fence: fence.parse().unwrap(),
                pid: pid.parse().unwrap(),
            }
        });
        let enqueued = lines(folder, ENQUEUED).into_iter().map(|line| {
            let [client_id, id] = words(&line);
            (client_id.to_owned(), id.parse().unwrap())
        });
        let accounts = lines(folder, REPORTS).into_iter().map(|line| {
            let [pid, completed, open] = words(&line);
            Account {
                pid: pid.parse().unwrap(),
                completed: completed.parse().unwrap(),
                open: open.parse().unwrap(),
            }
        });
        AllRecords {
            log: log.collect(),
            enqueued: enqueued.collect(),
            accounts: accounts.collect(),
            complaints: lines(folder, COMPLAINTS),
        }
    }
}

/// None if nothing was noted.
fn lines(folder: &Path, file: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn words<const N: usize>(line: &str) -> [&str; N] {
    let words: Vec<&str> = line.split(' ').collect();
    words.try_into().unwrap_or_else(|_| panic!("{line}"))
}
