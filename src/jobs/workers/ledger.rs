//! What this process has claimed, and what became of it. Pure.
//!
//! # Invariants
//!
//! 1. Each claim is in exactly one place: it waits, it runs, its end is unanswered, or it is counted.
//!    So the account adds up at any moment.
//! 2. A job does not begin while an older attempt of it still runs here.
//! 3. What another process has taken over does not begin. What runs then goes on, and its end is
//!    sent like any other: the store refuses it.
//! 4. What has waited for too long is given back, so that another process can begin it.
//! 5. A job that was lost twice in a row (a suspect: it may be what ends its process) has this
//!    process for itself: it waits for what runs here, nothing overtakes it, and for [`ALONE`] nothing
//!    begins beside it. Not where anything has run for [`ALONE`] already: an attempt would be at risk
//!    in any case, and others would wait for nothing. What is held by invariant 2 keeps nothing else
//!    waiting.

use super::super::attempt::Attempt;
use super::room::Load;
use crate::host::items::{JobsReport, RunningJob};
use crate::store::{Answer, AttemptId, ClaimedJob, JobState, Outcome};
use crate::sync::Arc;
use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

pub(super) struct Ledger {
    /// Claimed, and not begun, in the order of the claims.
    waiting: VecDeque<Waiting>,
    /// By the number of the thread.
    running: Vec<Option<Arc<Attempt>>>,
    /// Their end was sent, and the store has not answered.
    unanswered: HashSet<AttemptId>,
    /// Those that another process may have taken over.
    taken_over: HashSet<AttemptId>,
    /// Those that run on, as the store is to know.
    abandoned: HashSet<AttemptId>,
    /// Their ends cannot be recorded by the store.
    unrecorded: HashSet<AttemptId>,
    /// All that is over; its `unacknowledged` and `abandoned` are filled in by the report.
    account: JobsReport,
}

struct Waiting {
    job: ClaimedJob,
    since: Instant,
    /// What it waits for at most (invariant 4).
    limit: Duration,
    expected: Duration,
}

/// Claimed jobs begin within this, or are given back: a job before them takes longer than expected.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The same for a job that is held back by invariant 2 or 5: it would be claimed again at once.
const LONGEST_HOLD: Duration = Duration::from_secs(30);
/// For how long a suspect waits for others, and others for it. So a job that takes long delays others
/// for no longer than that.
const ALONE: Duration = Duration::from_secs(10);

/// The first time it may as well have been another job of that process.
fn is_suspect(lost: u32) -> bool {
    lost > 1
}

impl Waiting {
    fn is_suspect(&self) -> bool {
        is_suspect(self.job.lost)
    }

    fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn is_late(&self, now: Instant) -> bool {
        self.waited(now) >= self.limit
    }
}

impl Ledger {
    pub(super) fn new(threads: usize) -> Ledger {
        Ledger {
            waiting: VecDeque::new(),
            running: vec![None; threads],
            unanswered: HashSet::new(),
            taken_over: HashSet::new(),
            abandoned: HashSet::new(),
            unrecorded: HashSet::new(),
            account: JobsReport::default(),
        }
    }

    // Changes.

    /// The store has handed the job over.
    pub(super) fn claimed(&mut self, job: ClaimedJob, expected: Duration, now: Instant) {
        self.account.claimed += 1;
        let limit = match is_suspect(job.lost) || self.is_held(&job) {
            true => LONGEST_HOLD,
            false => LONGEST_WAIT,
        };
        self.waiting.push_back(Waiting {
            job,
            since: now,
            limit,
            expected,
        });
    }

    /// The thread begins the next job: the attempt, and its payload.
    pub(super) fn begin(&mut self, slot: usize, now: Instant) -> Option<(Arc<Attempt>, Vec<u8>)> {
        let next = self.next(now)?;
        let (attempt, payload) = Attempt::new(self.waiting.remove(next)?.job, now);
        let attempt = Arc::new(attempt);
        self.running[slot] = Some(attempt.clone());
        Some((attempt, payload))
    }

