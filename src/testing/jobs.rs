//! Durable jobs in the tests of a program.

use crate::clock::{Clock, ManualClock};
use crate::jobs::{Job, Jobs, OneByOne, ThisThread, Workers};
use crate::store::{Cursor, JobDetails, JobFilter, JobId, JobState, MemoryStore, Store};
use serde::de::DeserializeOwned;
use std::fmt;

/// Jobs in memory, for the tests of a program that enqueues and handles jobs: what it has enqueued
/// can be asserted, and jobs are handled one by one on the thread of the test. All times are by a
/// [`ManualClock`].
///
/// For what needs a host, such as recurring jobs, give [`jobs`](Self::jobs) and
/// [`clock`](Self::clock) to a [`Host`](crate::Host).
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::{EnqueueError, Job, JobContext, JobResult, Jobs};
/// use groundcrew::store::JobState;
/// use groundcrew::testing::TestJobs;
/// use std::time::Duration;
///
/// // The program.
/// #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct SendWelcome { user: u64 }
/// impl Job for SendWelcome { const KIND: &'static str = "send-welcome"; }
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Remind { user: u64 }
/// impl Job for Remind { const KIND: &'static str = "remind"; }
///
/// fn sign_up(jobs: &Jobs, user: u64) -> Result<(), EnqueueError> {
///     jobs.enqueue(&SendWelcome { user })?;
///     jobs.job(&Remind { user }).delay(Duration::from_secs(86_400)).enqueue()?;
///     Ok(())
/// }
///
/// fn send_welcome(job: SendWelcome, ctx: &JobContext) -> JobResult {
///     match ctx.attempt() {
///         1 => Err("the server is busy".into()),
///         _ => Ok(assert_eq!(job.user, 7)),
///     }
/// }
///
/// // The test.
/// let test = TestJobs::new();
/// sign_up(test.jobs(), 7)?;
/// test.assert_enqueued(&SendWelcome { user: 7 });
/// let reminder = test.assert_enqueued(&Remind { user: 7 });
/// assert_eq!(reminder.info.state, JobState::Scheduled);
/// assert_eq!(test.enqueued::<SendWelcome>(), [SendWelcome { user: 7 }]);
///
/// let workers = test.workers(|workers| {
///     workers.on(send_welcome).on(|_: Remind, _: &JobContext| ())
/// });
/// let first = workers.run_one().unwrap();
/// assert_eq!(first.info.state, JobState::Scheduled); // it is retried after 15 s
/// assert_eq!(first.attempts[0].error.as_deref(), Some("the server is busy"));
/// assert!(workers.run_one().is_none()); // nothing is due
///
/// test.clock().advance(Duration::from_secs(20));
/// assert_eq!(workers.run_one().unwrap().info.state, JobState::Completed);
/// test.assert_not_enqueued::<SendWelcome>();
///
/// test.clock().advance(Duration::from_secs(86_400));
/// assert_eq!(workers.run_all().len(), 1); // the reminder
/// test.assert_nothing_enqueued();
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct TestJobs {
    jobs: Jobs,
    store: MemoryStore,
    clock: ManualClock,
}

impl TestJobs {
    /// Returns jobs without any, and a clock that stands at the beginning of 2026, in UTC.
    pub fn new() -> TestJobs {
        let clock = ManualClock::new();
        let store = MemoryStore::new().clock(&clock);
        let jobs = Jobs::open(store.clone());
        TestJobs {
            jobs: jobs.expect("a store in memory has a clock"),
            store,
            clock,
        }
    }

    /// Returns what the program gets.
    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Returns the clock of the jobs and of their handlers.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Returns the jobs of this type that are enqueued and have not ended, in the order in which they
    /// were enqueued.
    ///
    /// # Panics
    ///
    /// If the payload of a job of this kind cannot be decoded.
    #[track_caller]
    pub fn enqueued<J: Job + DeserializeOwned>(&self) -> Vec<J> {
        let jobs = self.of_kind(J::KIND).into_iter();
        let decoded = jobs.map(|job| match serde_json::from_slice(&job.payload) {
            Ok(decoded) => decoded,
            Err(error) => panic!("{} cannot be decoded: {error}", shown(&job)),
        });
        decoded.collect()
    }

