//! How many jobs there are in each state, kept with each change.

use rusqlite::Connection;

/// In the place of a state: jobs that were removed.
pub(super) const DELETED: i64 = 8;
pub(super) const PRUNED: i64 = 9;

/// What one command changes in the numbers of jobs, where it does not leave that to the triggers of
/// the table. It is written at the end of the command.
#[derive(Default)]
pub(super) struct Counts {
    /// By lane and state. There are few.
    changes: Vec<((i64, i64), i64)>,
}

pub(super) const CHANGE: &str = "
INSERT INTO groundcrew_count VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET n = n + ?3";

impl Counts {
    pub(super) fn add(&mut self, lane: i64, state: i64, change: i64) {
        let place = (lane, state);
        match self.changes.iter_mut().find(|(other, _)| *other == place) {
            Some((_, sum)) => *sum += change,
            None => self.changes.push((place, change)),
        }
    }

    pub(super) fn write(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let changes = self.changes.drain(..).filter(|(_, change)| *change != 0);
        for ((lane, state), change) in changes {
            conn.prepare_cached(CHANGE)?
                .execute([lane, state, change])?;
        }
        Ok(())
    }
}
