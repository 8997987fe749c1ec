//! The parent: what happens to the players.

use crate::check;
use crate::common::LONG;
use crate::disk::Disk;
use crate::player::database;
use crate::process::{Player, Under, has, is_good_end};
use crate::records::AllRecords;
use crate::tally::Tally;
use crate::witness;
use fastrand::Rng;
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::sqlite::rusqlite::Connection;
use groundcrew::store::{LostJob, Store};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, thread};
use tempfile::TempDir;

const PLAYERS: usize = 4;

/// What fails under `strace`, each once in a number of calls of a thread.
const FAULTS: [&str; 4] = [
    "inject=fsync,fdatasync:error=EIO:when=40+97",
    "inject=pwrite64:error=EIO:when=300+201",
    "inject=pwrite64:error=ENOSPC:when=200+301",
    "inject=fsync,pwrite64:error=EINTR:when=100+53",
];

/// Further apart than every delay, retry and expiry of the jobs.
const CLOCKS: [&str; 2] = ["+2s", "-2s"];

/// A process is taken over whose beat is the same for 30 s.
const SILENCE: Duration = Duration::from_secs(35);
/// This number of kills are between two freezes of that length.
const BETWEEN_FREEZES: u32 = 150;

pub(crate) fn storm(seed: u64, kills: u32) {
    println!("seed {seed}, {kills} kills");
    let mut folder = match Path::new("/dev/shm") {
        memory if memory.is_dir() => tempfile::tempdir_in(memory).unwrap(),
        _ => tempfile::tempdir().unwrap(),
    };
    let is_kept = env::var_os("GROUNDCREW_KEEP").is_some();
    folder.disable_cleanup(is_kept);
    let mut storm = Storm::new(seed, &folder);
    while storm.tally.kills < kills {
        storm.disturb();
    }
    storm.drain();
    println!("seed {seed}: {}", storm.tally);
    if is_kept {
        let copy = folder.path().join("jobs.db");
        fs::copy(database(folder.path()), &copy).unwrap();
        println!("{}", copy.display());
    }
    let records = AllRecords::read(folder.path());
    check::check(&records, &database(folder.path()), &storm.taken_over);
}

struct Storm {
    rng: Rng,
    folder: PathBuf,
    disk: Option<Disk>,
    has_strace: bool,
    has_faketime: bool,
    players: Vec<Player>,
    number: usize,
    tally: Tally,
    /// For longer than a lease lasts.
    frozen: Option<(Player, Instant)>,
    next_freeze: u32,
    /// The processes whose leases the parent has taken over while they were frozen.
    taken_over: Vec<u32>,
}

impl Storm {
    fn new(seed: u64, folder: &TempDir) -> Storm {
        let folder = folder.path().to_owned();
        let disk = Disk::mount(&folder.join("disk"), "64m");
        // Its connections are closed again: what the players leave is recovered by players.
        drop(SqliteStore::open(database(&folder)).unwrap());
        witness::set_up(&database(&folder));
        Storm {
            rng: Rng::with_seed(seed),
            disk,
            folder,
            has_strace: has(
                "strace",
                &["-o", "/dev/null", "--seccomp-bpf", "-f", "true"],
            ),
            has_faketime: has("faketime", &["-f", "+1s", "true"]),
            players: Vec::new(),
            number: 0,
            tally: Tally::default(),
            frozen: None,
            next_freeze: BETWEEN_FREEZES,
            taken_over: Vec::new(),
        }
    }

    fn disturb(&mut self) {
        self.bury();
        self.freeze_long();
        if self.players.is_empty() || self.rng.u32(0..3) == 0 && self.players.len() < PLAYERS {
            self.start();
        }
        let pause = self.rng.u64(0..80);
        thread::sleep(Duration::from_millis(pause));
        let victim = self.rng.usize(..self.players.len());
        match self.rng.u32(0..20) {
            0..10 => self.kill(victim),
            10..12 => self.stop(victim),
            12..14 => self.freeze(victim),
            14..16 => self.freeze_and_take_over(victim),
            16 => self.fill_disk(),
            17 => self.lock(),
            _ => {}
        }
    }

    /// Those that a job has killed.
    fn bury(&mut self) {
        let before = self.players.len();
        self.players.retain_mut(|player| !player.has_ended());
        self.tally.ends += (before - self.players.len()) as u32;
    }

    fn start(&mut self) {
        let under = match self.rng.u32(0..10) {
            0 if self.has_strace => {
                self.tally.faulty += 1;
                Under::Strace(FAULTS[self.rng.usize(..FAULTS.len())])
            }
            1 if self.has_faketime => {
                self.tally.fake += 1;
                Under::Faketime(CLOCKS[self.rng.usize(..CLOCKS.len())])
            }
            _ => Under::Nothing,
        };
        self.start_under(under, false);
    }

    fn start_under(&mut self, under: Under, drains: bool) {
        self.number += 1;
        let player = Player::start(&self.folder, self.number, under, drains);
        self.players.push(player);
    }

