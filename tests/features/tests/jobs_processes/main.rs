//! Workers of several processes on one SQLite file: as processes share it, fork, are refused by the
//! system, or have another clock.
//!
//! A child is this same binary, with a scenario in its environment.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "fork")]

#[path = "../../../common/mod.rs"]
mod common;
mod outage;
mod silence;

use common::scenario::{SCENARIO, play, play_by};
use common::{LONG, within};
use groundcrew::Host;
use groundcrew::jobs::{Job, JobContext, Jobs};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::sqlite::rusqlite::Connection;
use groundcrew::store::{JobId, JobSpec, JobState, LeaseSign, Store, StoreError, WorkerInfo};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Lines, Write, stdout};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio, exit};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const FILE: &str = "GROUNDCREW_JOBS_FILE";

#[derive(Serialize, Deserialize)]
struct Nap {
    ms: u64,
}

impl Job for Nap {
    const KIND: &'static str = "nap";
}

#[test]
fn scenario() {
    let Ok(scenario) = env::var(SCENARIO) else {
        return;
    };
    let path = PathBuf::from(env::var(FILE).unwrap());
    say(""); // behind what the harness has printed
    match scenario.as_str() {
        "work" => work(&path),
        "hold" => silence::hold(&path),
        "fork" => fork(&path),
        "spawn" => spawn(&path),
        "open" => open(&path),
        "enqueue" => enqueue(&path),
        other => panic!("no scenario {other}"),
    }
}

/// A child, which is killed when this is dropped.
struct Player {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it has said so far.
    said: Vec<String>,
}

impl Player {
    fn start(mut command: Command, path: &Path) -> Player {
        let mut child = command
            .env(FILE, path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Player {
            child,
            lines,
            said: Vec::new(),
        }
    }

    fn new(scenario: &str, path: &Path) -> Player {
        Player::start(play(scenario), path)
    }

    /// The next line with this mark in front, without it.
    fn next(&mut self, mark: &str) -> Option<String> {
        for line in self.lines.by_ref().map(Result::unwrap) {
            self.said.push(line.clone());
            if let Some(rest) = line.strip_prefix(mark) {
                return Some(rest.to_owned());
            }
        }
        None
    }

    /// All that it has said with this mark in front, when it has ended.
    fn all(&mut self, mark: &str) -> Vec<String> {
        self.said.extend(self.lines.by_ref().map(Result::unwrap));
        let marked = self.said.iter().filter_map(|line| line.strip_prefix(mark));
        marked.map(str::to_owned).collect()
    }

    fn kill(&mut self) {
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

fn signal(signal: &str, pid: &str) {
    let sent = Command::new("kill").args([signal, pid]).status().unwrap();
    assert!(sent.success());
}

/// In one piece, whatever other threads say.
fn say(line: &str) {
    let mut out = stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn new_file() -> (TempDir, PathBuf) {
    let folder = match Path::new("/dev/shm") {
        memory if memory.is_dir() => tempfile::tempdir_in(memory).unwrap(),
        _ => tempfile::tempdir().unwrap(),
    };
    let path = folder.path().join("jobs.db");
    (folder, path)
}

fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(2));
    }
}

fn has(program: &str, arguments: &[&str]) -> bool {
    let probe = Command::new(program).args(arguments).output();
    let is_there = probe.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("SKIPPED: {program} cannot be used here");
    }
    is_there
}

/// A host with workers, until it is stopped by a signal: says its process, and what it does.
fn work(path: &Path) {
    let jobs = Jobs::open(SqliteStore::open(path).unwrap()).unwrap();
    let mut host = Host::builder();
    host.stop_timeout(LONG);
    host.jobs("naps", &jobs)
        .threads(2)
        .on(|job: Nap, ctx: &JobContext| {
            thread::sleep(Duration::from_millis(job.ms));
            say(&format!("ran {}", ctx.id()));
        });
    let host = host.build().unwrap();
    let handle = host.handle();
    let _signals = handle.stop_on_signal().unwrap();
    thread::spawn(move || {
        wait_until(|| handle.is_ready());
        say(&format!("ready {}", std::process::id()));
    });
    let report = host.run();
    exit(report.exit_code().into());
}

fn naps(count: usize, ms: u64) -> Vec<Nap> {
    (0..count).map(|_| Nap { ms }).collect()
}

fn completed(jobs: &Jobs) -> u64 {
    let lanes = jobs.counts().unwrap();
    let completed = lanes.iter().map(|lane| lane.states[JobState::Completed]);
    completed.sum()
}

