use super::*;
use crate::jobs::recurring::Recurrence;
use crate::jobs::{Job, NewJob};
use crate::schedule::{MisfirePolicy, Schedule};
use crate::store::JobId;
use std::time::UNIX_EPOCH;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const FIRST: WorkerId = WorkerId::new(1);
const SECOND_PROCESS: WorkerId = WorkerId::new(2);

#[derive(serde::Serialize)]
struct Tidy {
    shelf: u32,
}

impl Job for Tidy {
    const KIND: &'static str = "tidy";
}

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn every(period: Duration) -> Declared {
    declared(Recurrence::new(Schedule::every(period)), 1)
}

fn declared(recurrence: Recurrence, shelf: u32) -> Declared {
    Declared::new("tidy".to_owned(), recurrence, NewJob::of(&Tidy { shelf })).unwrap()
}

/// What the store has after the first declaration.
fn stored(declared: &Declared, now: SystemTime) -> RecurringJob {
    to(&changed(declare(declared, "keeper", None, FIRST, now)))
}

fn changed(declaration: Declaration) -> RecurringChange {
    match declaration {
        Declaration::Change(change) => change,
        other => panic!("not changed: {other:?}"),
    }
}

fn to(change: &RecurringChange) -> RecurringJob {
    change.to.clone().unwrap()
}

fn instants(change: &RecurringChange) -> Vec<SystemTime> {
    let due = change.jobs.iter().map(|job| match job.due {
        Due::At(instant) => instant,
        other => panic!("{other:?}"),
    });
    due.collect()
}

#[test]
fn a_new_recurring_job_is_due_at_its_first_instant_and_then_at_each() {
    let declared = every(HOUR);
    let new = stored(&declared, start());
    assert_eq!((&*new.owner, &*new.key), ("keeper", "tidy"));
    assert_eq!(new.next, Some(start() + HOUR));
    assert!(look(&declared, &new, start() + HOUR - SECOND).is_none());
    let (change, missed) = look(&declared, &new, start() + HOUR).unwrap();
    assert_eq!((instants(&change), missed), (vec![start() + HOUR], 0));
    let after = to(&change);
    assert_eq!(after.next, Some(start() + 2 * HOUR));
    assert_eq!((after.had_until, after.last), (new.next, new.next));
}

#[test]
fn what_was_due_while_no_process_ran_is_made_up_for_by_the_policy() {
    let late = start() + 5 * HOUR + 2 * MINUTE;
    let looked = |policy| {
        let declared = declared(Recurrence::new(Schedule::every(HOUR)).misfire(policy), 1);
        let new = stored(&declared, start());
        let (change, missed) = look(&declared, &new, late).unwrap();
        assert_eq!(to(&change).next, Some(start() + 6 * HOUR));
        assert_eq!(to(&change).had_until, Some(start() + 5 * HOUR));
        (instants(&change), missed)
    };
    assert_eq!(looked(MisfirePolicy::Once), (vec![start() + 5 * HOUR], 4));
    let last = vec![start() + 4 * HOUR, start() + 5 * HOUR];
    assert_eq!(looked(MisfirePolicy::All(2)), (last, 3));
    assert_eq!(looked(MisfirePolicy::Skip), (vec![], 5));
}

#[test]
fn a_declaration_that_the_store_has_is_noted_from_time_to_time() {
    let declared = every(HOUR);
    let new = stored(&declared, start());
    let again = |now| declare(&declared, "keeper", Some(&new), SECOND_PROCESS, now);
    assert!(matches!(again(start() + MINUTE), Declaration::Stands));
    assert!(matches!(again(start() + 2 * MINUTE), Declaration::Touch));
    // The clock was set back a little.
    assert!(matches!(again(start() - MINUTE), Declaration::Touch));
}

#[test]
fn of_two_declarations_that_differ_that_of_the_process_that_started_last_counts() {
    let (old, new) = (every(HOUR), every(2 * HOUR));
    let of_old = stored(&old, start());
    let now = start() + MINUTE;
    let change = changed(declare(&new, "keeper", Some(&of_old), SECOND_PROCESS, now));
    let of_new = to(&change);
    assert_eq!(of_new.next, Some(now + 2 * HOUR));
    assert_eq!(
        (&*of_new.schedule, of_new.declared_by),
        ("every 2h", SECOND_PROCESS)
    );
    // The older process leaves it alone, and does not run it.
    let yields = declare(&old, "keeper", Some(&of_new), FIRST, now + 9 * MINUTE);
    assert!(matches!(yields, Declaration::Yields));
    assert!(look(&old, &of_new, now + 3 * HOUR).is_none());
    // It gets it back when that one is gone.
    let back = changed(declare(
        &old,
        "keeper",
        Some(&of_new),
        FIRST,
        now + 10 * MINUTE,
    ));
    assert_eq!(to(&back).schedule, "every 1h");
}

