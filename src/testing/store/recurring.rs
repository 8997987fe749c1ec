//! What a store keeps of recurring jobs, and how they change.

use super::checks;
use super::probe::{HOUR, MS, Probe, a, at_once, with};
use super::random::Random;
use crate::store::{
    Due, JobId, JobSpec, JobState, Limit, RecurringAnswer, RecurringChange, RecurringJob,
    StoreError, WorkerId,
};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

checks![
    a_recurring_job_is_there_with_all_that_it_was_given,
    a_recurring_job_changes_only_from_the_revision_that_was_seen,
    no_revision_comes_back_with_a_recurring_job_that_was_removed,
    a_change_enqueues_its_jobs_with_their_own_due_times,
    a_change_leaves_out_a_job_whose_unique_key_is_held,
    a_job_that_is_refused_keeps_all_changes_of_the_call_from_being_made,
    of_many_processes_that_saw_the_same_revision_one_makes_its_change,
    those_are_due_whose_instant_has_come_unless_they_are_paused,
    a_touch_changes_when_a_recurring_job_was_declared_and_its_revision,
    an_enqueue_at_an_instant_changes_the_version_at_once,
    recurring_jobs_change_at_random_as_those_of_a_plain_map,
];

fn new(probe: &Probe, key: &str) -> RecurringJob {
    RecurringJob::new("mailer", key, a(), WorkerId::new(1), probe.time())
}

/// Makes one change; the ids of what it has enqueued, or `None` if it was outdated.
fn make(probe: &Probe, change: RecurringChange) -> Option<Vec<Option<JobId>>> {
    let mut answers = probe.change_recurring(&[change]).expect("change failed");
    assert_eq!(answers.len(), 1, "each change has one answer");
    match answers.remove(0) {
        RecurringAnswer::Changed(jobs) => Some(jobs),
        RecurringAnswer::Outdated => None,
    }
}

/// As another process reads it.
fn read(probe: &Probe, key: &str) -> RecurringJob {
    let found = probe.other().recurring(Some("mailer"), Some(key));
    let mut found = found.expect("recurring failed");
    assert_eq!(found.len(), 1, "there should be one {key}");
    found.remove(0)
}

fn added(probe: &Probe, key: &str, set: impl FnOnce(&mut RecurringJob)) -> RecurringJob {
    let mut job = new(probe, key);
    set(&mut job);
    assert_eq!(make(probe, RecurringChange::add(job)), Some(vec![]));
    read(probe, key)
}

fn a_recurring_job_is_there_with_all_that_it_was_given(probe: &Probe) {
    let now = probe.time();
    let spec = with(a(), |job| {
        job.priority = -3;
        job.payload = vec![0, 255, 7];
        job.meta.insert("trace".to_owned(), "4bf9".to_owned());
        job.max_attempts = Some(7);
        job.timeout = Some(HOUR);
        job.expires = Some(5 * MS);
        job.unique_key = Some("seven".to_owned());
        job.limit = Some(Limit {
            key: "smtp".to_owned(),
            max: 2,
        });
    });
    let given = |key: &str| {
        let mut job = RecurringJob::new("mailer", key, spec.clone(), WorkerId::new(3), now);
        job.schedule = "every 1h".to_owned();
        job.missed = "once".to_owned();
        job.next = Some(now + HOUR);
        job.had_until = Some(now);
        job.last = Some(now - HOUR);
        job.last_job = Some(JobId::new(9));
        job.paused_at = Some(now - 2 * HOUR);
        job
    };
    let bare = new(probe, "b");
    let changes = [given("c"), bare.clone(), given("a")].map(RecurringChange::add);
    probe.change_recurring(&changes).expect("change failed");
    let of_other = RecurringJob {
        owner: "other".to_owned(),
        ..bare.clone()
    };
    make(probe, RecurringChange::add(of_other.clone()));

    let without_revision = |mut job: RecurringJob| {
        assert!(job.revision > 0);
        job.revision = 0;
        job
    };
    let list = |owner, key| {
        let listed = probe
            .other()
            .recurring(owner, key)
            .expect("recurring failed");
        listed.into_iter().map(without_revision).collect::<Vec<_>>()
    };
    let own = [given("a"), bare.clone(), given("c")];
    assert_eq!(list(Some("mailer"), None), own);
    let all: Vec<_> = own.into_iter().chain([of_other.clone()]).collect();
    assert_eq!(list(None, None), all);
    assert_eq!(list(None, Some("b")), [bare, of_other]);
    assert_eq!(list(Some("mailer"), Some("x")), []);
    assert_eq!(probe.total(), 0, "a recurring job is not a job");
}