    /// Asserts that this job is enqueued and has not ended, and returns the first that is equal, by
    /// its JSON, with all that the store has of it.
    ///
    /// # Panics
    ///
    /// If there is none. The message lists the jobs that there are.
    #[track_caller]
    pub fn assert_enqueued<J: Job>(&self, job: &J) -> JobDetails {
        let expected = match serde_json::to_vec(job) {
            Ok(payload) => payload,
            Err(error) => panic!("a job {:?} cannot be written as JSON: {error}", J::KIND),
        };
        let of_kind = self.of_kind(J::KIND).into_iter();
        let found = of_kind.into_iter().find(|job| job.payload == expected);
        found.unwrap_or_else(|| {
            let payload = String::from_utf8_lossy(&expected);
            panic!(
                "no job {:?} with {payload} is enqueued; {}",
                J::KIND,
                self.list()
            )
        })
    }

    /// Asserts that no job of this type is enqueued, except for those that have ended.
    ///
    /// # Panics
    ///
    /// If there is one. The message lists the jobs that there are.
    #[track_caller]
    pub fn assert_not_enqueued<J: Job>(&self) {
        let found = self.of_kind(J::KIND);
        let (kind, list) = (J::KIND, self.list());
        assert!(found.is_empty(), "a job {kind:?} is enqueued; {list}");
    }

    /// Asserts that no job is enqueued, except for those that have ended.
    ///
    /// # Panics
    ///
    /// If there is one. The message lists the jobs that there are.
    #[track_caller]
    pub fn assert_nothing_enqueued(&self) {
        let found = self.all();
        assert!(found.is_empty(), "jobs are enqueued; {}", self.list());
    }

    /// Declares workers for the thread of the test, as those of
    /// [`Jobs::work_until_empty`](crate::jobs::Jobs::work_until_empty).
    ///
    /// # Panics
    ///
    /// If the declaration is not valid. The message says what to write instead.
    #[track_caller]
    pub fn workers(
        &self,
        workers: impl FnOnce(Workers<ThisThread>) -> Workers<ThisThread>,
    ) -> TestWorkers<'_> {
        match OneByOne::new(workers) {
            Ok(one_by_one) => TestWorkers {
                test: self,
                one_by_one,
            },
            Err(error) => panic!("{error}"),
        }
    }

    /// What has not ended, in the order of the ids.
    fn all(&self) -> Vec<JobDetails> {
        self.ids(|state| !state.is_ended())
    }

    fn of_kind(&self, kind: &str) -> Vec<JobDetails> {
        let mut all = self.all();
        all.retain(|job| job.info.kind == kind);
        all
    }

    fn ids(&self, is_wanted: impl Fn(JobState) -> bool) -> Vec<JobDetails> {
        let states = JobState::ALL.into_iter().filter(|state| is_wanted(*state));
        let mut ids: Vec<JobId> = states.flat_map(|state| self.in_state(state)).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.get(id)).collect()
    }

    fn in_state(&self, state: JobState) -> Vec<JobId> {
        let page = self
            .store
            .list(&JobFilter::new(state), None::<Cursor>, usize::MAX);
        let jobs = page.map(|page| page.jobs).unwrap_or_default();
        jobs.iter().map(|job| job.id).collect()
    }

    fn get(&self, id: JobId) -> Option<JobDetails> {
        self.store.get(id).ok().flatten()
    }

    fn list(&self) -> String {
        let all: Vec<String> = self.all().iter().map(shown).collect();
        match all.is_empty() {
            true => "there are no jobs".to_owned(),
            false => format!("there are {}", all.join(", ")),
        }
    }

    /// The job that was claimed last, of all.
    fn claimed_last(&self) -> Option<JobDetails> {
        let all = self.ids(|_| true).into_iter();
        all.max_by_key(|job| job.info.fence)
    }
}

fn shown(job: &JobDetails) -> String {
    let payload = String::from_utf8_lossy(&job.payload);
    let JobDetails { info, .. } = job;
    format!(
        "job {} {:?} with {payload} ({})",
        info.id, info.kind, info.state
    )
}

impl Default for TestJobs {
    fn default() -> TestJobs {
        TestJobs::new()
    }
}

impl fmt::Debug for TestJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestJobs")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Workers that handle the jobs of a test, one by one. Returned by [`TestJobs::workers`].
#[derive(Debug)]
pub struct TestWorkers<'a> {
    test: &'a TestJobs,
    one_by_one: OneByOne,
}

