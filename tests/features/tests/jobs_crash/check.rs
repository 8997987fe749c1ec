//! What has to hold in the end, whatever happened.
//!
//! 1. Each acknowledged job is completed, dead or cancelled, and a client id is one job.
//! 2. No job is completed twice. What is completed, the handler has returned `Ok` for, in the
//!    attempt of that fence.
//! 3. Each claim and each takeover raises the fence of the job.
//! 4. No job has more attempts than it may have.
//! 5. No attempt begins twice. From one attempt of a job to the next that begins, the number grows,
//!    unless the first was interrupted or snoozed; what has begun is never given back.
//! 6. The next attempt of a job begins after the last, except where a process was frozen while its
//!    lease was taken over.
//! 7. Nothing runs, no process has a lease, and no locked file is left.
//! 8. The account of each report adds up, and agrees with the witness.
//! 9. The counts of the store are right, and the file is sound.

use crate::records::{AllRecords, Line, Said};
use crate::witness::{Change, RUNNING};
use groundcrew::store::sqlite::rusqlite::Connection;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

/// What does not hold.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn unless(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }
}

/// `taken_over`: the processes whose leases the parent took over.
pub(crate) fn check(records: &AllRecords, database: &Path, taken_over: &[u32]) {
    let conn = Connection::open(database).unwrap();
    let changes = Change::all(&conn);
    println!(
        "{} jobs acknowledged, {} runs begun, {} changes in the store",
        records.enqueued.len(),
        of(records, Said::Begun).count(),
        changes.len()
    );
    let mut faults = Faults(records.complaints.clone());
    every_acknowledged_job_has_ended(&mut faults, records, &conn);
    completions(&mut faults, records, &changes);
    fences_and_attempts(&mut faults, &changes);
    beginnings(&mut faults, records, &changes, taken_over);
    accounts(&mut faults, records, &changes, &conn);
    nothing_is_left(&mut faults, &conn, database);
    let first: Vec<&String> = faults.0.iter().take(20).collect();
    assert!(first.is_empty(), "{} faults: {first:#?}", faults.0.len());
}

fn of(records: &AllRecords, said: Said) -> impl Iterator<Item = &Line> {
    records.log.iter().filter(move |line| line.said == said)
}

