//! The verbs of the store, on what it holds. Each happens at `now`.

use super::recurring::RecurringJobs;
use super::table::{Removal, Table};
use super::workers::Workers;
use crate::store::row::Row;
use crate::store::{
    Answer, AttemptId, Beat, Begun, CancelOutcome, Candidate, Claim, ClaimRequest, ClaimedJob,
    Enqueued, Fence, Finish, HeldJob, JobId, JobSpec, JobState, KindRequest, LostJob, Outcome,
    Picker, Promoted, StoreError, Swept, TakenOver, WorkerId,
};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

#[derive(Default)]
pub(super) struct Model {
    pub(super) table: Table,
    pub(super) workers: Workers,
    pub(super) recurring: RecurringJobs,
    /// Since when.
    pub(super) paused: BTreeMap<String, SystemTime>,
    last_fence: u64,
}

/// What becomes of a job of one call of `enqueue`.
enum Entry {
    New,
    Known(JobId),
    /// Its client id is that of an earlier one of the call.
    Same(usize),
}

impl Model {
    pub(super) fn enqueue(
        &mut self,
        jobs: Vec<JobSpec>,
        now: SystemTime,
    ) -> Result<Vec<Enqueued>, StoreError> {
        let entries = self.entries(&jobs)?;
        let mut enqueued: Vec<Enqueued> = Vec::with_capacity(jobs.len());
        for (job, entry) in jobs.into_iter().zip(entries) {
            let known = |id| Enqueued { id, is_new: false };
            let one = match entry {
                Entry::New => self.table.insert(job, now),
                Entry::Known(id) => known(id),
                Entry::Same(index) => known(enqueued[index].id),
            };
            enqueued.push(one);
        }
        Ok(enqueued)
    }

    /// Decides over all before one is put in.
    fn entries(&self, jobs: &[JobSpec]) -> Result<Vec<Entry>, StoreError> {
        let mut client_ids: HashMap<&str, usize> = HashMap::new();
        let mut unique_keys: HashMap<&str, usize> = HashMap::new();
        let mut entries = Vec::with_capacity(jobs.len());
        for (index, job) in jobs.iter().enumerate() {
            if let Some(client_id) = &job.client_id {
                if let Some(id) = self.table.with_client_id(client_id) {
                    entries.push(Entry::Known(id));
                    continue;
                }
                let first = *client_ids.entry(client_id).or_insert(index);
                if first != index {
                    entries.push(Entry::Same(first));
                    continue;
                }
            }
            if let Some(key) = &job.unique_key {
                let holder = self.table.with_unique_key(key);
                if holder.is_some() || unique_keys.insert(key, index).is_some() {
                    let key = key.clone();
                    return Err(StoreError::UniqueKeyHeld { key, holder });
                }
            }
            for parent in &job.after {
                let state = self.table.get(*parent).map(|row| row.job.info.state);
                if state.is_none_or(|state| state == JobState::Cancelled) {
                    let parent = *parent;
                    return Err(StoreError::CannotFollow { parent, state });
                }
            }
            entries.push(Entry::New);
        }
        Ok(entries)
    }

    pub(super) fn claim(
        &mut self,
        request: &ClaimRequest<'_>,
        now: SystemTime,
    ) -> Result<Claim, StoreError> {
        self.workers.check(request.worker)?;
        let mut picker = Picker::new(request);
        let mut picked = Vec::new();
        for queue in request.queues {
            if self.paused.contains_key(*queue) {
                continue;
            }
            let candidates = self.candidates(queue, request.kinds, &mut picker, now);
            picked.extend(picker.pick(candidates));
        }
        // What has expired may have left a place.
        let has_more = self.settle(now) || picker.has_more();
        if picked.is_empty() {
            return Ok(Claim {
                has_more,
                ..Claim::default()
            });
        }
        let fence = self.next_fence();
        let mut jobs = Vec::with_capacity(picked.len());
        for id in picked {
            self.table.change(id, |row| {
                let kind = &row.job.info.kind;
                let request_of_kind = request.kinds.iter().find(|other| other.kind == kind);
                let max_attempts = request_of_kind.map_or(1, |kind| kind.max_attempts);
                row.begin(request.worker, fence, max_attempts, now);
                jobs.push(claimed(row, fence));
            });
        }
        Ok(Claim {
            jobs,
            has_more,
            unreadable: Vec::new(),
        })
    }

