//! The jobs and their indexes.

use super::followers::Followers;
use super::limited::Limited;
use crate::store::place::Place;
use crate::store::row::{ParentEnd, Row};
use crate::store::{Cursor, JobFilter, JobId, JobInfo, JobPage, JobState, LaneCounts, StateCounts};
use crate::store::{Enqueued, JobSpec, WorkerId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::SystemTime;

/// # Invariants
///
/// 1. Each job is in the index of its state; an available one also in that of its lane, a running
///    one in that of its worker, one that waits and expires in that of the expiring ones, one that
///    has not ended under its unique key, each under its client id. The counts of its lane are those
///    of its state.
/// 2. Of a key, those that are available or run, and those that are blocked, are in `limited`.
/// 3. Only [`change`](Self::change), [`insert`](Self::insert) and [`remove`](Self::remove) write,
///    and they keep 1 and 2.
#[derive(Default)]
pub(super) struct Table {
    rows: HashMap<JobId, Row>,
    last_id: i64,
    states: BTreeMap<JobState, BTreeSet<Place>>,
    running: HashMap<WorkerId, BTreeSet<JobId>>,
    /// Those that wait, by the moment at which they expire.
    expiring: BTreeSet<(SystemTime, JobId)>,
    pub(super) followers: Followers,
    /// By the keys of their limits.
    limited: HashMap<String, Limited>,
    /// The keys whose jobs have come or left.
    touched: BTreeSet<String>,
    by_unique_key: HashMap<String, JobId>,
    by_client_id: HashMap<String, JobId>,
    /// By queue, then by kind.
    lanes: BTreeMap<String, BTreeMap<String, Lane>>,
}

#[derive(Default)]
struct Lane {
    available: BTreeSet<Place>,
    counts: StateCounts,
    deleted: u64,
    pruned: u64,
}

/// The place of a job among those that expire.
fn expiry(job: &JobInfo) -> Option<(SystemTime, JobId)> {
    let waits = !job.state.is_ended() && job.state != JobState::Running;
    Some((job.expires.filter(|_| waits)?, job.id))
}

/// Why a job is removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    Deleted,
    Pruned,
}

impl Table {
    pub(super) fn get(&self, id: JobId) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(super) fn insert(&mut self, spec: JobSpec, now: SystemTime) -> Enqueued {
        self.last_id += 1;
        let id = JobId::new(self.last_id);
        if let Some(limit) = &spec.limit {
            self.limited.entry(limit.key.clone()).or_default().max = limit.max;
        }
        let incomplete = spec.after.iter().copied().filter(|parent| {
            let parent = self.get(*parent).map(|row| row.job.info.state);
            parent != Some(JobState::Completed)
        });
        let parents: BTreeSet<JobId> = incomplete.collect();
        let waits = u32::try_from(parents.len()).unwrap_or(u32::MAX);
        self.followers.add(parents, id);
        let row = Row::new(id, spec, waits, now);
        if let Some(client_id) = &row.job.client_id {
            self.by_client_id.insert(client_id.clone(), id);
        }
        self.index(&row.job.info);
        self.rows.insert(id, row);
        Enqueued { id, is_new: true }
    }

    pub(super) fn change(&mut self, id: JobId, change: impl FnOnce(&mut Row)) {
        if let Some(mut row) = self.rows.remove(&id) {
            self.unindex(&row.job.info);
            change(&mut row);
            self.index(&row.job.info);
            if let Some(how) = ParentEnd::of(row.job.info.state) {
                self.followers.ended(id, how);
            }
            self.rows.insert(id, row);
        }
    }

    pub(super) fn remove(&mut self, id: JobId, removal: Removal) {
        if let Some(row) = self.rows.remove(&id) {
            self.unindex(&row.job.info);
            if let Some(client_id) = &row.job.client_id {
                self.by_client_id.remove(client_id);
            }
            self.followers.leave(id);
            self.followers.ended(
                id,
                match removal {
                    Removal::Deleted => ParentEnd::Deleted,
                    Removal::Pruned => ParentEnd::Pruned,
                },
            );
            let lane = self.lane(&row.job.info);
            match removal {
                Removal::Deleted => lane.deleted += 1,
                Removal::Pruned => lane.pruned += 1,
            }
        }
    }

    fn index(&mut self, job: &JobInfo) {
        self.states
            .entry(job.state)
            .or_default()
            .insert(Place::of(job));
        let lane = self.lane(job);
        lane.counts[job.state] += 1;
        if job.state == JobState::Available {
            lane.available.insert(Place::of(job));
        }
        self.expiring.extend(expiry(job));
        self.index_limited(job);
        if let Some(worker) = job.worker {
            self.running.entry(worker).or_default().insert(job.id);
        }
        if let Some(key) = job.unique_key.as_ref().filter(|_| !job.state.is_ended()) {
            self.by_unique_key.insert(key.clone(), job.id);
        }
    }

    fn unindex(&mut self, job: &JobInfo) {
        if let Some(places) = self.states.get_mut(&job.state) {
            places.remove(&Place::of(job));
        }
        let lane = self.lane(job);
        lane.counts[job.state] -= 1;
        lane.available.remove(&Place::of(job));
        if let Some(expiry) = expiry(job) {
            self.expiring.remove(&expiry);
        }
        self.unindex_limited(job);
        if let Some(running) = job.worker.and_then(|worker| self.running.get_mut(&worker)) {
            running.remove(&job.id);
        }
        if let Some(key) = job.unique_key.as_ref().filter(|_| !job.state.is_ended()) {
            self.by_unique_key.remove(key);
        }
    }

