//! What players note for the parent, in files that outlive them: one line each, appended in one
//! piece.

use crate::act::Plan;
use groundcrew::host::JobsReport;
use groundcrew::jobs::JobContext;
use groundcrew::store::{JobId, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;

pub(crate) struct Records {
    folder: PathBuf,
    log: File,
    plans: File,
    enqueued: File,
}

const LOG: &str = "log";
const PLANS: &str = "plans";
const ENQUEUED: &str = "enqueued";
const CANCELS: &str = "cancels";
const ERRORS: &str = "errors";
const REPORTS: &str = "reports";
const COMPLAINTS: &str = "complaints";

/// What a handler did in an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    Begun,
    /// It is about to return an error, or to panic.
    Fails,
    Snoozes,
    Succeeds,
}

/// A line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) said: Said,
    pub(crate) id: i64,
    pub(crate) attempt: u32,
    pub(crate) fence: i64,
    pub(crate) pid: u32,
    pub(crate) client_id: String,
}

impl Line {
    /// The attempt: the job and its fence.
    pub(crate) fn key(&self) -> (i64, i64) {
        (self.id, self.fence)
    }
}

/// The numbers of an account that have to agree with the store, by the same names there.
pub(crate) const NUMBERS: [&str; 7] = [
    "completed",
    "failed",
    "dead",
    "cancelled",
    "snoozed",
    "given back",
    "interrupted",
];

/// The account of a player that was stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) claimed: u64,
    /// As [`NUMBERS`].
    pub(crate) numbers: [u64; NUMBERS.len()],
    pub(crate) lease_lost: u64,
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
            folder: folder.to_owned(),
            log: append(&folder.join(LOG)),
            plans: append(&folder.join(PLANS)),
            enqueued: append(&folder.join(ENQUEUED)),
        }
    }

    fn append(&self, file: &str, line: impl Display) {
        write(&append(&self.folder.join(file)), line);
    }

    pub(crate) fn note(&self, said: Said, ctx: &JobContext, client_id: &str) {
        let (id, attempt, fence) = (ctx.id(), ctx.attempt(), ctx.fence());
        let pid = process::id();
        let line = format!("{said:?} {id} {attempt} {fence} {pid} {client_id}");
        write(&self.log, line);
    }

    /// It is about to be enqueued.
    pub(crate) fn planned(&self, plan: &Plan) {
        write(&self.plans, serde_json::to_string(plan).unwrap());
    }

    /// The store has acknowledged it.
    pub(crate) fn enqueued(&self, client_id: &str, id: JobId) {
        write(&self.enqueued, format!("{client_id} {id}"));
    }

    /// It is about to be cancelled.
    pub(crate) fn cancels(&self, client_id: &str) {
        self.append(CANCELS, client_id);
    }

    /// What the store has answered.
    pub(crate) fn error(&self, error: &StoreError) {
        let kind = match error {
            StoreError::Busy { .. } => "Busy",
            StoreError::Full { .. } => "Full",
            StoreError::OutcomeUnknown { .. } => "OutcomeUnknown",
            StoreError::Unavailable { .. } => "Unavailable",
            _ => "others",
        };
        self.append(ERRORS, kind);
    }

    pub(crate) fn report(&self, report: &JobsReport) {
        let numbers = [
            report.completed(),
            report.failed(),
            report.dead(),
            report.cancelled(),
            report.snoozed(),
            report.given_back(),
            report.interrupted(),
        ];
        let open = report.unacknowledged() + report.abandoned().len() as u64;
        let sum = numbers.iter().sum::<u64>() + report.lease_lost() + open;
        if sum != report.claimed() {
            self.complain(format!("the account does not add up: {report}"));
        }
        let (pid, claimed) = (process::id(), report.claimed());
        let [a, b, c, d, e, f, g] = numbers;
        let line = format!(
            "{pid} {claimed} {a} {b} {c} {d} {e} {f} {g} {} {open}",
            report.lease_lost()
        );
        self.append(REPORTS, line);
    }

    /// Something that must not be. The parent fails with it.
    pub(crate) fn complain(&self, what: impl Display) {
        self.append(COMPLAINTS, format!("process {}: {what}", process::id()));
    }
}

/// What all players have noted.
pub(crate) struct AllRecords {
    /// In the order in which it was written.
    pub(crate) log: Vec<Line>,
    pub(crate) plans: HashMap<String, Plan>,
    /// Client ids with their jobs.
    pub(crate) enqueued: BTreeSet<(String, i64)>,
    /// The client ids of those that were to be cancelled.
    pub(crate) cancels: HashSet<String>,
    pub(crate) accounts: HashMap<u32, Account>,
    pub(crate) complaints: Vec<String>,
}

impl AllRecords {
    pub(crate) fn read(folder: &Path) -> AllRecords {
        let plans = lines(folder, PLANS).into_iter().map(|line| {
            let plan: Plan = serde_json::from_str(&line).unwrap();
            (plan.client_id.clone(), plan)
        });
        let enqueued = lines(folder, ENQUEUED).into_iter().map(|line| {
            let [client_id, id] = words(&line);
            (client_id.to_owned(), id.parse().unwrap())
        });
        AllRecords {
            log: lines(folder, LOG).iter().map(|line| read(line)).collect(),
            plans: plans.collect(),
            enqueued: enqueued.collect(),
            cancels: lines(folder, CANCELS).into_iter().collect(),
            accounts: lines(folder, REPORTS)
                .iter()
                .map(|line| account(line))
                .collect(),
            complaints: lines(folder, COMPLAINTS),
        }
    }
}

fn read(line: &str) -> Line {
    let [said, id, attempt, fence, pid, client_id] = words(line);
    let all = [Said::Begun, Said::Fails, Said::Snoozes, Said::Succeeds];
    let said = all.into_iter().find(|it| format!("{it:?}") == said);
    Line {
        said: said.unwrap(),
        id: id.parse().unwrap(),
        attempt: attempt.parse().unwrap(),
        fence: fence.parse().unwrap(),
        pid: pid.parse().unwrap(),
        client_id: client_id.to_owned(),
    }
}

fn account(line: &str) -> (u32, Account) {
    let [pid, claimed, a, b, c, d, e, f, g, lease_lost, open] = words(line);
    let account = Account {
        claimed: claimed.parse().unwrap(),
        numbers: [a, b, c, d, e, f, g].map(|number| number.parse().unwrap()),
        lease_lost: lease_lost.parse().unwrap(),
        open: open.parse().unwrap(),
    };
    (pid.parse().unwrap(), account)
}

/// How often the store has answered with each kind of error so far.
pub(crate) fn errors(folder: &Path) -> BTreeMap<String, u32> {
    let mut errors = BTreeMap::new();
    for kind in lines(folder, ERRORS) {
        *errors.entry(kind).or_default() += 1;
    }
    errors
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