#[test]
fn of_a_changed_schedule_the_instant_that_was_stored_is_had_if_it_is_due_and_no_other_before() {
    let (old, new) = (every(HOUR), every(10 * MINUTE));
    let of_old = stored(&old, start());
    for (passed, had) in [
        (59 * MINUTE, vec![]),
        (HOUR, vec![start() + HOUR]),
        (5 * HOUR, vec![start() + HOUR]),
    ] {
        let now = start() + passed;
        let change = changed(declare(&new, "keeper", Some(&of_old), SECOND_PROCESS, now));
        assert_eq!(instants(&change), had);
        assert_eq!(to(&change).next, Some(now + 10 * MINUTE));
    }
    // Unless the policy leaves it out, or it is paused.
    let skip = Recurrence::new(Schedule::every(MINUTE)).misfire(MisfirePolicy::Skip);
    let skip = declared(skip, 1);
    let now = start() + 5 * HOUR;
    let change = changed(declare(&skip, "keeper", Some(&of_old), SECOND_PROCESS, now));
    assert_eq!(instants(&change), []);
    let mut paused = of_old;
    paused.paused_at = Some(start());
    let change = changed(declare(&new, "keeper", Some(&paused), SECOND_PROCESS, now));
    assert_eq!(instants(&change), []);
    assert_eq!(to(&change).paused_at, Some(start()));
}

#[test]
fn a_changed_job_alone_leaves_the_instants_as_they_are() {
    let old = every(HOUR);
    let new = declared(Recurrence::new(Schedule::every(HOUR)), 2);
    let of_old = stored(&old, start());
    let now = start() + MINUTE;
    let change = changed(declare(&new, "keeper", Some(&of_old), SECOND_PROCESS, now));
    let of_new = to(&change);
    assert_eq!(of_new.next, of_old.next);
    // The older process enqueues the job of the newer one.
    let (change, _) = look(&old, &of_new, start() + HOUR).unwrap();
    assert_eq!(change.jobs[0].payload, br#"{"shelf":2}"#);
}

#[test]
fn an_instant_that_a_clock_ahead_has_had_is_not_due_again_by_one_behind() {
    let at = Schedule::at(start() + HOUR);
    let old = declared(Recurrence::new(at.clone()), 1);
    let new = declared(Recurrence::new(at).misfire(MisfirePolicy::All(9)), 1);
    let of_old = stored(&old, start());
    let (change, _) = look(&old, &of_old, start() + HOUR).unwrap();
    assert_eq!(instants(&change).len(), 1);
    let behind = start() + HOUR - 5 * SECOND;
    let change = changed(declare(
        &new,
        "keeper",
        change.to.as_ref(),
        SECOND_PROCESS,
        behind,
    ));
    assert_eq!((instants(&change), to(&change).next), (vec![], None));
}

#[test]
fn after_a_pause_nothing_before_its_end_is_due() {
    let declared = declared(
        Recurrence::new(Schedule::every(HOUR)).misfire(MisfirePolicy::All(9)),
        1,
    );
    let mut resumed = stored(&declared, start());
    resumed.had_until = Some(start() + 3 * HOUR);
    let (change, missed) = look(&declared, &resumed, start() + 3 * HOUR).unwrap();
    assert_eq!((instants(&change), missed), (vec![], 0));
    assert_eq!(to(&change).next, Some(start() + 4 * HOUR));
    let (change, _) = look(&declared, &resumed, start() + 4 * HOUR).unwrap();
    assert_eq!(instants(&change), [start() + 4 * HOUR]);
}

#[test]
fn what_a_clock_has_written_that_was_wrong_by_years_counts_no_more() {
    let declared = every(HOUR);
    let years = start() + 10_000 * HOUR;
    let of_wrong = stored(&declared, years);
    let change = changed(declare(
        &declared,
        "keeper",
        Some(&of_wrong),
        FIRST,
        start(),
    ));
    assert_eq!(to(&change).next, Some(start() + HOUR));
    let (change, _) = look(&declared, &of_wrong, years + HOUR).unwrap();
    let change = changed(declare(
        &declared,
        "keeper",
        change.to.as_ref(),
        FIRST,
        start(),
    ));
    assert_eq!(
        (to(&change).next, to(&change).had_until),
        (Some(start() + HOUR), None)
    );
}

#[test]
fn a_declaration_that_makes_no_sense_is_refused_with_what_to_write() {
    let refused =
        |key: &str, recurrence, job| Declared::new(key.to_owned(), recurrence, job).unwrap_err();
    let every = || Recurrence::new(Schedule::every(HOUR));
    let job = || NewJob::of(&Tidy { shelf: 1 });
    let texts = [
        (refused("", every(), job()), "its key is empty"),
        (
            refused("t", Schedule::after(HOUR).into(), job()),
            "write `Schedule::at`",
        ),
        (
            refused("t", every().misfire(MisfirePolicy::All(0)), job()),
            "allow 1, or use `Skip`",
        ),
        (
            refused("t", every(), job().delay(HOUR)),
            "leave out `.delay(..)`",
        ),
        (
            refused("t", every(), job().client_id("c")),
            "a client id would be",
        ),
        (
            refused("t", every(), job().after([JobId::new(7)])),
            "leave out `.after(..)`",
        ),
    ];
    for (text, part) in texts {
        assert!(text.contains(part), "{text}");
    }
}