impl TestWorkers<'_> {
    /// Handles the job that is next by queue, priority and due time, on this thread, and returns it as
    /// it is after that; `None` if none is due of their kinds and in their queues. A panic of the
    /// handler is a failed attempt.
    ///
    /// # Panics
    ///
    /// If a handler cannot be made.
    #[track_caller]
    pub fn run_one(&self) -> Option<JobDetails> {
        let mut clock = Clock::default();
        clock.manual = Some(self.test.clock.clone());
        match self.one_by_one.run(&self.test.jobs, clock) {
            Ok(true) => self.test.claimed_last(),
            Ok(false) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Handles jobs until none is due, those included that handlers enqueue, and returns them in
    /// order.
    ///
    /// # Panics
    ///
    /// As [`run_one`](Self::run_one).
    #[track_caller]
    pub fn run_all(&self) -> Vec<JobDetails> {
        std::iter::from_fn(|| self.run_one()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobContext;
    use crate::unwind;
    use std::time::Duration;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Count {
        to: u32,
    }

    impl Job for Count {
        const KIND: &'static str = "count";
    }

    #[derive(serde::Serialize)]
    struct Other;

    impl Job for Other {
        const KIND: &'static str = "other";
    }

    fn text_of_panic(call: impl FnOnce()) -> String {
        let payload = unwind::catch(call).unwrap_err();
        let text = unwind::text(&*payload).to_owned();
        unwind::drop_payload(payload);
        text
    }

    #[test]
    fn an_assertion_that_fails_lists_the_jobs_that_there_are() {
        let test = TestJobs::new();
        let none = text_of_panic(|| drop(test.assert_enqueued(&Other)));
        let text = "no job \"other\" with null is enqueued; there are no jobs";
        assert_eq!(none, text);
        test.jobs().enqueue(&Count { to: 3 }).unwrap();
        let job = test.jobs().job(&Count { to: 5 });
        job.delay(Duration::from_secs(1)).enqueue().unwrap();
        let list = "there are job 1 \"count\" with {\"to\":3} (available), job 2 \"count\" with \
                    {\"to\":5} (scheduled)";
        let text = text_of_panic(|| drop(test.assert_enqueued(&Count { to: 4 })));
        assert_eq!(
            text,
            format!("no job \"count\" with {{\"to\":4}} is enqueued; {list}")
        );
        test.assert_not_enqueued::<Other>();
        let text = text_of_panic(|| test.assert_not_enqueued::<Count>());
        assert_eq!(text, format!("a job \"count\" is enqueued; {list}"));
        let text = text_of_panic(|| test.assert_nothing_enqueued());
        assert_eq!(text, format!("jobs are enqueued; {list}"));
        assert_eq!(test.enqueued::<Count>(), [Count { to: 3 }, Count { to: 5 }]);
    }

    #[test]
    fn jobs_are_handled_one_by_one_on_the_thread_of_the_test_by_its_clock() {
        let test = TestJobs::new();
        let of_test = std::thread::current().id();
        let jobs = test.jobs().clone();
        let clock = test.clock().clone();
        let workers = test.workers(|workers| {
            workers.on(move |job: Count, ctx: &JobContext| {
                assert_eq!(std::thread::current().id(), of_test);
                assert_eq!(ctx.clock().wall(), clock.wall());
                if job.to > 0 {
                    jobs.job(&Count { to: job.to - 1 })
                        .delay(Duration::from_secs(60))
                        .enqueue()?;
                }
                Ok(())
            })
        });
        test.jobs().enqueue(&Count { to: 2 }).unwrap();
        test.jobs()
            .job(&Count { to: 0 })
            .priority(1)
            .enqueue()
            .unwrap();
        let payload = |job: JobDetails| String::from_utf8(job.payload).unwrap();
        assert_eq!(
            workers.run_one().map(payload),
            Some(r#"{"to":0}"#.to_owned())
        );
        assert_eq!(test.enqueued::<Count>(), [Count { to: 2 }]);
        assert_eq!(workers.run_all().len(), 1);
        for _ in 0..2 {
            assert_eq!(workers.run_one(), None);
            test.clock().advance(Duration::from_secs(60));
            let ran = workers.run_one().unwrap();
            assert_eq!(ran.info.state, JobState::Completed);
            assert_eq!(ran.info.first_due, test.clock().wall());
        }
        test.assert_nothing_enqueued();
    }

    #[test]
    fn workers_that_make_no_sense_are_refused_with_what_to_write() {
        let test = TestJobs::new();
        let text = text_of_panic(|| drop(test.workers(|workers| workers)));
        assert!(text.contains("add one with `.on(..)`"), "{text}");
    }
}
