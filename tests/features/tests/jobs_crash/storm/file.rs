//! The file cannot be written.

use super::Storm;
use crate::common::LONG;
use crate::player::database;
use crate::records;
use groundcrew::store::sqlite::rusqlite::Connection;
use std::thread;
use std::time::{Duration, Instant};

impl Storm {
    pub(super) fn fill_disk(&mut self) {
        let Some(disk) = &self.disk else { return };
        self.tally.full += 1;
        self.truncate_log();
        disk.fill(self.rng.u64(0..20) << 12);
        self.wait_until_said(&["Full"]);
        thread::sleep(Duration::from_millis(self.rng.u64(0..300)));
        if let Some(disk) = &self.disk {
            disk.clear();
        }
    }

    /// So that the next write needs space. Fails where the log is in use; then a later one does.
    fn truncate_log(&self) {
        let conn = Connection::open(database(&self.folder)).unwrap();
        conn.busy_timeout(Duration::from_secs(1)).unwrap();
        let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// For longer than the players wait, or not.
    pub(super) fn lock(&mut self, is_long: bool) {
        let conn = Connection::open(database(&self.folder)).unwrap();
        conn.busy_timeout(LONG).unwrap();
        if conn.execute_batch("BEGIN IMMEDIATE").is_err() {
            return;
        }
        self.tally.locked += 1;
        match is_long {
            true => self.wait_until_said(&["Busy"]),
            false => thread::sleep(Duration::from_millis(self.rng.u64(0..300))),
        }
        conn.execute_batch("ROLLBACK").unwrap();
    }

    /// Blocks until the store has answered a player with such an error, for a while.
    pub(super) fn wait_until_said(&self, kinds: &[&str]) {
        let said = || -> u32 {
            let errors = records::errors(&self.folder);
            kinds.iter().filter_map(|kind| errors.get(*kind)).sum()
        };
        let (before, start) = (said(), Instant::now());
        while said() == before && start.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
