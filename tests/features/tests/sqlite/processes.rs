//! Several processes on one file, and what is left when they are killed or frozen.
//!
//! The parent runs this same binary again with the name of a scenario and a path in its
//! environment; `scenario` below then does that instead of testing.

use super::{claim, completed, folder, job, mangled, register, store, with_client_id};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::sqlite::rusqlite::Connection;
use groundcrew::store::{
    Answer, BeatWatch, Begun, Due, JobId, JobState, LeaseSign, LostJob, Outcome, Store, StoreError,
};
use std::collections::{HashMap, HashSet};
use std::env;
use std::io::{BufRead, BufReader, Lines, Read, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

const SCENARIO: &str = "GROUNDCREW_SQLITE_SCENARIO";
const FILE: &str = "GROUNDCREW_SQLITE_FILE";

#[test]
fn scenario() {
    let Ok(scenario) = env::var(SCENARIO) else {
        return;
    };
    let path = PathBuf::from(env::var(FILE).unwrap());
    match scenario.as_str() {
        "enqueue" => enqueue(&path),
        "hold" => hold(&path),
        "work" => work(&path),
        "open" => open(&path),
        "sync" => sync(&path),
        "make" => make(&path),
        "acknowledge" => acknowledge(&path),
        "mangled" => mangled::try_all(&path),
        other => panic!("no scenario {other}"),
    }
}

/// A child, which is killed when this is dropped.
pub(super) struct Player {
    pub(super) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Player {
    pub(super) fn new(scenario: &str, path: &Path) -> Player {
        let mut child = play(Command::new(env::current_exe().unwrap()), scenario, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Player { child, lines }
    }

    /// The next line with this mark in front, without it.
    pub(super) fn next(&mut self, mark: &str) -> Option<String> {
        let said = self.lines.by_ref().map(Result::unwrap);
        let mut marked = said.filter_map(|line| Some(line.strip_prefix(mark)?.to_owned()));
        marked.next()
    }

    fn go_on(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap()).unwrap();
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that plays a scenario: that of this program, or of one that runs this program.
pub(super) fn play(mut command: Command, scenario: &str, path: &Path) -> Command {
    command
        .args(["--exact", "processes::scenario", "--nocapture"])
        .env(SCENARIO, scenario)
        .env(FILE, path);
    command
}

/// In one piece, whatever other threads say.
pub(super) fn say(line: &str) {
    let mut out = stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn wait_for_parent() {
    let mut line = String::new();
    stdin().read_line(&mut line).unwrap();
}

/// Enqueues from four threads until it is killed, and says what was acknowledged.
fn enqueue(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0.. {
                    let id = format!("{}-{thread}-{number}", std::process::id());
                    let enqueued = store.enqueue(vec![with_client_id(&id)]).unwrap();
                    say(&format!("ack {id} {}", enqueued[0].id));
                }
            });
        }
    });
}

#[test]
fn every_acknowledged_job_survives_the_kill_of_its_process() {
    let (_folder, path, store) = store();
    let mut acknowledged: HashMap<String, i64> = HashMap::new();
    for round in 1..=5 {
        let mut player = Player::new("enqueue", &path);
        for _ in 0..40 * round {
            player.next("ack ").unwrap();
        }
        player.kill();
        // What it said before it was killed is still in the pipe.
        while let Some(line) = player.next("ack ") {
            let (id, number) = line.split_once(' ').unwrap();
            acknowledged.insert(id.to_owned(), number.parse().unwrap());
        }
    }
    let total = store.counts().unwrap()[0].states.total();
    let mut ids = HashSet::new();
    for (client_id, number) in &acknowledged {
        let again = store.enqueue(vec![with_client_id(client_id)]).unwrap()[0];
        assert_eq!(
            (again.id.get(), again.is_new),
            (*number, false),
            "{client_id}"
        );
        assert!(ids.insert(again.id));
    }
    assert_eq!(store.counts().unwrap()[0].states.total(), total);
    let check = Connection::open(&path).unwrap();
    let ok: String = check
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ok, "ok");
}

/// Claims three jobs, begins two, one after the other, and ends all when the parent says so.
fn hold(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let worker = register(&store);
    let running = claim(&store, worker, 3).unwrap();
    for job in &running.jobs[..2] {
        store.mark_begun(worker, job.attempt_id());
    }
    store.renew(worker).unwrap();
    say("held");
    wait_for_parent();
    let answers = store.finish(&completed(&running)).unwrap();
    say(&format!("answers {answers:?}"));
    let renewed = store.renew(worker);
    say(&format!(
        "renewed {}",
        renewed == Err(StoreError::LeaseLost { worker })
    ));
}