fn every_acknowledged_job_has_ended(faults: &mut Faults, records: &AllRecords, conn: &Connection) {
    let query = "SELECT job, coalesce(state, -1) FROM groundcrew_client LEFT JOIN groundcrew_job
        ON id = job WHERE client_id = ?1";
    let mut statement = conn.prepare(query).unwrap();
    for (client_id, id) in &records.enqueued {
        let read = statement.query_row([client_id], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        let has_ended = matches!(&read, Ok((job, state)) if job == id && *state > RUNNING);
        faults.unless(has_ended, || {
            format!("{client_id}, job {id}: its job and state are {read:?}")
        });
    }
}

fn completions(faults: &mut Faults, records: &AllRecords, changes: &[Change]) {
    let successes: HashSet<(i64, i64)> = of(records, Said::Succeeds)
        .map(|line| (line.id, line.fence))
        .collect();
    let mut completed = HashSet::new();
    for change in changes.iter().filter(|change| change.completes()) {
        let is_first = completed.insert(change.job);
        faults.unless(is_first, || format!("completed twice: {change:?}"));
        let has_succeeded = successes.contains(&(change.job, change.fence));
        faults.unless(has_succeeded, || {
            format!("completed without success: {change:?}")
        });
    }
}

fn fences_and_attempts(faults: &mut Faults, changes: &[Change]) {
    let mut last: HashMap<i64, i64> = HashMap::new();
    for change in changes {
        let before = last.insert(change.job, change.new_fence);
        let before = before.unwrap_or_default();
        let grows = change.new_fence > before || !change.is_claim();
        let holds = change.fence == before && change.new_fence >= before && grows;
        faults.unless(holds, || format!("a fence: {before}, then {change:?}"));
        let counts = !change.is_claim() || change.new_attempt == change.attempt + 1;
        let is_allowed = change
            .max_attempts
            .is_none_or(|max| change.new_attempt <= max);
        faults.unless(counts && is_allowed, || format!("an attempt: {change:?}"));
    }
}

fn beginnings(faults: &mut Faults, records: &AllRecords, changes: &[Change], taken_over: &[u32]) {
    let snoozed: HashSet<(i64, i64)> = of(records, Said::Snoozes)
        .map(|line| (line.id, line.fence))
        .collect();
    // How each attempt ended.
    let ends: HashMap<(i64, i64), &Change> = changes
        .iter()
        .filter(|change| change.state == RUNNING && change.new_state != RUNNING)
        .map(|change| ((change.job, change.fence), change))
        .collect();
    let mut begun = HashSet::new();
    let mut last: HashMap<i64, &Line> = HashMap::new();
    for line in of(records, Said::Begun) {
        let key = (line.id, line.fence);
        let was_frozen = taken_over.contains(&line.pid);
        faults.unless(begun.insert(key), || format!("began twice: {line:?}"));
        let is_given_back = ends.get(&key).is_some_and(|end| end.is_undone());
        faults.unless(
            !is_given_back || snoozed.contains(&key) || was_frozen,
            || format!("began, and was given back: {line:?}, {:?}", ends.get(&key)),
        );
        if let Some(before) = last.insert(line.id, line) {
            let was_frozen = was_frozen || taken_over.contains(&before.pid);
            let is_later = before.fence < line.fence;
            faults.unless(is_later || was_frozen, || {
                format!("an older attempt after a newer one: {before:?}, {line:?}")
            });
        }
    }
    let mut lines: Vec<&Line> = of(records, Said::Begun).collect();
    lines.sort_by_key(|line| (line.id, line.fence));
    for pair in lines.windows(2).filter(|pair| pair[0].id == pair[1].id) {
        let end = ends.get(&(pair[0].id, pair[0].fence));
        let does_not_count = end.is_some_and(|end| end.interruptions > 0 || end.is_undone());
        faults.unless(does_not_count || pair[0].attempt < pair[1].attempt, || {
            format!("an attempt that does not grow: {pair:?}, {end:?}")
        });
    }
}

fn accounts(faults: &mut Faults, records: &AllRecords, changes: &[Change], conn: &Connection) {
    let query = "SELECT worker, pid FROM witness_worker";
    let mut statement = conn.prepare(query).unwrap();
    let pids = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?)));
    let pids: HashMap<i64, u32> = pids.unwrap().map(Result::unwrap).collect();
    let mut completed: HashMap<u32, u64> = HashMap::new();
    for change in changes.iter().filter(|change| change.completes()) {
        let pid = change.worker.and_then(|worker| pids.get(&worker));
        *completed.entry(*pid.unwrap()).or_default() += 1;
    }
    for account in &records.accounts {
        let completed = completed.get(&account.pid).copied().unwrap_or_default();
        let most = account.completed + account.open;
        faults.unless((account.completed..=most).contains(&completed), || {
            format!("{account:?}: {completed} in the store")
        });
    }
}

fn nothing_is_left(faults: &mut Faults, conn: &Connection, database: &Path) {
    let none = [
        ("job that has not ended", "groundcrew_job WHERE state < 5"),
        ("lease", "groundcrew_worker"),
        (
            "wrong count",
            "(SELECT lane, state, count(*) AS found FROM groundcrew_job GROUP BY lane, state)
                FULL JOIN (SELECT * FROM groundcrew_count WHERE n > 0) USING (lane, state)
                WHERE found IS NOT n",
        ),
    ];
    for (what, of) in none {
        let query = format!("SELECT count(*) FROM {of}");
        let count: i64 = conn.query_row(&query, [], |row| row.get(0)).unwrap();
        faults.unless(count == 0, || format!("{what}: {count}"));
    }
    let sound: String = conn
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    faults.unless(sound == "ok", || sound.clone());
    let folder = format!("{}-groundcrew", database.display());
    let locked = fs::read_dir(folder).unwrap();
    let locked: Vec<_> = locked.map(|entry| entry.unwrap().file_name()).collect();
    faults.unless(locked.is_empty(), || format!("locked files: {locked:?}"));
}