    /// The thread has ended what it ran: its outcome is sent to the store.
    pub(super) fn ended(&mut self, slot: usize) {
        if let Some(attempt) = self.running[slot].take() {
            self.abandoned.remove(&attempt.id);
            self.unanswered.insert(attempt.id);
        }
    }

    /// The place of the job that may begin.
    fn next(&self, now: Instant) -> Option<usize> {
        if self.is_reserved(now) {
            return None;
        }
        let mut places = self.waiting.iter().enumerate();
        let (next, waiting) = places.find(|(_, it)| !self.is_held(&it.job))?;
        let waits = waiting.is_suspect() && self.is_running() && !self.runs_long(now);
        (!waits).then_some(next)
    }

    /// Whether an older attempt of the job runs here (invariant 2).
    fn is_held(&self, job: &ClaimedJob) -> bool {
        self.attempts().any(|attempt| attempt.id.job == job.id)
    }

    /// Whether a suspect runs that has this process for itself (invariant 5).
    fn is_reserved(&self, now: Instant) -> bool {
        let mut running = self.attempts();
        let only = running.next().filter(|_| running.next().is_none());
        only.is_some_and(|attempt| is_suspect(attempt.lost) && attempt.age(now) < ALONE)
    }

    /// Whether what runs is not about to end, as far as can be seen.
    fn runs_long(&self, now: Instant) -> bool {
        self.attempts().any(|attempt| attempt.age(now) >= ALONE)
    }

    /// What has waited for too long (invariant 4) is given back to the store.
    pub(super) fn give_back_late(&mut self, now: Instant) -> Vec<AttemptId> {
        if !self.waiting.iter().any(|it| it.is_late(now)) {
            return Vec::new();
        }
        let (late, waiting) = self.waiting.drain(..).partition(|it| it.is_late(now));
        self.waiting = waiting;
        self.send_back(late)
    }

    /// How long until time alone lets something begin, or be given back; `None`: it does not.
    pub(super) fn next_look(&self, now: Instant) -> Option<Duration> {
        // When the oldest attempt has run for long, neither a suspect waits nor others for one.
        let oldest = self.attempts().map(|it| it.age(now)).max();
        let has_suspect = self.waiting.iter().any(Waiting::is_suspect) || self.is_reserved(now);
        let is_over = oldest
            .filter(|age| has_suspect && *age < ALONE)
            .map(|age| ALONE - age);
        let late = self
            .waiting
            .iter()
            .map(|it| it.limit.saturating_sub(it.waited(now)));
        late.chain(is_over).min()
    }

    /// All that has not begun is given back to the store.
    pub(super) fn give_back(&mut self) -> Vec<AttemptId> {
        let waiting = std::mem::take(&mut self.waiting);
        self.send_back(waiting)
    }

    fn send_back(&mut self, waiting: VecDeque<Waiting>) -> Vec<AttemptId> {
        let ids: Vec<AttemptId> = waiting.iter().map(|it| it.job.attempt_id()).collect();
        self.unanswered.extend(&ids);
        ids
    }

    /// Gives back one that has not begun; `false`: it has, or is not here.
    pub(super) fn give_back_one(&mut self, id: AttemptId) -> bool {
        let place = self.waiting.iter().position(|it| it.job.attempt_id() == id);
        let Some(place) = place else { return false };
        self.waiting.remove(place);
        self.unanswered.insert(id)
    }

    /// The threads go on, and the store is to know: returns those for which it does not yet.
    pub(super) fn abandon(&mut self) -> Vec<AttemptId> {
        let running = self.running.iter().flatten().map(|attempt| attempt.id);
        running.filter(|id| self.abandoned.insert(*id)).collect()
    }

    /// The lease is lost: what has not begun never does (invariant 3). Returns what runs.
    pub(super) fn lose(&mut self) -> Vec<Arc<Attempt>> {
        self.account.lease_lost += self.waiting.len() as u64;
        self.waiting.clear();
        self.taken_over.extend(&self.unanswered);
        let running = self.running.iter().flatten();
        self.taken_over.extend(running.map(|attempt| attempt.id));
        self.running.iter().flatten().cloned().collect()
    }