/// Stops the processes, which are players and their ids. Each job ran once, and each of them ran
/// some.
fn expect_a_share_each(players: Vec<(Player, String)>, jobs: usize) {
    let mut ran = HashSet::new();
    for (mut player, pid) in players {
        signal("-TERM", &pid);
        let own = player.all("ran ");
        assert_eq!(player.child.wait().unwrap().code(), Some(0));
        assert!(!own.is_empty());
        for id in own {
            assert!(ran.insert(id.clone()), "job {id} ran twice");
        }
    }
    assert_eq!(ran.len(), jobs);
}

#[test]
fn a_second_process_helps_the_first_and_each_job_runs_once() {
    within(LONG, "a second process", || {
        let (_folder, path) = new_file();
        let jobs = Jobs::open(SqliteStore::open(&path).unwrap()).unwrap();
        jobs.enqueue_many(&naps(400, 5)).unwrap();
        let players = [(); 2].map(|()| {
            let mut player = Player::new("work", &path);
            let pid = player.next("ready ").unwrap();
            (player, pid)
        });
        // So many that each of them has the time.
        jobs.enqueue_many(&naps(1000, 5)).unwrap();
        wait_until(|| completed(&jobs) == 1400);
        expect_a_share_each(players.into(), 1400);
    });
}

#[test]
fn processes_whose_clocks_differ_by_an_hour_share_jobs_and_take_no_lease_over() {
    if !has("faketime", &["-f", "+1s", "true"]) {
        return;
    }
    within(LONG, "clocks that differ", || {
        let (_folder, path) = new_file();
        let store = SqliteStore::open(&path).unwrap();
        let jobs = Jobs::open(store.clone()).unwrap();
        let mut players = Vec::new();
        for offset in ["+1h", "-1h"] {
            let own = env::current_exe().unwrap();
            let arguments = ["-f", offset, own.to_str().unwrap()];
            let mut command = play_by("faketime", arguments, "work");
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            let mut player = Player::start(command, &path);
            let pid = player.next("ready ").unwrap();
            players.push((player, pid));
        }
        let ids = |workers: &[WorkerInfo]| workers.iter().map(|it| it.id).collect::<Vec<_>>();
        let before = ids(&store.workers().unwrap());
        assert_eq!(before.len(), 2);
        // Longer than a renewal, and many looks at each other.
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < Duration::from_secs(8) {
            jobs.enqueue_many(&naps(10, 1)).unwrap();
            count += 10;
            wait_until(|| completed(&jobs) == count);
        }
        assert_eq!(ids(&store.workers().unwrap()), before);
        expect_a_share_each(players, usize::try_from(count).unwrap());
    });
}

/// Workers, and a child of them that is a copy of the process.
fn fork(path: &Path) {
    let jobs = Jobs::open(SqliteStore::open(path).unwrap()).unwrap();
    let host = start(&jobs);
    // SAFETY: the child calls nothing but `pause`, which may be called after a fork.
    let child = unsafe { libc::fork() };
    if child == 0 {
        loop {
            // SAFETY: it takes no arguments.
            unsafe { libc::pause() };
        }
    }
    say(&format!("child {child}"));
    drop(host.wait());
}

/// Workers, and a child of them that is another program.
#[allow(clippy::zombie_processes)] // The test kills both.
fn spawn(path: &Path) {
    let jobs = Jobs::open(SqliteStore::open(path).unwrap()).unwrap();
    let host = start(&jobs);
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    say(&format!("child {}", child.id()));
    drop(host.wait()); // until it is killed
    child.wait().unwrap();
}

fn start(jobs: &Jobs) -> groundcrew::host::RunningHost {
    let mut host = Host::builder();
    host.jobs("naps", jobs).on(|_: Nap, _: &JobContext| ());
    let host = host.build().unwrap().start().unwrap();
    wait_until(|| host.handle().is_ready());
    host
}

#[test]
fn a_fork_keeps_the_lease_of_a_killed_process_until_it_has_ended_too_and_a_command_does_not() {
    within(LONG, "forks", || {
        for (scenario, keeps) in [("fork", true), ("spawn", false)] {
            let (_folder, path) = new_file();
            let store = SqliteStore::open(&path).unwrap();
            let mut player = Player::new(scenario, &path);
            let child = player.next("child ").unwrap();
            let sign = || store.workers().unwrap()[0].sign;
            assert_eq!(sign(), LeaseSign::Held);
            player.kill();
            if keeps {
                thread::sleep(Duration::from_millis(50));
                assert_eq!(sign(), LeaseSign::Held);
                signal("-KILL", &child);
            }
            wait_until(|| sign() == LeaseSign::Ended);
            if !keeps {
                signal("-KILL", &child);
            }
        }
    });
}

