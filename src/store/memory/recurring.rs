//! The recurring jobs.

use super::model::Model;
use crate::store::{DueRecurring, JobId, JobSpec, RecurringAnswer, RecurringChange, RecurringJob};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// By owner and key.
pub(super) type RecurringJobs = BTreeMap<(String, String), RecurringJob>;

impl Model {
    pub(super) fn recurring(&self, owner: Option<&str>, key: Option<&str>) -> Vec<RecurringJob> {
        let fits = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
        let all = self.recurring.values();
        let fitting = all.filter(|job| fits(owner, &job.owner) && fits(key, &job.key));
        fitting.cloned().collect()
    }

    pub(super) fn due_recurring(&self, owner: &str, now: SystemTime) -> DueRecurring {
        let waiting = |job: &&RecurringJob| job.owner == owner && job.paused_at.is_none();
        let (mut jobs, mut next) = (Vec::new(), None);
        for job in self.recurring.values().filter(waiting) {
            match job.next {
                Some(_) if job.is_due(now) => jobs.push(job.clone()),
                Some(at) => next = Some(next.map_or(at, |next: SystemTime| next.min(at))),
                None => {}
            }
        }
        // They are in the order of their keys.
        jobs.sort_by_key(|job| job.next);
        DueRecurring {
            jobs,
            next: next.map(|at| at.duration_since(now).unwrap_or_default()),
        }
    }

    /// Returns also whether a job was enqueued.
    pub(super) fn change_recurring(
        &mut self,
        changes: &[RecurringChange],
        now: SystemTime,
    ) -> (Vec<RecurringAnswer>, bool) {
        let mut has_news = false;
        let answers = changes.iter().map(|change| {
            let name = (change.owner.clone(), change.key.clone());
            let found = self.recurring.get(&name).map(|job| job.revision);
            if found != change.seen {
                return RecurringAnswer::Outdated;
            }
            let jobs = change
                .jobs
                .iter()
                .map(|job| self.enqueue_unless_held(job, now));
            let jobs: Vec<Option<JobId>> = jobs.collect();
            let last_job = jobs.iter().rev().find_map(|job| *job);
            has_news |= last_job.is_some();
            match &change.to {
                None => drop(self.recurring.remove(&name)),
                Some(to) => {
                    let job = RecurringJob {
                        owner: name.0.clone(),
                        key: name.1.clone(),
                        last_job: last_job.or(to.last_job),
                        revision: self.next_fence().get(),
                        ..to.clone()
                    };
                    self.recurring.insert(name, job);
                }
            }
            RecurringAnswer::Changed(jobs)
        });
        (answers.collect(), has_news)
    }

    /// `None` if another job has its unique key.
    fn enqueue_unless_held(&mut self, job: &JobSpec, now: SystemTime) -> Option<JobId> {
        let enqueued = self.enqueue(vec![job.clone()], now);
        enqueued
            .ok()
            .and_then(|enqueued| Some(enqueued.first()?.id))
    }

    pub(super) fn touch_recurring(&mut self, owner: &str, keys: &[&str], now: SystemTime) {
        for key in keys {
            let revision = self.next_fence().get();
            let name = (owner.to_owned(), (*key).to_owned());
            if let Some(job) = self.recurring.get_mut(&name) {
                job.declared_at = now;
                job.revision = revision;
            }
        }
    }
}