    /// The store has answered how an attempt ended.
    pub(super) fn answered(&mut self, id: AttemptId, sent: &Outcome, answer: Answer) {
        if *sent == Outcome::Abandoned || !self.unanswered.remove(&id) {
            return; // it has not ended yet, or was not known here
        }
        self.taken_over.remove(&id);
        *self.number(sent, answer) += 1;
    }

    /// The store cannot record how an attempt ended, and is asked no more.
    pub(super) fn unrecorded(&mut self, id: AttemptId, sent: &Outcome) {
        if *sent != Outcome::Abandoned && self.unanswered.remove(&id) {
            self.taken_over.remove(&id);
            self.unrecorded.insert(id);
        }
    }

    /// Which number of the account grows: by where the job is now, or, where it is to be tried
    /// again, by how the attempt ended.
    fn number(&mut self, sent: &Outcome, answer: Answer) -> &mut u64 {
        let account = &mut self.account;
        let Answer::Accepted(state) = answer else {
            return &mut account.lease_lost;
        };
        match (state, sent) {
            (JobState::Completed, _) | (_, Outcome::Completed) => &mut account.completed,
            (JobState::Dead, _) | (_, Outcome::Dead { .. }) => &mut account.dead,
            (JobState::Cancelled, _) | (_, Outcome::Cancelled { .. }) => &mut account.cancelled,
            (_, Outcome::Failed { .. }) => &mut account.failed,
            (_, Outcome::Snoozed { .. }) => &mut account.snoozed,
            (_, Outcome::GivenBack) => &mut account.given_back,
            (_, Outcome::Interrupted { .. } | Outcome::Abandoned) => &mut account.interrupted,
        }
    }

    // What it says.

    /// Whether no job waits or runs.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.is_running()
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.iter().any(Option::is_some)
    }

    /// Whether the store has answered all that was sent to it.
    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a job may begin now.
    pub(super) fn has_next(&self, now: Instant) -> bool {
        self.next(now).is_some()
    }

    /// The number of jobs that wait for a thread, and how long they are expected to take. `None`:
    /// nothing more is to be claimed, since a suspect waits, or has this process for itself.
    pub(super) fn queue(&self, now: Instant) -> Option<(usize, Duration)> {
        let queued = self.waiting.iter().filter(|it| !self.is_held(&it.job));
        if self.is_reserved(now) || queued.clone().any(Waiting::is_suspect) {
            return None;
        }
        let add = |(count, time), it: &Waiting| (count + 1, time + it.expected);
        Some(queued.fold((0, Duration::ZERO), add))
    }

    pub(super) fn is_taken_over(&self, id: AttemptId) -> bool {
        self.taken_over.contains(&id)
    }

    /// Whether the attempt is here, and not over.
    pub(super) fn holds(&self, id: AttemptId) -> bool {
        self.find(id).is_some()
            || self.unanswered.contains(&id)
            || self.unrecorded.contains(&id)
            || self.waiting.iter().any(|it| it.job.attempt_id() == id)
    }

    /// The attempt, if it runs.
    pub(super) fn find(&self, id: AttemptId) -> Option<&Arc<Attempt>> {
        self.running
            .iter()
            .flatten()
            .find(|attempt| attempt.id == id)
    }

    pub(super) fn attempts(&self) -> impl Iterator<Item = &Arc<Attempt>> {
        self.running.iter().flatten()
    }

    /// What the threads are at.
    pub(super) fn loads(
        &self,
        mean: impl Fn(&str) -> Option<Duration>,
        now: Instant,
    ) -> impl Iterator<Item = Load> {
        self.running.iter().map(move |attempt| match attempt {
            None => Load::Idle,
            Some(attempt) => Load::Busy {
                expected: mean(&attempt.kind),
                age: attempt.age(now),
            },
        })
    }

    pub(super) fn running_jobs(&self, now: Instant) -> Vec<RunningJob> {
        let running = self.running.iter().flatten();
        running.map(|attempt| running_job(attempt, now)).collect()
    }

    /// The account as of now: what waits counts as unacknowledged, what runs as abandoned.
    pub(super) fn report(&self, now: Instant) -> JobsReport {
        JobsReport {
            unacknowledged: (self.unanswered.len() + self.unrecorded.len() + self.waiting.len())
                as u64,
            abandoned: self.running_jobs(now),
            ..self.account.clone()
        }
    }
}