fn judge(lost: &LostJob) -> Outcome {
    lost.outcome(Duration::ZERO, 100)
}

#[test]
fn a_killed_process_has_ended_at_once_and_only_what_it_had_begun_counts() {
    let (_folder, path, store) = store();
    store.enqueue(vec![job(), job(), job()]).unwrap();
    let mut player = Player::new("hold", &path);
    player.next("held").unwrap();
    let mut watch = BeatWatch::new(Duration::from_secs(30));
    let found = store.workers().unwrap().remove(0);
    assert_eq!(
        (found.sign, found.process.pid),
        (LeaseSign::Held, player.child.id())
    );
    assert!(watch.look(&[found], Duration::ZERO).is_empty());
    player.kill();
    let workers = store.workers().unwrap();
    assert_eq!(workers[0].sign, LeaseSign::Ended);
    let silent = watch.look(&workers, Duration::from_millis(100));
    let (worker, beat) = silent[0];
    let lost = store.take_over(worker, beat, &judge).unwrap().unwrap();
    let begun: Vec<Begun> = lost.iter().map(|lost| lost.lost.begun).collect();
    // The end of the first is not recorded.
    assert_eq!(begun, [Begun::Yes, Begun::Yes, Begun::No]);
    let attempts = [1, 2, 3].map(|id| store.get(JobId::new(id)).unwrap().unwrap().info.attempt);
    assert_eq!(attempts, [1, 1, 0]);
    let lane = &store.counts().unwrap()[0];
    assert_eq!(lane.states[JobState::Available], 3);
}

#[test]
fn a_frozen_process_is_held_and_what_it_says_after_its_takeover_is_refused() {
    let (_folder, path, store) = store();
    store.enqueue(vec![job(), job(), job()]).unwrap();
    let mut player = Player::new("hold", &path);
    player.next("held").unwrap();
    player.signal("-STOP");
    let found = store.workers().unwrap().remove(0);
    assert_eq!(found.sign, LeaseSign::Held);
    let lost = store
        .take_over(found.id, found.beat, &judge)
        .unwrap()
        .unwrap();
    assert_eq!(lost.len(), 3);

    let worker = register(&store);
    // What it had not begun is given back in its place. What it had begun is claimed alone.
    let others = claim(&store, worker, 3).unwrap();
    let again = claim(&store, worker, 3).unwrap();
    assert_eq!((others.jobs.len(), again.jobs.len()), (1, 1));
    player.signal("-CONT");
    player.go_on();
    assert_eq!(player.next("answers ").unwrap(), "[Lost, Lost, Lost]");
    assert_eq!(player.next("renewed ").unwrap(), "true");
    let answers = store.finish(&completed(&again)).unwrap();
    assert_eq!(answers, [Answer::Accepted(JobState::Completed)]);
}

const JOBS: usize = 1500;

/// Enqueues jobs, and completes whatever there is; gives some back before.
fn work(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let worker = register(&store);
    wait_for_parent();
    let producer = thread::scope(|scope| {
        let producer = scope.spawn(|| {
            for _ in 0..JOBS / 50 {
                store.enqueue(vec![job(); 50]).unwrap();
            }
        });
        let mut is_last = false;
        loop {
            let seen = store.version();
            let claimed = claim(&store, worker, 20).unwrap();
            let mut ends = completed(&claimed);
            if let Some(first) = ends
                .first_mut()
                .filter(|_| claimed.jobs[0].interrupted == 0)
            {
                first.outcome = Outcome::Interrupted { error: None };
            }
            for (end, answer) in ends.iter().zip(store.finish(&ends).unwrap()) {
                match answer {
                    Answer::Accepted(JobState::Completed) => {
                        say(&format!("done {}", end.attempt.job));
                    }
                    Answer::Accepted(JobState::Available) => {}
                    other => panic!("{other:?}"),
                }
            }
            if claimed.jobs.is_empty() {
                if is_last && producer.is_finished() {
                    break;
                }
                is_last = producer.is_finished();
                store.wait_for_change(seen, Duration::from_millis(200));
            }
        }
        producer.join()
    });
    producer.unwrap();
    store.withdraw(worker).unwrap();
    say("end");
}