fn a_recurring_job_changes_only_from_the_revision_that_was_seen(probe: &Probe) {
    let first = added(probe, "tidy", |_| {});
    let add_again = RecurringChange::add(new(probe, "tidy")).enqueue(a());
    assert_eq!(make(probe, add_again), None);

    let mut second = first.clone();
    second.schedule = "every 2h".to_owned();
    let change = RecurringChange::set(second.clone()).enqueue(a());
    assert_eq!(make(probe, change.clone()).map(|jobs| jobs.len()), Some(1));
    let stored = read(probe, "tidy");
    assert!(stored.revision > first.revision);
    assert_eq!(stored.schedule, "every 2h");

    assert_eq!(make(probe, change), None, "it was seen before the change");
    assert_eq!(make(probe, RecurringChange::remove(&first)), None);
    assert_eq!(read(probe, "tidy"), stored);
    assert_eq!(probe.total(), 1, "what is outdated enqueues nothing");
    assert_eq!(make(probe, RecurringChange::remove(&stored)), Some(vec![]));
    assert_eq!(probe.other().recurring(None, None), Ok(vec![]));
    assert_eq!(make(probe, RecurringChange::set(stored)), None);
}

fn no_revision_comes_back_with_a_recurring_job_that_was_removed(probe: &Probe) {
    let first = added(probe, "tidy", |_| {});
    make(probe, RecurringChange::remove(&first));
    added(probe, "tidy", |_| {});
    assert_eq!(make(probe, RecurringChange::set(first)), None);
}

fn a_change_enqueues_its_jobs_with_their_own_due_times(probe: &Probe) {
    let stored = added(probe, "tidy", |_| {});
    let now = probe.time();
    let at = |instant| with(a(), |job| job.due = Due::At(instant));
    let change = RecurringChange::set(stored)
        .enqueue(at(now - HOUR))
        .enqueue(at(now + HOUR));
    let jobs = make(probe, change).expect("it was seen");
    let jobs: Vec<JobId> = jobs.into_iter().flatten().collect();
    assert_eq!(jobs.len(), 2);
    let (past, future) = (probe.info(jobs[0]), probe.info(jobs[1]));
    assert_eq!(past.state, JobState::Available);
    assert_eq!((past.due, past.first_due), (now - HOUR, now - HOUR));
    assert_eq!(
        (future.state, future.due),
        (JobState::Scheduled, now + HOUR)
    );
    assert_eq!(read(probe, "tidy").last_job, Some(jobs[1]));

    let unchanged = RecurringChange::set(read(probe, "tidy"));
    make(probe, unchanged);
    assert_eq!(read(probe, "tidy").last_job, Some(jobs[1]));
}

fn a_change_leaves_out_a_job_whose_unique_key_is_held(probe: &Probe) {
    let unique = || with(a(), |job| job.unique_key = Some("seven".to_owned()));
    let first = added(probe, "first", |_| {});
    let second = added(probe, "second", |_| {});
    let changes = [
        RecurringChange::set(first).enqueue(unique()),
        RecurringChange::set(second).enqueue(unique()).enqueue(a()),
    ];
    let answers = probe.change_recurring(&changes).expect("change failed");
    let jobs = answers.into_iter().map(|answer| match answer {
        RecurringAnswer::Changed(jobs) => jobs,
        RecurringAnswer::Outdated => panic!("nothing else has changed it"),
    });
    let jobs: Vec<_> = jobs.collect();
    let is_enqueued = |jobs: &[Option<JobId>]| jobs.iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(is_enqueued(&jobs[0]), [true]);
    assert_eq!(is_enqueued(&jobs[1]), [false, true]);
    assert_eq!(probe.total(), 2);
    assert_eq!(read(probe, "second").last_job, jobs[1][1]);
}

fn a_job_that_is_refused_keeps_all_changes_of_the_call_from_being_made(probe: &Probe) {
    let large = with(a(), |job| job.payload = vec![b' '; probe.max_payload() + 1]);
    let stored = added(probe, "tidy", |_| {});
    let mut of_large = new(probe, "large");
    of_large.job = large.clone();
    let refused = [
        RecurringChange::set(stored.clone()).enqueue(large),
        RecurringChange::add(of_large),
    ];
    for one in refused {
        let changes = [RecurringChange::add(new(probe, "other")).enqueue(a()), one];
        let answer = probe.change_recurring(&changes);
        assert!(matches!(answer, Err(StoreError::PayloadTooLarge { .. })));
        assert_eq!(probe.recurring(None, None), Ok(vec![stored.clone()]));
        assert_eq!(probe.total(), 0);
    }
}

fn of_many_processes_that_saw_the_same_revision_one_makes_its_change(probe: &Probe) {
    for round in 0..4 {
        let key = format!("tidy-{round}");
        let stored = added(probe, &key, |_| {});
        let handles = probe.handles();
        let answers = at_once(4, |thread| {
            let change = RecurringChange::set(stored.clone()).enqueue(a());
            handles[thread % 2].change_recurring(&[change])
        });
        let made = answers
            .into_iter()
            .filter(|answer| *answer != Ok(vec![RecurringAnswer::Outdated]));
        assert_eq!(made.count(), 1);
        assert_eq!(probe.total(), round + 1);
    }
}

