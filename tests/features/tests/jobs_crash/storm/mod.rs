//! The parent: what happens to the players.

mod file;
mod freezes;

use crate::check;
use crate::common::LONG;
use crate::deck::Deck;
use crate::disk::Disk;
use crate::history::{End, Fate, History};
use crate::player::{Stage, database};
use crate::process::{Player, Under, has_faketime, has_strace, is_killed};
use crate::records::AllRecords;
use crate::tally::Tally;
use crate::witness;
use fastrand::Rng;
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::sqlite::rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use std::{env, fs, thread};
use tempfile::TempDir;

const PLAYERS: usize = 4;

/// What the parent does next.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Kill,
    KillAll,
    KillOpening,
    Stop,
    Freeze,
    FreezeAndTakeOver,
    FillDisk,
    Lock,
    LockForLong,
    Wait,
}

const BLOWS: [(Blow, usize); 10] = [
    (Blow::Kill, 9),
    (Blow::KillAll, 1),
    (Blow::KillOpening, 2),
    (Blow::Stop, 3),
    (Blow::Freeze, 2),
    (Blow::FreezeAndTakeOver, 2),
    (Blow::FillDisk, 1),
    (Blow::Lock, 1),
    (Blow::LockForLong, 1),
    (Blow::Wait, 2),
];

/// How the next player is run.
#[derive(Clone, Copy, Debug)]
enum Start {
    AsUsual,
    WithErrors,
    KilledAtAWrite,
    WithAnotherClock,
}

const STARTS: [(Start, usize); 4] = [
    (Start::AsUsual, 6),
    (Start::WithErrors, 1),
    (Start::KilledAtAWrite, 1),
    (Start::WithAnotherClock, 1),
];

/// What fails under `strace`, each once in a number of calls of a thread.
const ERRORS: [&str; 4] = [
    "fsync,fdatasync:error=EIO:when=5+3",
    "pwrite64:error=EIO:when=50+61",
    "pwrite64:error=ENOSPC:when=40+51",
    "fsync,pwrite64:error=EINTR:when=20+13",
];

/// Further apart than every delay, retry and expiry of the jobs.
const CLOCKS: [&str; 2] = ["+2s", "-2s"];

pub(crate) fn storm(seed: u64, kills: u32) {
    println!("seed {seed}, {kills} kills");
    let mut folder = match Path::new("/dev/shm") {
        memory if memory.is_dir() => tempfile::tempdir_in(memory).unwrap(),
        _ => tempfile::tempdir().unwrap(),
    };
    let is_kept = env::var_os("GROUNDCREW_KEEP").is_some();
    folder.disable_cleanup(is_kept);
    let mut storm = Storm::new(seed, &folder);
    // Whatever the system allows is done once at least.
    while storm.tally.kills < kills || storm.blows.rounds() == 0 || storm.starts.rounds() == 0 {
        storm.disturb();
    }
    storm.drain();
    if is_kept {
        let copy = folder.path().join("jobs.db");
        fs::copy(database(folder.path()), &copy).unwrap();
        println!("{}", copy.display());
    }
    let records = AllRecords::read(folder.path());
    check::check(&records, &database(folder.path()), &storm.history);
    // In a short run, what chance decides may not have happened.
    storm.tally.expect_all_kinds(folder.path(), kills >= 100);
}

struct Storm {
    rng: Rng,
    blows: Deck<Blow>,
    starts: Deck<Start>,
    folder: PathBuf,
    disk: Option<Disk>,
    has_strace: bool,
    has_faketime: bool,
    players: Vec<Player>,
    number: usize,
    /// The seed of the players.
    seed: u64,
    tally: Tally,
    history: History,
    /// For longer than a lease lasts.
    silent: Option<(Player, Instant)>,
    next_silence: u32,
}

impl Storm {
    fn new(seed: u64, folder: &TempDir) -> Storm {
        let folder = folder.path().to_owned();
        let disk = Disk::mount(&folder.join("disk"), "64m");
        // Its connections are closed again: what the players leave is recovered by players.
        drop(SqliteStore::open(database(&folder)).unwrap());
        witness::set_up(&database(&folder));
        let (has_strace, has_faketime) = (has_strace(), has_faketime());
        Storm {
            rng: Rng::with_seed(seed),
            blows: Deck::new(&BLOWS),
            starts: Deck::new(&STARTS),
            tally: Tally::new(disk.is_some(), has_strace, has_faketime),
            disk,
            folder,
            has_strace,
            has_faketime,
            players: Vec::new(),
            number: 0,
            seed,
            history: History::default(),
            silent: None,
            next_silence: freezes::BETWEEN,
        }
    }

    fn disturb(&mut self) {
        self.bury();
        self.silence();
        if self.players.is_empty() || self.rng.u32(0..3) == 0 && self.players.len() < PLAYERS {
            self.start();
        }
        let pause = self.rng.u64(0..80);
        thread::sleep(Duration::from_millis(pause));
        let victim = self.rng.usize(..self.players.len());
        match self.blows.draw(&mut self.rng) {
            Blow::Kill => self.kill(victim),
            Blow::KillAll => self.kill_all(),
            Blow::KillOpening => self.kill_opening(),
            Blow::Stop => self.stop(victim),
            Blow::Freeze => self.freeze(victim),
            Blow::FreezeAndTakeOver => self.freeze_and_take_over(victim),
            Blow::FillDisk => self.fill_disk(),
            Blow::Lock => self.lock(false),
            Blow::LockForLong => self.lock(true),
            Blow::Wait => {}
        }
    }