#[test]
fn processes_on_one_file_do_every_job_once_and_hear_of_no_lock() {
    let (_folder, path, store) = store();
    let mut players: Vec<Player> = (0..3).map(|_| Player::new("work", &path)).collect();
    players.iter_mut().for_each(Player::go_on);
    let mut done = HashSet::new();
    let mut each = Vec::new();
    for player in &mut players {
        let before = done.len();
        let said: Vec<String> = player.lines.by_ref().map(Result::unwrap).collect();
        assert!(said.iter().any(|line| line == "end"), "{:?}", said.last());
        for id in said.iter().filter_map(|line| line.strip_prefix("done ")) {
            assert!(
                done.insert(id.parse::<i64>().unwrap()),
                "job {id} is done twice"
            );
        }
        each.push(done.len() - before);
    }
    assert_eq!(done.len(), 3 * JOBS);
    assert!(each.iter().all(|done| *done > 0), "{each:?}");
    let lane = &store.counts().unwrap()[0];
    assert_eq!(lane.states[JobState::Completed], 3 * JOBS as u64);
    assert_eq!(lane.states.total(), 3 * JOBS as u64);
    assert_eq!(store.workers().unwrap(), []);
}

fn open(path: &Path) {
    wait_for_parent();
    let store = SqliteStore::open(path).unwrap();
    let mut job = job();
    job.due = Due::Now;
    store.enqueue(vec![job]).unwrap();
    say("opened");
}

#[test]
fn of_processes_that_open_a_new_file_together_one_makes_the_tables() {
    for _ in 0..5 {
        let folder = folder();
        let path = folder.path().join("jobs.db");
        let mut players: Vec<Player> = (0..4).map(|_| Player::new("open", &path)).collect();
        players.iter_mut().for_each(Player::go_on);
        for player in &mut players {
            player.next("opened").unwrap();
            let mut rest = String::new();
            let _ = player
                .child
                .stderr
                .as_mut()
                .map(|out| out.read_to_string(&mut rest));
            assert!(player.child.wait().unwrap().success(), "{rest}");
        }
        let store = SqliteStore::open(&path).unwrap();
        let counts = store.counts().unwrap();
        assert_eq!((counts.len(), counts[0].states.total()), (1, 4));
    }
}

/// Opens the store, and closes it again.
fn make(path: &Path) {
    drop(SqliteStore::open(path).unwrap());
}

/// Enqueues and completes some jobs, one after the other.
fn acknowledge(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let worker = register(&store);
    for _ in 0..10 {
        store.enqueue(vec![job()]).unwrap();
        say("ack");
        let claimed = claim(&store, worker, 1).unwrap();
        store.finish(&completed(&claimed)).unwrap();
        say("ack");
    }
}

/// Enqueues a job each time the parent says so, and says what came of it.
fn sync(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    for id in ["before", "meanwhile", "after"] {
        say(match store.enqueue(vec![with_client_id(id)]) {
            Ok(_) => "result stored",
            Err(StoreError::OutcomeUnknown { .. }) => "result unknown",
            Err(_) => "result failed",
        });
        wait_for_parent();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn after_an_fsync_that_failed_the_outcome_is_unknown_and_the_store_goes_on() {
    let (_folder, path, store) = store();
    let mut player = Player::new("sync", &path);
    assert_eq!(player.next("result ").unwrap(), "stored");
    let inject = [
        "-e",
        "inject=fsync,fdatasync:error=EIO",
        "-e",
        "trace=fsync,fdatasync",
    ];
    let strace = Command::new("strace")
        .args(["-f", "-p", &player.child.id().to_string()])
        .args(inject)
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut strace) = strace else {
        eprintln!("SKIPPED: there is no strace");
        return;
    };
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines();
    let attached = said
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("attached"));
    if attached.is_none() {
        eprintln!("SKIPPED: a process cannot be traced here");
        return;
    }
    // What it says is read, so that it is not kept from its work.
    let reader = thread::spawn(move || said.map_while(Result::ok).count());
    player.go_on();
    assert_eq!(player.next("result ").unwrap(), "unknown");
    let pid = strace.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    strace.wait().unwrap();
    reader.join().unwrap();
    player.go_on();
    assert_eq!(player.next("result ").unwrap(), "stored");
    player.go_on();
    assert!(player.child.wait().unwrap().success());
    let is_new = |id: &str| store.enqueue(vec![with_client_id(id)]).unwrap()[0].is_new;
    assert_eq!([is_new("before"), is_new("after")], [false, false]);
    is_new("meanwhile");
    assert_eq!(store.counts().unwrap()[0].states.total(), 3);
}