    /// Of each lane of the queue the jobs for which the picker has room, the first in order. What
    /// has expired is cancelled on the way.
    fn candidates(
        &mut self,
        queue: &str,
        kinds: &[KindRequest<'_>],
        picker: &mut Picker,
        now: SystemTime,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let mut expired = Vec::new();
        for kind in kinds {
            let mut room = picker.room();
            for row in self.table.available(queue, kind.kind) {
                if room == 0 {
                    break;
                }
                let info = &row.job.info;
                if row.has_expired(now) {
                    if !picker.discard() {
                        break;
                    }
                    expired.push(info.id);
                    continue;
                }
                room -= 1;
                candidates.push(Candidate {
                    id: info.id,
                    priority: info.priority,
                    due: info.due,
                    is_lost: info.lost > 0,
                    expected: kind.expected,
                });
            }
        }
        for id in expired {
            self.table.change(id, |row| row.expire(now));
        }
        candidates
    }

    pub(super) fn next_fence(&mut self) -> Fence {
        self.last_fence += 1;
        Fence::new(self.last_fence)
    }

    /// Returns also whether a job is available or scheduled that was not.
    pub(super) fn finish(&mut self, ends: &[Finish], now: SystemTime) -> (Vec<Answer>, bool) {
        let mut has_returned = false;
        let mut finish = |end: &Finish| {
            let id = end.attempt.job;
            let Some(row) = self.table.get(id) else {
                return Answer::Lost;
            };
            if row.job.info.fence != Some(end.attempt.fence) {
                return Answer::Lost;
            }
            // One that does not run and still has this fence has ended by this attempt before: a
            // takeover would have raised the fence.
            let worker = row.job.info.worker;
            if row.job.info.state == JobState::Running {
                self.table.change(id, |row| row.finish(&end.outcome, now));
            }
            let state = self.state(id);
            if let Some(worker) = worker.filter(|_| state != JobState::Running) {
                self.workers.ended(worker, end.attempt);
            }
            has_returned |= matches!(state, JobState::Available | JobState::Scheduled);
            Answer::Accepted(state)
        };
        let mut answers: Vec<Answer> = ends.iter().map(&mut finish).collect();
        has_returned |= self.settle(now);
        // Some may have got a place, or lost it.
        for (end, answer) in ends.iter().zip(&mut answers) {
            if let Answer::Accepted(JobState::Available | JobState::Blocked) = answer {
                *answer = Answer::Accepted(self.state(end.attempt.job));
            }
        }
        (answers, has_returned)
    }

    fn state(&self, id: JobId) -> JobState {
        let row = self.table.get(id);
        row.map_or(JobState::Cancelled, |row| row.job.info.state)
    }

    pub(super) fn withdraw(&mut self, worker: WorkerId) -> usize {
        let running = self.table.running(worker).count();
        if running == 0 {
            self.end_lease(worker);
        }
        running
    }

    fn end_lease(&mut self, worker: WorkerId) {
        self.workers.end(worker);
        self.table.forget_worker(worker);
    }

    /// The jobs of a process with this beat; `None` if it has another one, or no lease.
    pub(super) fn lost_jobs(&self, worker: WorkerId, seen: Beat) -> Option<Vec<LostJob>> {
        if self.workers.beat(worker) != Some(seen) {
            return None;
        }
        let running = self.table.running(worker);
        Some(running.map(|row| self.lost(row, worker)).collect())
    }

    /// Ends the lease, and its jobs as they were judged; `None` if they are other ones now.
    pub(super) fn take_over(
        &mut self,
        worker: WorkerId,
        seen: Beat,
        judged: &[(LostJob, Outcome)],
        now: SystemTime,
    ) -> Option<Vec<TakenOver>> {
        let lost = self.lost_jobs(worker, seen)?;
        if !lost.iter().eq(judged.iter().map(|(lost, _)| lost)) {
            return None;
        }
        let fence = self.next_fence();
        let taken_over = judged.iter().map(|(lost, outcome)| {
            let id = lost.attempt_id.job;
            let is_suspect = lost.is_suspect();
            self.table
                .change(id, |row| row.take_over(outcome, is_suspect, fence, now));
            let (lost, state) = (lost.clone(), self.state(id));
            TakenOver { lost, state }
        });
        let mut taken_over: Vec<TakenOver> = taken_over.collect();
        self.settle(now);
        for one in &mut taken_over {
            one.state = self.state(one.lost.attempt_id.job);
        }
        self.end_lease(worker);
        Some(taken_over)
    }

    fn lost(&self, row: &Row, worker: WorkerId) -> LostJob {
        let info = &row.job.info;
        let attempt_id = attempt_id(row);
        let begun = match row.is_abandoned {
            true => Begun::Abandoned,
            false => self.workers.begun(worker, attempt_id),
        };
        LostJob {
            attempt_id,
            worker,
            queue: info.queue.clone(),
            kind: info.kind.clone(),
            attempt: info.attempt,
            max_attempts: info.max_attempts.unwrap_or(1),
            interrupted: info.interrupted,
            first_due: info.first_due,
            begun,
        }
    }

    pub(super) fn held(&self, worker: WorkerId) -> Result<Vec<HeldJob>, StoreError> {
        self.workers.check(worker)?;
        let held = self.table.running(worker).map(|row| HeldJob {
            attempt: attempt_id(row),
            cancel_requested: row.job.info.cancel_requested.is_some(),
        });
        Ok(held.collect())
    }

    pub(super) fn promote_due(&mut self, most: usize, now: SystemTime) -> Promoted {
        let scheduled = self.table.in_state(JobState::Scheduled);
        let due = scheduled.take_while(|job| job.due <= now).take(most);
        let due: Vec<JobId> = due.map(|job| job.id).collect();
        for id in &due {
            self.table.change(*id, Row::promote);
        }
        let next = self.table.in_state(JobState::Scheduled).next();
        Promoted {
            count: due.len(),
            next: next.map(|job| job.due.duration_since(now).unwrap_or_default()),
        }
    }

    pub(super) fn cancel_expired(&mut self, most: usize, now: SystemTime) -> Swept {
        let expired: Vec<JobId> = self.table.expired(now).take(most).collect();
        for id in &expired {
            self.table.change(*id, |row| row.expire(now));
        }
        Swept {
            count: expired.len(),
            has_more: self.table.expired(now).next().is_some(),
        }
    }

    pub(super) fn prune(
        &mut self,
        state: JobState,
        age: Duration,
        most: usize,
        now: SystemTime,
    ) -> Swept {
        let Some(before) = now.checked_sub(age).filter(|_| state.is_ended()) else {
            return Swept::default();
        };
        let oldest = self.table.in_state(state).rev();
        let mut old = oldest
            .take_while(|job| job.ended_at.is_some_and(|ended| ended <= before))
            .map(|job| job.id);
        let pruned: Vec<JobId> = old.by_ref().take(most).collect();
        let has_more = old.next().is_some();
        drop(old);
        for id in &pruned {
            self.table.remove(*id, Removal::Pruned);
        }
        Swept {
            count: pruned.len(),
            has_more,
        }
    }

    pub(super) fn cancel(
        &mut self,
        id: JobId,
        now: SystemTime,
    ) -> Result<CancelOutcome, StoreError> {
        match self.known(id)? {
            state if state.is_ended() => Err(wrong_state(id, state, "cancel")),
            JobState::Running => {
                self.table.change(id, |row| {
                    row.job.info.cancel_requested.get_or_insert(now);
                });
                Ok(CancelOutcome::Requested)
            }
            _ => {
                self.table.change(id, |row| row.cancel(now));
                Ok(CancelOutcome::Cancelled)
            }
        }
    }

    pub(super) fn retry(&mut self, id: JobId, now: SystemTime) -> Result<(), StoreError> {
        let state = self.known(id)?;
        if !matches!(state, JobState::Dead | JobState::Cancelled) {
            return Err(wrong_state(id, state, "retry"));
        }
        let row = self.table.get(id);
        if let Some(key) = row.and_then(|row| row.job.info.unique_key.as_ref()) {
            if let Some(holder) = self.table.with_unique_key(key) {
                return Err(StoreError::UniqueKeyHeld {
                    key: key.clone(),
                    holder: Some(holder),
                });
            }
        }
        self.table.change(id, |row| row.retry(now));
        Ok(())
    }

    pub(super) fn delete(&mut self, id: JobId) -> Result<(), StoreError> {
        match self.known(id)? {
            JobState::Running => Err(wrong_state(id, JobState::Running, "delete")),
            _ => {
                self.table.remove(id, Removal::Deleted);
                Ok(())
            }
        }
    }

    fn known(&self, id: JobId) -> Result<JobState, StoreError> {
        let row = self.table.get(id).ok_or(StoreError::NotFound { id })?;
        Ok(row.job.info.state)
    }
}

fn wrong_state(id: JobId, state: JobState, verb: &'static str) -> StoreError {
    StoreError::WrongState { id, state, verb }
}

fn attempt_id(row: &Row) -> AttemptId {
    AttemptId {
        job: row.job.info.id,
        fence: row.job.info.fence.unwrap_or(Fence::new(0)),
    }
}

fn claimed(row: &Row, fence: Fence) -> ClaimedJob {
    let info = &row.job.info;
    ClaimedJob {
        id: info.id,
        fence,
        queue: info.queue.clone(),
        kind: info.kind.clone(),
        payload: row.job.payload.clone(),
        meta: row.job.meta.clone(),
        attempt: info.attempt,
        max_attempts: info.max_attempts.unwrap_or(1),
        lost: info.lost,
        interrupted: info.interrupted,
        first_due: info.first_due,
        due: info.due,
        enqueued_at: info.enqueued_at,
        timeout: info.timeout,
    }
}
