//! Files in which something was overwritten at random.

use super::processes::{Player, say};
use super::{claim, completed, job, register, store, with_client_id};
use fastrand::Rng;
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::{
    Due, Finish, JobFilter, JobId, JobState, LostJob, Outcome, ProcessInfo, Store, StoreError,
};
use std::path::Path;
use std::time::Duration;
use std::{fs, panic, process};

const ROUNDS: u64 = 200;

/// Jobs in many states, with payloads of one page and of several.
fn fill(store: &SqliteStore) -> Result<(), StoreError> {
    let worker = register(store);
    for n in 0..30 {
        let mut one = with_client_id(format!("job {n}"));
        one.payload = vec![b' '; n * n * 20];
        one.due = [Due::Now, Due::After(Duration::from_secs(n as u64))][n % 2];
        one.unique_key = (n % 3 == 0).then(|| format!("key {n}"));
        store.enqueue(vec![one, job()])?;
    }
    let claimed = claim(store, worker, 20)?;
    let outcomes = [
        Outcome::Completed,
        Outcome::Dead {
            error: "no".to_owned(),
        },
        Outcome::Failed {
            error: "not yet".to_owned(),
            retry: Due::Now,
        },
    ];
    let ends = claimed.jobs[..12].iter().zip(outcomes.iter().cycle());
    let ends = ends.map(|(job, outcome)| Finish {
        attempt: job.attempt_id(),
        outcome: outcome.clone(),
    });
    store.finish(&ends.collect::<Vec<_>>())?;
    Ok(())
}

fn mangle(bytes: &mut Vec<u8>, rng: &mut Rng) {
    const PAGE: usize = 4096;
    let page = |rng: &mut Rng, length: usize| rng.usize(..length / PAGE) * PAGE;
    match rng.u32(0..6) {
        0 => bytes.truncate(rng.usize(..bytes.len())),
        1 => {
            let at = page(rng, bytes.len());
            bytes[at..at + PAGE].fill(rng.u8(..));
        }
        2 => {
            let (from, to) = (page(rng, bytes.len()), page(rng, bytes.len()));
            bytes.copy_within(from..from + PAGE, to);
        }
        _ => {
            for _ in 0..rng.u32(1..200) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
        }
    }
}

/// Uses a store for all that it does. Whatever fails, the rest is still tried.
fn use_all(path: &Path) -> Result<(), StoreError> {
    let store = SqliteStore::open(path)?;
    let process = ProcessInfo {
        host: "machine".to_owned(),
        pid: 1,
        boot: "boot".to_owned(),
    };
    if let Ok(worker) = store.register(&process) {
        for _ in 0..3 {
            let Ok(claimed) = claim(&store, worker, 10) else {
                break;
            };
            let _ = store.finish(&completed(&claimed));
        }
        let _ = store.held(worker);
        let _ = store.renew(worker);
        let _ = store.withdraw(worker);
    }
    let judge = |lost: &LostJob| lost.outcome(Duration::ZERO, 100);
    for worker in store.workers().unwrap_or_default() {
        let _ = store.take_over(worker.id, worker.beat, &judge);
    }
    for n in 1..=60 {
        let id = JobId::new(n);
        let _ = store.get(id);
        match n % 4 {
            0 => drop(store.cancel(id)),
            1 => drop(store.retry(id)),
            2 => drop(store.delete(id)),
            _ => {}
        }
    }
    let states = [JobState::Available, JobState::Scheduled, JobState::Running];
    for state in [JobState::Completed, JobState::Dead, JobState::Cancelled] {
        let _ = store.list(&JobFilter::new(state), None, 50);
        let _ = store.prune(state, Duration::ZERO, 100);
    }
    for state in states {
        let _ = store.list(&JobFilter::new(state), None, 50);
    }
    let _ = store.enqueue(vec![job(), with_client_id("job 3")]);
    let _ = store.promote_due(100);
    let _ = store.cancel_expired(100);
    let _ = store.counts();
    let _ = store.oldest_available("default");
    Ok(())
}

/// Opens and uses the numbered files beside the path.
pub(super) fn try_all(path: &Path) {
    // Of whatever thread: those of the store are caught.
    panic::set_hook(Box::new(|info| {
        say(&format!("panic {info}"));
        process::exit(1);
    }));
    let mut opened = 0;
    for round in 0..ROUNDS {
        say(&format!("round {round}"));
        opened += u32::from(use_all(&path.with_file_name(format!("{round}"))).is_ok());
    }
    say(&format!("opened {opened}"));
}

/// In a process of its own, which shows how it ends.
#[test]
fn whatever_is_overwritten_in_a_file_a_store_on_it_answers_and_does_not_panic() {
    let (folder, path, store) = store();
    fill(&store).unwrap();
    drop(store);
    let bytes = fs::read(&path).unwrap();
    for round in 0..ROUNDS {
        let mut mangled = bytes.clone();
        mangle(&mut mangled, &mut Rng::with_seed(round));
        fs::write(folder.path().join(format!("{round}")), mangled).unwrap();
    }
    let mut player = Player::new("mangled", &path);
    let (mut last, mut opened) = (String::new(), None);
    while let Some(line) = player.next("") {
        match line.strip_prefix("opened ") {
            Some(number) => opened = Some(number.parse::<u64>().unwrap()),
            None if line.starts_with("round ") || line.starts_with("panic ") => last = line,
            None => {}
        }
    }
    let status = player.child.wait().unwrap();
    let opened = opened.unwrap_or_else(|| panic!("{status}, after {last}"));
    // Both have to be tried: files that are refused, and files that are used.
    assert!((10..ROUNDS - 10).contains(&opened), "{opened} were opened");
}
