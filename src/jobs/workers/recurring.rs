//! Recurring jobs: a part of the maintenance.

use super::core::Core;
use crate::clock;
use crate::jobs::recurring::{Declaration, Declared, declare, look};
use crate::store::{RecurringAnswer, RecurringChange, RecurringJob, StoreError, WorkerId};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How often the declarations are compared with the store.
const DECLARE: Duration = Duration::from_secs(180);
/// How often is looked for what is due, whatever was known to be next.
const POLL: Duration = Duration::from_secs(1);
/// Changes and jobs in one transaction.
const MOST: usize = 1000;

/// What one service declares.
pub(super) struct RecurringJobs<'a> {
    core: &'a Core,
    declared: HashMap<&'a str, &'a Declared>,
    /// The first lease: who started when, whatever became of the leases since.
    process: Option<WorkerId>,
    /// Those about which it was said that another process declares them otherwise.
    said: HashSet<&'a str>,
    declare: Instant,
    /// Why that failed the last time.
    undeclared: Option<StoreError>,
    look: Instant,
}

impl<'a> RecurringJobs<'a> {
    pub(super) fn new(core: &'a Core) -> RecurringJobs<'a> {
        let declared = core.setup.recurring.iter();
        let now = clock::now();
        RecurringJobs {
            core,
            declared: declared.map(|one| (one.key.as_str(), one)).collect(),
            process: None,
            said: HashSet::new(),
            declare: now,
            undeclared: None,
            look: now,
        }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Instant {
        match self.declared.is_empty() {
            true => self.declare,
            false => self.declare.min(self.look),
        }
    }

    /// Declares what this process has, and enqueues what is due; `None`: there is nothing to do yet.
    /// An error of the one does not keep the other from being done.
    pub(super) fn pass(&mut self, now: Instant) -> Option<Result<(), StoreError>> {
        if self.next() > now {
            return None;
        }
        if self.declare <= now {
            self.declare = now + POLL;
            self.process = self.process.or(self.core.lease());
            if let Some(process) = self.process {
                self.declare = now + DECLARE;
                self.undeclared = self.declare_all(process).err();
            }
        }
        let undeclared = self.undeclared.clone().map_or(Ok(()), Err);
        if self.look > now || self.declared.is_empty() {
            return Some(undeclared);
        }
        self.look = now + POLL;
        let looked = self.enqueue_due();
        if let Ok(Some(next)) = looked {
            self.look = now + next.min(POLL);
        }
        Some(looked.map(drop).and(undeclared))
    }

    /// What has failed is not tried before then.
    pub(super) fn put_off(&mut self, until: Instant) {
        match self.undeclared {
            Some(_) => self.declare = until,
            None => self.look = until,
        }
    }

    fn declare_all(&mut self, process: WorkerId) -> Result<(), StoreError> {
        let (store, owner) = (self.core.store(), self.core.name.as_str());
        let stored = match store.recurring(None, None) {
            // It is no matter where there are none.
            Err(StoreError::Unsupported { .. }) if self.declared.is_empty() => return Ok(()),
            stored => stored?,
        };
        let now = store.now()?;
        let old = stored.iter().filter(|job| job.is_forgotten(now));
        let mut changes: Vec<RecurringChange> = old.map(RecurringChange::remove).collect();
        let own = stored
            .iter()
            .filter(|job| job.owner == owner && !job.is_forgotten(now));
        let own: HashMap<&str, &RecurringJob> = own.map(|job| (job.key.as_str(), job)).collect();
        let mut touched = Vec::new();
        for (key, declared) in &self.declared {
            let stored = own.get(key).copied();
            match declare(declared, owner, stored, process, now) {
                Declaration::Stands => {}
                Declaration::Touch => touched.push(*key),
                Declaration::Change(change) => changes.push(change),
                Declaration::Yields => {
                    if self.said.insert(key) {
                        self.say_who_counts(key, stored);
                    }
                }
            }
        }
        for keys in touched.chunks(MOST) {
            store.touch_recurring(owner, keys)?;
        }
        self.change(changes)
    }

    fn say_who_counts(&self, key: &str, stored: Option<&RecurringJob>) {
        let schedule = stored.map_or("", |job| &job.schedule);
        let text = format!(
            "a process that started later declares the recurring job {key:?} otherwise \
             ({schedule}), and that counts"
        );
        self.core.log(log::Level::Warn, &text);
    }

    /// Returns how long nothing else is due.
    fn enqueue_due(&self) -> Result<Option<Duration>, StoreError> {
        let store = self.core.store();
        let due = store.due_recurring(&self.core.name)?;
        if !due.jobs.is_empty() {
            let now = store.now()?;
            let looks = due.jobs.iter().filter_map(|job| {
                let (change, missed) = look(self.declared.get(job.key.as_str())?, job, now)?;
                self.say_what_is_missed(&job.key, missed);
                Some(change)
            });
            self.change(looks.collect())?;
        }
        Ok(due.next)
    }

    fn say_what_is_missed(&self, key: &str, missed: u64) {
        if missed > 0 {
            let text = format!(
                "the recurring job {key:?} was not enqueued for {missed} instants that were \
                 missed, by its policy"
            );
            self.core.log(log::Level::Info, &text);
        }
    }

    /// Makes changes; what another process has changed meanwhile, it has done as well.
    fn change(&self, changes: Vec<RecurringChange>) -> Result<(), StoreError> {
        let mut batch: Vec<RecurringChange> = Vec::new();
        let mut jobs = 0;
        for change in changes {
            if batch.len() == MOST || jobs + change.jobs.len() > MOST {
                self.make(&batch)?;
                batch.clear();
                jobs = 0;
            }
            jobs += change.jobs.len();
            batch.push(change);
        }
        self.make(&batch)
    }

    fn make(&self, changes: &[RecurringChange]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let answers = self.core.store().change_recurring(changes)?;
        for (change, answer) in changes.iter().zip(answers) {
            let RecurringAnswer::Changed(jobs) = answer else {
                continue;
            };
            let held = jobs.iter().filter(|job| job.is_none()).count();
            if held > 0 {
                let text = format!(
                    "the recurring job {:?} was not enqueued, since another job has its unique key",
                    change.key
                );
                self.core.log(log::Level::Info, &text);
            }
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "testing", feature = "cron"))]
mod year;