/// Opens the store, and says what came of it.
fn open(path: &Path) {
    match SqliteStore::open(path) {
        Ok(_) => say("opened it"),
        Err(StoreError::ReadOnly { .. }) => say("opened read-only"),
        Err(error) => say(&format!("opened {error:?}")),
    }
}

#[test]
fn a_file_that_the_process_may_not_write_is_read_only_and_is_left_as_it_is() {
    let (folder, path) = new_file();
    let store = SqliteStore::open(&path).unwrap();
    store.enqueue(vec![JobSpec::new("nap", "{}")]).unwrap();
    drop(store);
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let mut command = play("open");
    command.env(FILE, &path).stderr(Stdio::null());
    // Nothing is read-only for root.
    // SAFETY: it takes no arguments.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(65_534);
    }
    let said = match command.output() {
        Ok(output) => common::examples::text(&output.stdout),
        Err(error) => {
            eprintln!("SKIPPED: another user may not run this program: {error}");
            return;
        }
    };
    assert!(said.contains("opened read-only"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Enqueues jobs, each again under its client id until the store has acknowledged it, and says
/// what went wrong.
fn enqueue(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    for n in 0..100 {
        let mut job = JobSpec::new("nap", "{}");
        job.client_id = Some(format!("nap {n}"));
        loop {
            match store.enqueue(vec![job.clone()]) {
                Ok(enqueued) => {
                    say(&format!("ack {}", enqueued[0].id));
                    break;
                }
                Err(StoreError::OutcomeUnknown { .. }) => say("unknown"),
                Err(error) if error.is_temporary() => say(&format!("error {error}")),
                Err(error) => panic!("{error}"),
            }
        }
    }
    say("all");
}

#[test]
fn after_a_failed_fsync_the_outcome_is_unknown_and_to_enqueue_again_makes_one_job() {
    let probe = ["-o", "/dev/null", "--seccomp-bpf", "-f", "true"];
    if !has("strace", &probe) {
        return;
    }
    within(LONG, "failed fsyncs", || {
        let (_folder, path) = new_file();
        drop(SqliteStore::open(&path).unwrap());
        let own = env::current_exe().unwrap();
        let inject = "inject=fsync,fdatasync:error=EIO:when=7+5";
        let arguments = [
            &["-f", "-qq", "-o", "/dev/null", "--seccomp-bpf"][..],
            &["-e", "trace=fsync,fdatasync", "-e", inject],
            &[own.to_str().unwrap()],
        ]
        .concat();
        let mut player = Player::start(play_by("strace", arguments, "enqueue"), &path);
        assert_eq!(player.all("all"), [""], "{:?}", player.said);
        assert!(player.all("unknown").len() > 3, "{:?}", player.said);
        let acknowledged: HashSet<String> = player.all("ack ").into_iter().collect();
        assert_eq!(acknowledged.len(), 100);
        let store = SqliteStore::open(&path).unwrap();
        for id in acknowledged {
            assert!(
                store
                    .get(JobId::new(id.parse().unwrap()))
                    .unwrap()
                    .is_some()
            );
        }
        assert_eq!(store.counts().unwrap()[0].states.total(), 100);
        expect_sound(&path);
    });
}

fn expect_sound(path: &Path) {
    let conn = Connection::open(path).unwrap();
    let sound = conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(sound.unwrap(), "ok");
}

#[test]
fn the_log_grows_beside_a_long_read_and_is_used_again_after_it() {
    within(LONG, "a long read", || {
        let (_folder, path) = new_file();
        let store = SqliteStore::open(&path).unwrap();
        let log = || fs::metadata(path.with_extension("db-wal")).unwrap().len();
        let enqueue = |megabytes: usize| {
            for _ in 0..megabytes * 2 {
                let job = JobSpec::new("nap", vec![b' '; 500 << 10]);
                store.enqueue(vec![job]).unwrap();
            }
        };
        enqueue(20);
        let mut reader = Connection::open(&path).unwrap();
        let read = reader.transaction().unwrap();
        let count = |query: &str| {
            read.query_row(query, [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        let before = count("SELECT count(*) FROM groundcrew_job");
        enqueue(40);
        assert_eq!(count("SELECT count(*) FROM groundcrew_job"), before);
        // All of it is behind what the reader sees.
        assert!(log() > 40 << 20, "{}", log());
        drop(read);
        // What is written and does not make it longer is at its beginning.
        while {
            let before = log();
            enqueue(4);
            log() > before
        } {
            thread::sleep(Duration::from_millis(20));
        }
    });
}
