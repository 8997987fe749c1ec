//! Players stand still.

use super::Storm;
use crate::common::LONG;
use crate::player::{Stage, database};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::{LostJob, Store};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// A process is taken over whose beat is the same for 30 s.
const SILENCE: Duration = Duration::from_secs(35);
/// This number of kills are between two freezes of that length.
pub(super) const BETWEEN: u32 = 150;

impl Storm {
    pub(super) fn freeze(&mut self, victim: usize) {
        self.tally.freezes += 1;
        self.players[victim].signal("-STOP");
        let pause = self.rng.u64(0..200);
        thread::sleep(Duration::from_millis(pause));
        self.players[victim].signal("-CONT");
    }

    /// As another process does that finds the same beat after 30 s.
    pub(super) fn freeze_and_take_over(&mut self, victim: usize) {
        self.players[victim].wait_for(Stage::Ready);
        let start = Instant::now();
        // It may have no lease yet, or have locked the database.
        while self.players[victim].ended().is_none() && start.elapsed() < LONG {
            let before = self.last_change();
            let player = &self.players[victim];
            player.signal("-STOP");
            let is_done = take_over(&database(&self.folder), player.pid());
            if is_done {
                self.tally.freezes += 1;
                self.tally.taken_over += 1;
                self.history.frozen.entry(player.pid()).or_insert(before);
                thread::sleep(Duration::from_millis(self.rng.u64(0..100)));
            }
            player.signal("-CONT");
            if is_done {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// A process that is frozen for longer than others wait for its beat. In long runs alone, now
    /// and then.
    pub(super) fn silence(&mut self) {
        if let Some((player, since)) = &mut self.silent {
            if since.elapsed() > SILENCE {
                player.signal("-CONT");
                self.players
                    .extend(self.silent.take().map(|(player, _)| player));
            }
            return;
        }
        let is_time = self.tally.kills >= self.next_silence && self.players.len() > 1;
        if is_time && self.players[0].has_reached(Stage::Ready) {
            let before = self.last_change();
            let player = self.players.swap_remove(0);
            player.signal("-STOP");
            self.next_silence += BETWEEN;
            self.tally.freezes += 1;
            self.tally.silences += 1;
            self.history.frozen.entry(player.pid()).or_insert(before);
            self.silent = Some((player, Instant::now()));
        }
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