    fn index_limited(&mut self, job: &JobInfo) {
        let Some(key) = &job.limit_key else { return };
        let limited = self.limited.entry(key.clone()).or_default();
        match job.state {
            JobState::Available | JobState::Running => {
                limited.holders.insert(job.id);
            }
            JobState::Blocked => {
                let blocked = limited.blocked.entry(job.queue.clone()).or_default();
                blocked.insert(Place::of(job));
            }
            _ => {}
        }
        self.touched.insert(key.clone());
    }

    fn unindex_limited(&mut self, job: &JobInfo) {
        let Some(key) = &job.limit_key else { return };
        if let Some(limited) = self.limited.get_mut(key) {
            limited.holders.remove(&job.id);
            if let Some(blocked) = limited.blocked.get_mut(&job.queue) {
                blocked.remove(&Place::of(job));
            }
        }
        self.touched.insert(key.clone());
    }

    pub(super) fn limited(&self, key: &str) -> Option<&Limited> {
        self.limited.get(key)
    }

    /// The keys whose jobs have come or left since the last call.
    pub(super) fn take_touched(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.touched)
    }

    pub(super) fn touch_all(&mut self) {
        self.touched.extend(self.limited.keys().cloned());
    }

    /// Where it is or was among those that are available.
    pub(super) fn place_if_available(job: &JobInfo) -> Place {
        let cursor = Cursor {
            priority: job.priority,
            at: job.due,
            id: job.id,
        };
        Place::at(JobState::Available, cursor)
    }

    /// The lane of a job; a new one if it is the first there.
    fn lane(&mut self, job: &JobInfo) -> &mut Lane {
        let kinds = self.lanes.entry(job.queue.clone()).or_default();
        kinds.entry(job.kind.clone()).or_default()
    }

    pub(super) fn with_unique_key(&self, key: &str) -> Option<JobId> {
        self.by_unique_key.get(key).copied()
    }

    pub(super) fn with_client_id(&self, client_id: &str) -> Option<JobId> {
        self.by_client_id.get(client_id).copied()
    }

    /// The available jobs of a lane, in the order in which they are claimed.
    pub(super) fn available(&self, queue: &str, kind: &str) -> impl Iterator<Item = &Row> {
        let kinds = self.lanes.get(queue);
        let lane = kinds.and_then(|kinds| kinds.get(kind)).into_iter();
        lane.flat_map(|lane| &lane.available)
            .filter_map(|place| self.get(place.id()))
    }

    /// The jobs that wait and have expired, the first first.
    pub(super) fn expired(&self, now: SystemTime) -> impl Iterator<Item = JobId> {
        let expired = self.expiring.iter().take_while(move |(at, _)| *at <= now);
        expired.map(|(_, id)| *id)
    }

    /// The jobs that run in the name of a process, by id.
    pub(super) fn running(&self, worker: WorkerId) -> impl Iterator<Item = &Row> {
        let running = self.running.get(&worker).into_iter().flatten();
        running.filter_map(|id| self.get(*id))
    }

    /// The process has no running job, and will have none.
    pub(super) fn forget_worker(&mut self, worker: WorkerId) {
        self.running.remove(&worker);
    }

    /// The jobs in one state, in the order of their list.
    pub(super) fn in_state(&self, state: JobState) -> impl DoubleEndedIterator<Item = &JobInfo> {
        self.after(state, Bound::Unbounded)
    }

    fn after(
        &self,
        state: JobState,
        place: Bound<Place>,
    ) -> impl DoubleEndedIterator<Item = &JobInfo> {
        let places = self.states.get(&state).into_iter();
        places
            .flat_map(move |places| places.range((place, Bound::Unbounded)))
            .filter_map(|place| Some(&self.get(place.id())?.job.info))
    }

    pub(super) fn list(&self, filter: &JobFilter, after: Option<Cursor>, most: usize) -> JobPage {
        let from = match after {
            Some(cursor) => Bound::Excluded(Place::at(filter.state, cursor)),
            None => Bound::Unbounded,
        };
        let fits = |wanted: &Option<String>, name: &String| {
            wanted.as_ref().is_none_or(|wanted| wanted == name)
        };
        let mut fitting = self
            .after(filter.state, from)
            .filter(|job| fits(&filter.queue, &job.queue) && fits(&filter.kind, &job.kind));
        let jobs: Vec<JobInfo> = fitting.by_ref().take(most).cloned().collect();
        let next = fitting.next().and(jobs.last()).map(Cursor::of);
        JobPage { jobs, next }
    }

    pub(super) fn counts(&self) -> Vec<LaneCounts> {
        let lanes = self.lanes.iter().flat_map(|(queue, kinds)| {
            kinds.iter().map(move |(kind, lane)| LaneCounts {
                queue: queue.clone(),
                kind: kind.clone(),
                states: lane.counts,
                deleted: lane.deleted,
                pruned: lane.pruned,
            })
        });
        lanes.collect()
    }

    /// When the available job of a queue was due that has waited the longest.
    pub(super) fn oldest_available(&self, queue: &str) -> Option<SystemTime> {
        let lanes = self.lanes.get(queue).into_iter().flat_map(BTreeMap::keys);
        let rows = lanes.flat_map(|kind| self.available(queue, kind));
        rows.map(|row| row.job.info.due).min()
    }
}