    // Players begin.

    fn start(&mut self) {
        let mut fails = false;
        let under = match self.starts.draw(&mut self.rng) {
            Start::WithErrors if self.has_strace => {
                self.tally.failing += 1;
                fails = true;
                Under::Errors(ERRORS[self.rng.usize(..ERRORS.len())])
            }
            // Half of them while the store is opened.
            Start::KilledAtAWrite if self.has_strace => {
                let most = if self.rng.bool() { 30 } else { 500 };
                Under::Kill(self.rng.u32(1..most))
            }
            Start::WithAnotherClock if self.has_faketime => {
                self.tally.clocks += 1;
                Under::Clock(CLOCKS[self.rng.usize(..CLOCKS.len())])
            }
            _ => Under::Nothing,
        };
        self.start_under(under, false);
        if fails {
            self.wait_until_said(&["OutcomeUnknown", "Unavailable"]);
        }
    }

    fn start_under(&mut self, under: Under, drains: bool) {
        loop {
            self.number += 1;
            let player = Player::start(&self.folder, (self.number, self.seed), under, drains);
            // What is known of a process is known by its number: none may have that of another one.
            if !self.history.fates.contains_key(&player.pid()) {
                return self.players.push(player);
            }
        }
    }

    // Players end.

    fn last_change(&self) -> i64 {
        witness::last(&database(&self.folder))
    }

    fn kill(&mut self, victim: usize) {
        // One that opens the store is not disturbed by a look at it.
        let is_ready = self.players[victim].has_reached(Stage::Ready);
        let before = if is_ready { self.last_change() } else { 0 };
        let mut player = self.players.swap_remove(victim);
        if !player.kill() {
            self.has_ended(&mut player);
            return;
        }
        self.tally.kills += 1;
        let is_opening = player.has_reached(Stage::Opening) && !player.has_reached(Stage::Ready);
        self.tally.kills_opening += u32::from(is_opening);
        self.note_end(&player, End::Killed, before);
    }

    /// The log that they leave is recovered by the next one that opens the store, or tries to.
    fn kill_all(&mut self) {
        self.tally.kills_of_all += 1;
        while !self.players.is_empty() {
            self.kill(0);
        }
        self.kill_opening();
    }

    fn kill_opening(&mut self) {
        self.start_under(Under::Nothing, false);
        let last = self.players.len() - 1;
        self.players[last].wait_for(Stage::Opening);
        let pause = self.rng.u64(0..10_000);
        thread::sleep(Duration::from_micros(pause));
        self.kill(last);
    }

    fn stop(&mut self, victim: usize) {
        // Before that a signal kills it.
        self.players[victim].wait_for(Stage::Ready);
        let before = self.last_change();
        let mut player = self.players.swap_remove(victim);
        player.signal("-TERM");
        let status = player.wait();
        let Some(code @ (0 | 75)) = status.code() else {
            return self.has_ended(&mut player);
        };
        self.tally.stops += 1;
        self.note_end(&player, End::Stopped(code), before);
    }

    /// Those that a job or `strace` has killed.
    fn bury(&mut self) {
        for mut player in std::mem::take(&mut self.players) {
            match player.ended() {
                Some(_) => self.has_ended(&mut player),
                None => self.players.push(player),
            }
        }
    }

    /// It has ended by itself: only a kill may do that.
    fn has_ended(&mut self, player: &mut Player) {
        let status: ExitStatus = player.wait();
        assert!(
            is_killed(status),
            "{} has ended by itself, {status}: {}",
            player.name(),
            player.last_words()
        );
        match player.under {
            Under::Kill(_) => self.tally.killed_writing += 1,
            _ => self.tally.ends += 1,
        }
        self.note_end(player, End::ByItself, 0);
    }

    fn note_end(&mut self, player: &Player, end: End, before: i64) {
        let under = player.under;
        let fate = Fate { under, end, before };
        self.history.fates.insert(player.pid(), fate);
    }

    // The end.

    /// Works off what is left, and stops all.
    fn drain(&mut self) {
        let deadline = Instant::now() + 2 * LONG;
        while self.silent.is_some() {
            thread::sleep(Duration::from_millis(100));
            self.silence();
        }
        self.stop_all();
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
        self.stop_all();
    }

    fn stop_all(&mut self) {
        while !self.players.is_empty() {
            self.stop(0);
        }
    }
}

/// The number of jobs that have not ended.
fn left(path: &Path) -> i64 {
    let conn = Connection::open(path).unwrap();
    conn.busy_timeout(LONG).unwrap();
    let query = "SELECT count(*) FROM groundcrew_job WHERE state < 5";
    conn.query_row(query, [], |row| row.get(0)).unwrap_or(-1)
}
