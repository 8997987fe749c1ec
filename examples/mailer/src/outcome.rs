//! What became of the mails, by the sender's account and by the server's.

use crate::server::Account;
use crate::{Attempted, Mail};
use groundcrew::retry::GiveUpReason;
use groundcrew::task::TaskInfo;
use groundcrew::{StopReport, TaskError};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Default)]
pub(crate) struct Outcome {
    sent: usize,
    /// What each of the mails failed with in the end, by the reason to give up.
    given_up: BTreeMap<String, Vec<String>>,
    not_sent: Vec<String>,
    /// Those that were under way when the stop could not wait any longer.
    unknown: Vec<String>,
}

impl Outcome {
    pub(crate) fn add(&mut self, mail: &Mail, result: Result<Attempted, TaskError>) {
        match result {
            Ok(Ok(())) => self.sent += 1,
            Ok(Err(error)) if error.gave_up() == GiveUpReason::Stopped => {
                self.unknown.push(mail.to_string());
            }
            Ok(Err(error)) => {
                let line = format!("{mail}: {} ({})", error.error(), error.attempts());
                self.give_up(error.gave_up().to_string(), line);
            }
            Err(TaskError::Unstarted) => {} // it is in the report, with its attempts
            Err(TaskError::Abandoned) => self.unknown.push(mail.to_string()),
            Err(error) => self.give_up(error.to_string(), mail.to_string()),
        }
    }

    fn give_up(&mut self, reason: String, line: String) {
        self.given_up.entry(reason).or_default().push(line);
    }

    /// The pool did not take it any more.
    pub(crate) fn add_refused(&mut self, mail: &Mail) {
        self.not_sent.push(format!("{mail}: 0 attempts"));
    }

    /// Those that the stop took out; the pool had them before it refused others.
    pub(crate) fn add_unstarted(&mut self, report: &StopReport) {
        let line = |task: &TaskInfo| match task.attempts() {
            1 => format!("{}: 1 attempt", task.name()),
            attempts => format!("{}: {attempts} attempts", task.name()),
        };
        let unstarted = report.unstarted().iter().map(line);
        self.not_sent.splice(0..0, unstarted);
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_complete(&self) -> bool {
        self.not_sent.is_empty() && self.unknown.is_empty()
    }

    /// Whether the server has what was sent, each once, and nothing else.
    pub(crate) fn agrees(&self, server: &Account) -> bool {
        let may_have = self.sent..=self.sent + self.unknown.len();
        may_have.contains(&server.acknowledged) && server.repeated == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given_up: usize = self.given_up.values().map(Vec::len).sum();
        let (not_sent, unknown) = (self.not_sent.len(), self.unknown.len());
        write!(
            f,
            "{} sent, {given_up} given up, {not_sent} not sent, {unknown} unknown",
            self.sent
        )?;
        for (reason, mails) in &self.given_up {
            list(f, &format!("given up, {reason}"), mails)?;
        }
        list(f, "not sent", &self.not_sent)?;
        list(f, "unknown, the server may have it", &self.unknown)
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, mails: &[String]) -> fmt::Result {
    if mails.is_empty() {
        return Ok(());
    }
    write!(f, "\n{what}:")?;
    mails.iter().try_for_each(|mail| write!(f, "\n  {mail}"))
}
