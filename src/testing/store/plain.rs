//! What a store has to do, in the plainest way: a list of jobs, gone through from one end to the
//! other. It takes over what a store is free to choose: ids, fences, and what it knows of attempts
//! that were lost.

use super::plain_job::PlainJob;
use super::probe::Probe;
use crate::store::{
    Answer, AttemptId, AttemptOutcome, Begun, CancelOutcome, ClaimRequest, ClaimedJob, Enqueued,
    Fence, Finish, JobId, JobSpec, JobState, LostJob, Outcome, Promoted, StoreError, Swept,
    TakenOver, WorkerId,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

pub(super) struct Plain {
    pub(super) jobs: BTreeMap<JobId, PlainJob>,
    pub(super) enqueued: u64,
    /// By queue and kind: the jobs that were enqueued, deleted, pruned.
    lanes: BTreeMap<(String, String), (u64, u64, u64)>,
    begun: HashSet<AttemptId>,
    paused: BTreeSet<String>,
    limits: BTreeMap<String, u32>,
    last_id: Option<JobId>,
    /// The highest fence there was, and that before the last claim.
    last_fence: Option<Fence>,
    fence_before: Option<Fence>,
    /// Whether the clock stands still during a step, so that all times are known.
    knows_times: bool,
}

impl Plain {
    pub(super) fn new(knows_times: bool) -> Plain {
        Plain {
            jobs: BTreeMap::new(),
            enqueued: 0,
            lanes: BTreeMap::new(),
            begun: HashSet::new(),
            paused: BTreeSet::new(),
            limits: BTreeMap::new(),
            last_id: None,
            last_fence: None,
            fence_before: None,
            knows_times,
        }
    }

    /// `answer` has the ids of the new jobs.
    pub(super) fn enqueue(
        &mut self,
        specs: &[JobSpec],
        now: SystemTime,
        answer: &[Enqueued],
    ) -> Result<Vec<Enqueued>, StoreError> {
        let before = self.jobs.clone();
        let mut enqueued = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let known = self
                .jobs
                .values()
                .find(|job| job.spec.client_id.is_some() && job.spec.client_id == spec.client_id);
            if let Some(job) = known {
                let id = job.id;
                enqueued.push(Enqueued { id, is_new: false });
                continue;
            }
            if let Some(holder) = self.holder(spec.unique_key.as_ref()) {
                self.jobs = before.clone();
                return Err(StoreError::UniqueKeyHeld {
                    key: spec.unique_key.clone().unwrap_or_default(),
                    holder: Some(holder).filter(|holder| before.contains_key(holder)),
                });
            }
            // A call that the store refused has no ids. It has to be refused here too, further on.
            let placeholder = JobId::new(i64::MAX - specs.len() as i64 + index as i64);
            let id = answer.get(index).map_or(placeholder, |job| job.id);
            let mut waits_for = BTreeSet::new();
            for parent in &spec.after {
                let state = self.jobs.get(parent).map(|job| job.state);
                match state {
                    None | Some(JobState::Cancelled) => {
                        self.jobs = before.clone();
                        let parent = *parent;
                        return Err(StoreError::CannotFollow { parent, state });
                    }
                    Some(JobState::Completed) => {}
                    Some(_) => drop(waits_for.insert(*parent)),
                }
            }
            let job = PlainJob::new(id, spec, waits_for, now);
            self.jobs.insert(id, job);
            enqueued.push(Enqueued { id, is_new: true });
        }
        for job in enqueued.iter().filter(|job| job.is_new) {
            assert!(Some(job.id) > self.last_id, "an id does not grow");
            self.last_id = Some(job.id);
            self.lane_of(job.id).0 += 1;
            self.enqueued += 1;
            if let Some(limit) = &self.jobs[&job.id].spec.limit {
                self.limits.insert(limit.key.clone(), limit.max);
            }
        }
        Ok(enqueued)
    }

    fn holder(&self, key: Option<&String>) -> Option<JobId> {
        let holds = |job: &&PlainJob| {
            key.is_some() && job.spec.unique_key.as_ref() == key && !job.state.is_ended()
        };
        self.jobs.values().find(holds).map(|job| job.id)
    }

    fn lane_of(&mut self, id: JobId) -> &mut (u64, u64, u64) {
        let spec = &self.jobs[&id].spec;
        let lane = (spec.queue.clone(), spec.kind.clone());
        self.lanes.entry(lane).or_default()
    }

    pub(super) fn next_claim(&mut self, request: &ClaimRequest<'_>, now: SystemTime) -> Vec<JobId> {
        self.fence_before = self.last_fence;
        let (mut ids, mut expected) = (Vec::new(), Duration::ZERO);
        let queues = request.queues.iter();
        for queue in queues.filter(|queue| !self.paused.contains(**queue)) {
            let mut candidates: Vec<&PlainJob> = self.jobs.values().collect();
            candidates.retain(|job| {
                job.state == JobState::Available
                    && job.spec.queue == *queue
                    && request.kinds.iter().any(|kind| kind.kind == job.spec.kind)
                    && job.expires.is_none_or(|expires| expires > now)
            });
            candidates.sort_by_key(|job| (Reverse(job.spec.priority), job.due, job.id));
            for job in candidates {
                let is_spent = !ids.is_empty() && expected >= request.budget;
                if ids.len() >= request.most || is_spent || (job.lost > 0 && !ids.is_empty()) {
                    return ids;
                }
                ids.push(job.id);
                if job.lost > 0 {
                    return ids;
                }
                let kind = request.kinds.iter().find(|kind| kind.kind == job.spec.kind);
                expected += kind.map_or(Duration::ZERO, |kind| kind.expected);
            }
        }
        ids
    }

    /// `policy` is the maximum number of attempts that the request had for the kind.
    pub(super) fn claimed(
        &mut self,
        claimed: &ClaimedJob,
        worker: WorkerId,
        policy: u32,
        now: SystemTime,
    ) {
        assert!(
            Some(claimed.fence) > self.fence_before,
            "a fence does not grow"
        );
        self.last_fence = self.last_fence.max(Some(claimed.fence));
        let job = self
            .jobs
            .get_mut(&claimed.id)
            .expect("the job was to claim");
        job.state = JobState::Running;
        job.attempt += 1;
        job.max_attempts.get_or_insert(policy);
        job.fence = Some(claimed.fence);
        job.worker = Some(worker);
        job.claimed_at = Some(now);
        assert_eq!(claimed.payload, job.spec.payload);
        assert_eq!(claimed.attempt, job.attempt);
        assert_eq!(Some(claimed.max_attempts), job.max_attempts);
        assert_eq!(
            (claimed.lost, claimed.interrupted),
            (job.lost, job.interrupted)
        );
    }

    /// A claim may cancel what it finds expired.
    fn expire(&mut self, probe: &Probe) {
        let now = probe.time();
        for job in self.jobs.values_mut() {
            let has_expired = job.expires.is_some_and(|expires| expires <= now);
            if job.state == JobState::Available && has_expired {
                let info = probe.info(job.id);
                if info.reason.as_deref() == Some("expired") {
                    job.end(JobState::Cancelled, info.ended_at.expect("it has ended"));
                }
            }
        }
    }

    pub(super) fn begun(&mut self, attempt: AttemptId) {
        self.begun.insert(attempt);
    }

    pub(super) fn running(&self, worker: WorkerId) -> Vec<JobId> {
        let running = self.jobs.values().filter(|job| job.worker == Some(worker));
        running.map(|job| job.id).collect()
    }

    pub(super) fn finish(&mut self, ends: &[Finish], now: SystemTime) -> Vec<Answer> {
        let answers: Vec<Answer> = ends.iter().map(|end| self.finish_one(end, now)).collect();
        self.settle(now);
        let settled = ends.iter().zip(answers).map(|(end, answer)| match answer {
            Answer::Accepted(JobState::Available | JobState::Blocked) => {
                Answer::Accepted(self.jobs[&end.attempt.job].state)
            }
            answer => answer,
        });
        settled.collect()
    }

    fn finish_one(&mut self, end: &Finish, now: SystemTime) -> Answer {
        let job = self.jobs.get_mut(&end.attempt.job);
        let Some(job) = job.filter(|job| job.fence == Some(end.attempt.fence)) else {
            return Answer::Lost;
        };
        if job.state == JobState::Running {
            if let Outcome::Failed { .. } | Outcome::Snoozed { .. } = end.outcome {
                job.lost = 0;
            }
            job.apply(&end.outcome, AttemptOutcome::Failed, now);
        }
        Answer::Accepted(job.state)
    }

    pub(super) fn take_over(
        &mut self,
        worker: WorkerId,
        taken_over: &[TakenOver],
        judge: &dyn Fn(&LostJob) -> Outcome,
        now: SystemTime,
        fence_of: impl Fn(JobId) -> Fence,
    ) {
        let lost = taken_over.iter().map(|one| one.lost.attempt_id.job);
        assert_eq!(lost.collect::<Vec<_>>(), self.running(worker));
        let fence_before = self.last_fence;
        for TakenOver { lost, .. } in taken_over {
            let id = lost.attempt_id.job;
            let job = self.jobs.get_mut(&id).expect("the job runs");
            assert_eq!(Some(lost.attempt_id), job.attempt_id());
            assert_eq!(lost.attempt, job.attempt);
            assert_eq!(Some(lost.max_attempts), job.max_attempts);
            assert_eq!(lost.interrupted, job.interrupted);
            let known = match (job.is_abandoned, self.begun.contains(&lost.attempt_id)) {
                (true, _) => Begun::Abandoned,
                (_, true) => Begun::Yes,
                _ => Begun::No,
            };
            let may_not_know = lost.begun == Begun::Unknown && !job.is_abandoned;
            assert!(lost.begun == known || may_not_know, "{lost:?}");
            let failure = match lost.begun {
                Begun::Yes | Begun::Unknown => AttemptOutcome::Lost,
                Begun::No | Begun::Abandoned => AttemptOutcome::Interrupted,
            };
            job.lost += u32::from(failure == AttemptOutcome::Lost);
            job.apply(&judge(lost), failure, now);
            let fence = fence_of(id);
            assert!(Some(fence) > fence_before, "a takeover has no new fence");
            job.fence = Some(fence);
            self.last_fence = self.last_fence.max(Some(fence));
        }
        self.settle(now);
        for TakenOver { lost, state } in taken_over {
            assert_eq!(*state, self.jobs[&lost.attempt_id.job].state);
        }
    }

    /// Does what follows from what has happened, until there is nothing to change: first to the jobs
    /// that wait for others, then for each limit.
    fn settle(&mut self, now: SystemTime) {
        while self.follow(now) {}
        for key in self.limits.keys().cloned().collect::<Vec<_>>() {
            while self.change_place(&key) {}
        }
    }

    /// One job does not wait any more for another one that has ended, or is gone.
    fn follow(&mut self, now: SystemTime) -> bool {
        let ended = self.jobs.values().find_map(|job| {
            let state = |parent: &JobId| self.jobs.get(parent).map(|parent| parent.state);
            let ended = [None, Some(JobState::Completed), Some(JobState::Cancelled)];
            let mut parents = job.waits_for.iter();
            let parent = parents.find(|parent| ended.contains(&state(parent)))?;
            Some((job.id, *parent, state(parent)))
        });
        let Some((id, parent, state)) = ended else {
            return false;
        };
        let job = self.jobs.get_mut(&id).expect("it was found");
        job.waits_for.remove(&parent);
        match (job.state, state) {
            (JobState::Waiting, Some(JobState::Completed)) => job.wait_until(job.due, now),
            (JobState::Waiting, _) => job.end(JobState::Cancelled, now),
            _ => {}
        }
        true
    }

    /// Changes the state of one job with this key, or of two that change their places.
    fn change_place(&mut self, key: &str) -> bool {
        let max = self.limits[key] as usize;
        let has_key = |job: &&PlainJob| job.spec.limit.as_ref().is_some_and(|it| it.key == key);
        let is_paused = |job: &PlainJob| self.paused.contains(&job.spec.queue);
        let order = |job: &PlainJob| (Reverse(job.spec.priority), job.due, job.id);
        let in_state = |state| {
            let jobs = self.jobs.values().filter(has_key);
            jobs.filter(move |job| job.state == state)
        };
        let available = || in_state(JobState::Available);
        let held = available().count() + in_state(JobState::Running).count();
        let blocked = in_state(JobState::Blocked).filter(|job| !is_paused(job));
        let best = blocked.min_by_key(|job| order(job)).map(|job| job.id);
        let worst = available().max_by_key(|job| order(job)).map(|job| job.id);
        let paused = available().filter(|job| is_paused(job));
        let paused = paused.max_by_key(|job| order(job)).map(|job| job.id);
        let (admit, block) = match (best, paused) {
            _ if held > max => (None, paused.or(worst)),
            (Some(_), _) if held < max => (best, None),
            (Some(_), Some(_)) => (best, paused),
            _ => (None, None),
        };
        for (id, state) in [(admit, JobState::Available), (block, JobState::Blocked)] {
            if let Some(job) = id.and_then(|id| self.jobs.get_mut(&id)) {
                job.state = state;
            }
        }
        admit.is_some() || block.is_some()
    }

    fn known(&mut self, id: JobId) -> Result<&mut PlainJob, StoreError> {
        self.jobs.get_mut(&id).ok_or(StoreError::NotFound { id })
    }

    pub(super) fn cancel(
        &mut self,
        id: JobId,
        now: SystemTime,
    ) -> Result<CancelOutcome, StoreError> {
        let job = self.known(id)?;
        if job.state == JobState::Running {
            job.is_cancel_requested = true;
            return Ok(CancelOutcome::Requested);
        }
        if job.state.is_ended() {
            let (state, verb) = (job.state, "cancel");
            return Err(StoreError::WrongState { id, state, verb });
        }
        job.end(JobState::Cancelled, now);
        Ok(CancelOutcome::Cancelled)
    }

    pub(super) fn retry(&mut self, id: JobId, now: SystemTime) -> Result<(), StoreError> {
        let job = self.known(id)?.clone();
        if !matches!(job.state, JobState::Dead | JobState::Cancelled) {
            let (state, verb) = (job.state, "retry");
            return Err(StoreError::WrongState { id, state, verb });
        }
        if let Some(holder) = self.holder(job.spec.unique_key.as_ref()) {
            let (key, holder) = (job.spec.unique_key.unwrap_or_default(), Some(holder));
            return Err(StoreError::UniqueKeyHeld { key, holder });
        }
        let job = self.known(id)?;
        job.ended_at = None;
        job.expires = None;
        job.attempt = 0;
        job.interrupted = 0;
        job.first_due = now;
        job.wait_until(now, now);
        Ok(())
    }

    pub(super) fn delete(&mut self, id: JobId) -> Result<(), StoreError> {
        if self.known(id)?.state == JobState::Running {
            let (state, verb) = (JobState::Running, "delete");
            return Err(StoreError::WrongState { id, state, verb });
        }
        self.lane_of(id).1 += 1;
        self.jobs.remove(&id);
        Ok(())
    }

    pub(super) fn cancel_expired(&mut self, most: usize, now: SystemTime) -> Swept {
        let waits = |state: JobState| !state.is_ended() && state != JobState::Running;
        let mut expired: Vec<&mut PlainJob> = self.jobs.values_mut().collect();
        expired.retain(|job| waits(job.state) && job.expires.is_some_and(|expires| expires <= now));
        expired.sort_by_key(|job| (job.expires, job.id));
        let count = most.min(expired.len());
        for job in &mut expired[..count] {
            job.end(JobState::Cancelled, now);
        }
        Swept {
            count,
            has_more: count < expired.len(),
        }
    }

    /// `gone` are the jobs that the store has pruned. Returns whether there are more.
    pub(super) fn prune(
        &mut self,
        state: JobState,
        age: Duration,
        most: usize,
        now: SystemTime,
        gone: &[JobId],
    ) -> bool {
        let is_old = |job: &PlainJob| {
            let ended_at = job.ended_at.filter(|_| job.state == state);
            ended_at.is_some_and(|ended_at| !self.knows_times || ended_at + age <= now)
        };
        let old: Vec<&PlainJob> = self.jobs.values().filter(|job| is_old(job)).collect();
        assert_eq!(gone.len(), most.min(old.len()));
        let (pruned, kept): (Vec<&PlainJob>, _) =
            old.into_iter().partition(|job| gone.contains(&job.id));
        assert_eq!(pruned.len(), gone.len(), "what is not old was pruned");
        let latest = pruned.iter().map(|job| job.ended_at).max();
        let earliest = kept.iter().map(|job| job.ended_at).min();
        let is_in_order = latest
            .zip(earliest)
            .is_none_or(|(latest, earliest)| latest <= earliest);
        assert!(is_in_order, "the earliest are not the first");
        let has_more = !kept.is_empty();
        for id in gone {
            self.lane_of(*id).2 += 1;
            self.jobs.remove(id);
        }
        has_more
    }

    pub(super) fn promote(&mut self, most: usize, now: SystemTime) -> Promoted {
        let mut scheduled: Vec<&mut PlainJob> = self.jobs.values_mut().collect();
        scheduled.retain(|job| job.state == JobState::Scheduled);
        scheduled.sort_by_key(|job| (job.due, job.id));
        let due = scheduled.iter().filter(|job| job.due <= now).count();
        let count = due.min(most);
        for job in &mut scheduled[..count] {
            job.state = job.when_due();
        }
        let next = scheduled.get(count);
        let next = next.map(|job| job.due.duration_since(now).unwrap_or_default());
        Promoted { count, next }
    }

    pub(super) fn pause(&mut self, queue: &str) -> bool {
        self.paused.insert(queue.to_owned())
    }

    pub(super) fn resume(&mut self, queue: &str) -> bool {
        self.paused.remove(queue)
    }

    /// Compares all that a store shows.
    pub(super) fn compare(&mut self, probe: &Probe) {
        self.expire(probe);
        self.settle(probe.time());
        let knows_times = self.knows_times;
        for job in self.jobs.values_mut() {
            job.compare(probe, knows_times);
        }
        for state in JobState::ALL {
            let mut jobs: Vec<&PlainJob> = self.jobs.values().collect();
            jobs.retain(|job| job.state == state);
            jobs.sort_by_key(|job| match state {
                JobState::Scheduled => (Reverse(0), Some(job.due), job.id),
                JobState::Waiting | JobState::Blocked | JobState::Available => {
                    (Reverse(job.spec.priority), Some(job.due), job.id)
                }
                JobState::Running => (Reverse(0), job.claimed_at, job.id),
                _ => (Reverse(0), job.ended_at, job.id),
            });
            if state.is_ended() {
                jobs.reverse();
            }
            let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
            assert_eq!(probe.listed(state), ids, "the {state} ones");
        }
        self.compare_counts(probe);
        let paused = probe.paused().expect("paused failed");
        assert!(paused.iter().map(|it| &it.queue).eq(&self.paused));
        for worker in probe.workers().expect("workers failed") {
            let held = probe.held(worker.id).expect("held failed");
            let held: Vec<JobId> = held.iter().map(|job| job.attempt.job).collect();
            assert_eq!(held, self.running(worker.id));
        }
    }

    fn compare_counts(&self, probe: &Probe) {
        let counts = probe.counts().expect("counts failed");
        assert_eq!(counts.len(), self.lanes.len());
        for (counted, ((queue, kind), (enqueued, deleted, pruned))) in
            counts.iter().zip(&self.lanes)
        {
            assert_eq!((&counted.queue, &counted.kind), (queue, kind));
            let counts = (counted.enqueued(), counted.deleted, counted.pruned);
            assert_eq!(counts, (*enqueued, *deleted, *pruned));
            for state in JobState::ALL {
                let of_lane = self.jobs.values().filter(|job| {
                    job.state == state && job.spec.queue == *queue && job.spec.kind == *kind
                });
                assert_eq!(counted.states[state], of_lane.count() as u64, "{state}");
            }
        }
    }
}