fn those_are_due_whose_instant_has_come_unless_they_are_paused(probe: &Probe) {
    let now = probe.time();
    let due_at = |key: &str, at: SystemTime| added(probe, key, |job| job.next = Some(at));
    due_at("b", now - HOUR);
    due_at("a", now - HOUR);
    due_at("earliest", now - 2 * HOUR);
    due_at("later", now + 2 * HOUR);
    due_at("next", now + HOUR);
    added(probe, "never", |_| {});
    added(probe, "paused", |job| {
        job.next = Some(now - HOUR);
        job.paused_at = Some(now);
    });
    added(probe, "paused later", |job| {
        job.next = Some(now + MS);
        job.paused_at = Some(now);
    });
    let of_other = RecurringJob {
        owner: "other".to_owned(),
        next: Some(now),
        ..new(probe, "a")
    };
    make(probe, RecurringChange::add(of_other));

    let due = probe.other().due_recurring("mailer").expect("due failed");
    let keys: Vec<&str> = due.jobs.iter().map(|job| job.key.as_str()).collect();
    assert_eq!(keys, ["earliest", "a", "b"]);
    assert_eq!(due.jobs[0], read(probe, "earliest"));
    let wait = due.next.expect("another one is due in an hour");
    assert!(
        wait <= HOUR && wait > HOUR - Duration::from_secs(60),
        "{wait:?}"
    );

    let mut paused = read(probe, "paused");
    paused.paused_at = None;
    make(probe, RecurringChange::set(paused));
    let due = probe.due_recurring("mailer").expect("due failed");
    assert_eq!(due.jobs.len(), 4);
    let nothing = probe.due_recurring("nobody").expect("due failed");
    assert_eq!((nothing.jobs, nothing.next), (vec![], None));
}

fn a_touch_changes_when_a_recurring_job_was_declared_and_its_revision(probe: &Probe) {
    let long_ago = probe.time() - HOUR;
    let before = ["a", "b", "c"].map(|key| added(probe, key, |job| job.declared_at = long_ago));
    let touched = probe.other().touch_recurring("mailer", &["a", "c", "x"]);
    touched.expect("touch failed");
    for old in before {
        let stored = read(probe, &old.key);
        if old.key == "b" {
            assert_eq!(stored, old);
            continue;
        }
        assert!(stored.declared_at > long_ago && stored.revision > old.revision);
        let (declared_at, revision) = (old.declared_at, old.revision);
        let as_before = RecurringJob {
            declared_at,
            revision,
            ..stored
        };
        assert_eq!(as_before, old);
        assert_eq!(make(probe, RecurringChange::remove(&old)), None);
    }
    let all = probe.recurring(None, None).expect("recurring failed");
    assert_eq!(all.len(), 3, "nothing is added by a touch");
}

fn an_enqueue_at_an_instant_changes_the_version_at_once(probe: &Probe) {
    let stored = added(probe, "tidy", |_| {});
    let seen = probe.version();
    make(probe, RecurringChange::set(stored).enqueue(a()));
    assert_ne!(probe.wait_for_change(seen, HOUR), seen);
}

/// What the map knows of a recurring job: its schedule, its revision.
type Plain = BTreeMap<&'static str, (String, u64)>;

fn recurring_jobs_change_at_random_as_those_of_a_plain_map(probe: &Probe) {
    const KEYS: [&str; 3] = ["a", "b", "c"];
    let mut random = Random(7);
    let mut plain = Plain::new();
    let mut seen: Vec<RecurringJob> = Vec::new();
    let mut enqueued = 0;
    for step in 0..200 {
        let key = random.of(&KEYS);
        let outdated = |job: &&RecurringJob| job.key == key;
        let known = seen.iter().rev().filter(outdated);
        let known = known.take(2).nth(random.below(2) as usize).cloned();
        let mut change = match (known, random.below(5)) {
            (None, _) | (_, 0) => RecurringChange::add(new(probe, key)),
            (Some(job), 1) => RecurringChange::remove(&job),
            (Some(job), _) => RecurringChange::set(job),
        };
        if let Some(to) = &mut change.to {
            to.schedule = format!("step {step}");
        }
        let many = random.below(3) as usize;
        change.jobs = vec![JobSpec::new("a", "payload"); many];
        let current = plain.get(key).map(|(_, revision)| *revision);
        let is_made = current == change.seen;
        let to = change.to.as_ref().map(|to| to.schedule.clone());
        let answer = make(probe, change);
        assert_eq!(answer.is_some(), is_made, "step {step}");
        if is_made {
            enqueued += many as u64;
            plain.remove(key);
            if let Some(schedule) = to {
                let stored = read(probe, key);
                plain.insert(key, (schedule, stored.revision));
                seen.push(stored);
            }
        }
        let all = probe
            .other()
            .recurring(None, None)
            .expect("recurring failed");
        let all = all
            .into_iter()
            .map(|job| (job.key, (job.schedule, job.revision)));
        let expected = plain
            .iter()
            .map(|(key, of)| ((*key).to_owned(), of.clone()));
        assert!(all.eq(expected), "step {step}");
        assert_eq!(probe.total(), enqueued, "step {step}");
    }
}