    fn kill(&mut self, victim: usize) {
        if self.players[victim].pid().is_some() && self.players.swap_remove(victim).kill() {
            self.tally.kills += 1;
        }
    }

    fn stop(&mut self, victim: usize) {
        if !self.players[victim].signal("-TERM") {
            return;
        }
        self.tally.stops += 1;
        let status = self.players.swap_remove(victim).wait(LONG);
        assert!(is_good_end(status), "{status}");
    }

    fn freeze(&mut self, victim: usize) {
        if self.players[victim].signal("-STOP") {
            self.tally.freezes += 1;
            let pause = self.rng.u64(0..200);
            thread::sleep(Duration::from_millis(pause));
            self.players[victim].signal("-CONT");
        }
    }

    /// A process that is frozen for longer than others wait for its beat. In long runs alone, now
    /// and then.
    fn freeze_long(&mut self) {
        if let Some((player, since)) = &mut self.frozen {
            if since.elapsed() > SILENCE {
                player.signal("-CONT");
                self.players
                    .extend(self.frozen.take().map(|(player, _)| player));
            }
            return;
        }
        let is_time = self.tally.kills >= self.next_freeze;
        if is_time && self.players.len() > 1 && self.players[0].signal("-STOP") {
            let mut player = self.players.swap_remove(0);
            self.next_freeze += BETWEEN_FREEZES;
            self.tally.freezes += 1;
            self.taken_over.extend(player.pid());
            self.frozen = Some((player, Instant::now()));
        }
    }

    /// As another process does that finds the same beat after 30 s.
    fn freeze_and_take_over(&mut self, victim: usize) {
        let player = &mut self.players[victim];
        if !player.signal("-STOP") {
            return;
        }
        self.tally.freezes += 1;
        if take_over(&database(&self.folder), player.pid().unwrap()) {
            self.taken_over.extend(player.pid());
            self.tally.taken_over += 1;
        }
        let pause = self.rng.u64(0..100);
        thread::sleep(Duration::from_millis(pause));
        player.signal("-CONT");
    }

    fn fill_disk(&mut self) {
        if let Some(disk) = &self.disk {
            self.tally.full += 1;
            disk.fill(self.rng.u64(0..20) << 12);
            thread::sleep(Duration::from_millis(self.rng.u64(0..300)));
            disk.clear();
        }
    }

    /// For longer than the players wait, or not.
    fn lock(&mut self) {
        let conn = Connection::open(database(&self.folder)).unwrap();
        conn.busy_timeout(LONG).unwrap();
        if conn.execute_batch("BEGIN IMMEDIATE").is_ok() {
            self.tally.locked += 1;
            thread::sleep(Duration::from_millis(self.rng.u64(0..600)));
            conn.execute_batch("ROLLBACK").unwrap();
        }
    }

    /// Works off what is left, and stops all.
    fn drain(&mut self) {
        let deadline = Instant::now() + 2 * LONG;
        while self.frozen.is_some() {
            thread::sleep(Duration::from_millis(100));
            self.freeze_long();
        }
        self.bury();
        while !self.players.is_empty() {
            let last = self.players.len() - 1;
            self.stop_or_kill(last);
        }
        loop {
            self.bury();
            while self.players.len() < 2 {
                self.start_under(Under::Nothing, true);
            }
            let left = left(&database(&self.folder));
            if left == 0 {
                break;
            }
            assert!(Instant::now() < deadline, "{left} jobs are left");
            thread::sleep(Duration::from_millis(20));
        }
        while !self.players.is_empty() {
            self.stop_or_kill(0);
        }
    }

    fn stop_or_kill(&mut self, victim: usize) {
        let start = Instant::now();
        while self.players[victim].pid().is_none() && start.elapsed() < LONG {
            thread::sleep(Duration::from_millis(2));
        }
        self.stop(victim);
        self.bury();
    }
}

/// Takes the lease of a process over. Returns whether it had one.
fn take_over(path: &Path, pid: u32) -> bool {
    let builder = SqliteStore::builder(path).busy_timeout(Duration::from_millis(300));
    let Ok(store) = builder.open() else {
        return false; // a frozen process has locked it
    };
    let Ok(workers) = store.workers() else {
        return false;
    };
    let Some(worker) = workers.iter().find(|worker| worker.process.pid == pid) else {
        return false;
    };
    let judge = |lost: &LostJob| lost.outcome(Duration::from_millis(20), 100);
    matches!(store.take_over(worker.id, worker.beat, &judge), Ok(Some(_)))
}

/// The number of jobs that have not ended.
fn left(path: &Path) -> i64 {
    let conn = Connection::open(path).unwrap();
    conn.busy_timeout(LONG).unwrap();
    let query = "SELECT count(*) FROM groundcrew_job WHERE state < 5";
    conn.query_row(query, [], |row| row.get(0)).unwrap_or(-1)
}