fn running_job(attempt: &Attempt, now: Instant) -> RunningJob {
    RunningJob {
        id: attempt.id.job,
        kind: attempt.kind.clone(),
        queue: attempt.queue.clone(),
        attempt: attempt.number,
        fence: attempt.id.fence,
        age: attempt.age(now),
        note: attempt.note(),
        progress: attempt
            .progress()
            .map(|progress| (progress.done, progress.of)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::store::{Due, Fence, JobId};
    use std::collections::BTreeMap;
    use std::time::UNIX_EPOCH;

    fn job(id: i64, fence: u64) -> ClaimedJob {
        ClaimedJob {
            id: JobId::new(id),
            fence: Fence::new(fence),
            queue: "mail".to_owned(),
            kind: "send".to_owned(),
            payload: Vec::new(),
            meta: BTreeMap::new(),
            attempt: 1,
            max_attempts: 3,
            lost: 0,
            interrupted: 0,
            first_due: UNIX_EPOCH,
            due: UNIX_EPOCH,
            enqueued_at: UNIX_EPOCH,
            timeout: None,
        }
    }

    fn ledger(jobs: i64) -> Ledger {
        let mut ledger = Ledger::new(2);
        for id in 1..=jobs {
            ledger.claimed(job(id, 1), Duration::from_millis(10), clock::now());
        }
        ledger
    }

    fn begin(ledger: &mut Ledger, slot: usize) -> Option<AttemptId> {
        let (attempt, _) = ledger.begin(slot, clock::now())?;
        Some(attempt.id)
    }

    fn report(ledger: &Ledger) -> JobsReport {
        let report = ledger.report(clock::now());
        assert_eq!(report.claimed(), report.sum()); // invariant 1
        report
    }

    #[test]
    fn each_end_is_counted_by_where_the_job_is_then() {
        let failed = || Outcome::Failed {
            error: String::new(),
            retry: Due::Now,
        };
        let accepted = Answer::Accepted;
        let count = |sent: Outcome, answer| {
            let mut ledger = ledger(1);
            let id = begin(&mut ledger, 0).unwrap();
            assert_eq!(report(&ledger).abandoned().len(), 1);
            ledger.ended(0);
            assert_eq!(report(&ledger).unacknowledged(), 1);
            ledger.answered(id, &sent, answer);
            assert!(ledger.is_answered() && ledger.is_idle());
            report(&ledger).to_string()
        };
        let line = |rest| format!("claimed 1  {rest}");
        for (sent, answer, text) in [
            (
                Outcome::Completed,
                accepted(JobState::Completed),
                "completed 1  failed 0  dead 0",
            ),
            (
                failed(),
                accepted(JobState::Scheduled),
                "completed 0  failed 1  dead 0",
            ),
            (
                failed(),
                accepted(JobState::Available),
                "completed 0  failed 1  dead 0",
            ),
            (
                failed(),
                accepted(JobState::Cancelled),
                "completed 0  failed 0  dead 0  cancelled 1",
            ),
            (
                Outcome::Dead {
                    error: String::new(),
                },
                accepted(JobState::Dead),
                "completed 0  failed 0  dead 1",
            ),
            (
                Outcome::Snoozed { due: Due::Now },
                accepted(JobState::Available),
                "completed 0  failed 0  dead 0  snoozed 1",
            ),
            (
                Outcome::Interrupted { error: None },
                accepted(JobState::Available),
                "completed 0  failed 0  dead 0  interrupted 1",
            ),
            (
                Outcome::Completed,
                Answer::Lost,
                "completed 0  failed 0  dead 0  lease lost 1",
            ),
        ] {
            assert_eq!(count(sent, answer), line(text));
        }
    }

    #[test]
    fn what_has_not_begun_is_given_back_and_counted_when_the_store_has_answered() {
        let mut ledger = ledger(3);
        begin(&mut ledger, 0);
        let given_back = ledger.give_back();
        assert_eq!(given_back.len(), 2);
        assert_eq!(report(&ledger).unacknowledged(), 2);
        for id in given_back {
            ledger.answered(
                id,
                &Outcome::GivenBack,
                Answer::Accepted(JobState::Available),
            );
        }
        let report = report(&ledger);
        assert_eq!((report.given_back(), report.abandoned().len()), (2, 1));
        assert!(begin(&mut ledger, 1).is_none());
    }

    #[test]
    fn a_job_does_not_begin_while_an_older_attempt_of_it_runs_here() {
        let mut ledger = ledger(1);
        begin(&mut ledger, 0);
        ledger.claimed(job(1, 2), Duration::ZERO, clock::now());
        ledger.claimed(job(2, 2), Duration::ZERO, clock::now());
        let second = begin(&mut ledger, 1).unwrap();
        assert_eq!(second.job, JobId::new(2));
        ledger.ended(1);
        assert_eq!(begin(&mut ledger, 1), None);
        ledger.ended(0);
        assert_eq!(begin(&mut ledger, 1).unwrap().fence, Fence::new(2));
    }

    #[test]
    fn what_has_waited_for_a_second_is_given_back_and_the_rest_is_not() {
        let (mut ledger, now) = (Ledger::new(2), clock::now());
        let second = Duration::from_secs(1);
        ledger.claimed(job(1, 1), Duration::ZERO, now);
        ledger.claimed(job(2, 2), Duration::ZERO, now + second / 2);
        assert_eq!(ledger.next_look(now), Some(second));
        assert!(ledger.give_back_late(now + second / 2).is_empty());
        let late = ledger.give_back_late(now + second);
        assert_eq!(late, [job(1, 1).attempt_id()]);
        assert_eq!(ledger.next_look(now + second), Some(second / 2));
        let (attempt, _) = ledger.begin(0, now + second).unwrap();
        assert_eq!(attempt.id.job, JobId::new(2));
        assert!(!ledger.has_next(now + second));
        assert_eq!(report(&ledger).unacknowledged(), 1);
    }

    fn suspect(id: i64, fence: u64) -> ClaimedJob {
        ClaimedJob {
            lost: 2,
            ..job(id, fence)
        }
    }

    #[test]
    fn a_suspect_and_others_wait_for_each_other_but_not_for_long() {
        let (mut ledger, now) = (Ledger::new(3), clock::now());
        ledger.claimed(job(1, 1), Duration::ZERO, now);
        assert!(ledger.begin(0, now).is_some());
        ledger.claimed(suspect(2, 2), Duration::ZERO, now);
        assert_eq!(ledger.queue(now), None); // nothing more is claimed
        let soon = now + ALONE - Duration::from_millis(1);
        assert!(ledger.begin(1, soon).is_none());
        assert!(ledger.give_back_late(soon).is_empty());
        assert_eq!(ledger.next_look(soon), Some(Duration::from_millis(1)));
        ledger.ended(0);
        assert!(ledger.begin(1, soon).is_some());

        let last = soon + ALONE - Duration::from_millis(1);
        ledger.claimed(job(3, 3), Duration::ZERO, last);
        assert!(ledger.begin(2, last).is_none());
        assert_eq!(ledger.next_look(last), Some(Duration::from_millis(1)));
        ledger.give_back();
        assert_eq!(ledger.queue(last), None);
        ledger.claimed(job(3, 4), Duration::ZERO, soon + ALONE);
        assert!(ledger.queue(soon + ALONE).is_some());
        assert!(ledger.begin(2, soon + ALONE).is_some());
    }

    #[test]
    fn suspects_do_not_wait_where_a_long_attempt_would_be_at_risk_in_any_case() {
        let (mut ledger, now) = (Ledger::new(4), clock::now());
        ledger.claimed(job(1, 1), Duration::ZERO, now);
        assert!(ledger.begin(0, now).is_some());
        let later = now + ALONE;
        for slot in 1..3 {
            ledger.claimed(suspect(slot + 1, 2), Duration::ZERO, later);
            assert!(ledger.begin(slot as usize, later).is_some());
            assert!(ledger.queue(later).is_some());
        }
        ledger.claimed(job(5, 5), Duration::ZERO, later);
        assert!(ledger.begin(3, later).is_some());
    }

    #[test]
    fn a_job_that_was_lost_once_runs_beside_others() {
        let (mut ledger, now) = (Ledger::new(3), clock::now());
        for id in 1..=3 {
            let lost = u32::from(id != 2);
            let job = ClaimedJob { lost, ..job(id, 1) };
            ledger.claimed(job, Duration::ZERO, now);
            assert!(ledger.queue(now).is_some());
            assert!(ledger.begin(id as usize - 1, now).is_some());
        }
    }

    #[test]
    fn a_suspect_that_waits_for_its_own_older_attempt_keeps_nothing_else_waiting() {
        let (mut ledger, now) = (Ledger::new(2), clock::now());
        ledger.claimed(job(1, 1), Duration::ZERO, now);
        assert!(ledger.begin(0, now).is_some());
        ledger.claimed(suspect(1, 2), Duration::ZERO, now);
        assert_eq!(ledger.queue(now), Some((0, Duration::ZERO)));
        ledger.claimed(job(2, 3), Duration::ZERO, now);
        let (attempt, _) = ledger.begin(1, now).unwrap();
        assert_eq!(attempt.id.job, JobId::new(2));
        assert!(ledger.give_back_late(now + LONGEST_HOLD / 2).is_empty());
    }

    #[test]
    fn an_end_that_the_store_cannot_record_is_not_awaited_and_stays_unacknowledged() {
        let mut ledger = ledger(1);
        let id = begin(&mut ledger, 0).unwrap();
        ledger.ended(0);
        assert!(!ledger.is_answered());
        ledger.unrecorded(id, &Outcome::Completed);
        assert!(ledger.is_answered() && ledger.holds(id));
        assert_eq!(report(&ledger).unacknowledged(), 1);
    }

    #[test]
    fn after_a_lost_lease_nothing_begins_and_what_runs_is_answered_by_the_store() {
        let mut ledger = ledger(3);
        let id = begin(&mut ledger, 0).unwrap();
        let running = ledger.lose();
        assert_eq!((running.len(), running[0].id), (1, id));
        assert_eq!(report(&ledger).lease_lost(), 2);
        assert!(begin(&mut ledger, 1).is_none());
        ledger.ended(0);
        ledger.answered(id, &Outcome::Completed, Answer::Lost);
        assert_eq!(report(&ledger).lease_lost(), 3);
    }

    #[test]
    fn an_abandoned_job_is_named_until_it_ends_and_sent_once() {
        let mut ledger = ledger(1);
        let id = begin(&mut ledger, 1).unwrap();
        assert_eq!(ledger.abandon(), [id]);
        assert!(ledger.abandon().is_empty());
        ledger.answered(id, &Outcome::Abandoned, Answer::Accepted(JobState::Running));
        assert_eq!(report(&ledger).abandoned()[0].id(), id.job);
        ledger.ended(1);
        ledger.answered(
            id,
            &Outcome::Completed,
            Answer::Accepted(JobState::Completed),
        );
        assert_eq!(report(&ledger).completed(), 1);
    }

    #[test]
    fn an_answer_for_what_is_not_held_here_changes_nothing() {
        let mut ledger = ledger(0);
        let id = job(9, 9).attempt_id();
        ledger.answered(
            id,
            &Outcome::GivenBack,
            Answer::Accepted(JobState::Available),
        );
        assert_eq!(report(&ledger), JobsReport::default());
    }
}
