//! The lanes that one connection knows.

use super::values::text;
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};

/// A lane is a queue and a kind. Lanes are never removed.
#[derive(Default)]
pub(super) struct Lanes {
    /// By queue, then by kind.
    ids: HashMap<String, HashMap<String, i64>>,
    /// All lanes up to this one are in `ids`.
    last: i64,
    /// Those that had nothing to claim, as of `data_version`, and nothing has come since.
    empty: HashSet<i64>,
    data_version: i64,
}

/// The lanes after one, with their names.
pub(super) const LANES_AFTER: &str = "
SELECT l.id, q.name, k.name FROM groundcrew_lane l
CROSS JOIN groundcrew_queue q ON q.id = l.queue CROSS JOIN groundcrew_kind k ON k.id = l.kind
WHERE l.id > ?1 ORDER BY l.id";

pub(super) const ADD_QUEUE: &str =
    "INSERT INTO groundcrew_queue(name) VALUES(?1) ON CONFLICT DO NOTHING";
const ADD_KIND: &str = "INSERT INTO groundcrew_kind(name) VALUES(?1) ON CONFLICT DO NOTHING";
const ADD_LANE: &str = "
INSERT INTO groundcrew_lane(queue, kind)
SELECT q.id, k.id FROM groundcrew_queue q, groundcrew_kind k WHERE q.name = ?1 AND k.name = ?2";

impl Lanes {
    pub(super) fn get(&self, queue: &str, kind: &str) -> Option<i64> {
        self.ids.get(queue)?.get(kind).copied()
    }

    /// Learns of the lanes that have been added.
    pub(super) fn refresh(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached(LANES_AFTER)?;
        let mut rows = statement.query([self.last])?;
        while let Some(row) = rows.next()? {
            self.last = row.get(0)?;
            let kinds = self.ids.entry(text(row, 1)?).or_default();
            kinds.insert(text(row, 2)?, self.last);
        }
        Ok(())
    }

    /// The lane of a job to enqueue, which is added if it is new.
    pub(super) fn get_or_add(
        &mut self,
        conn: &Connection,
        queue: &str,
        kind: &str,
    ) -> rusqlite::Result<i64> {
        if let Some(lane) = self.get(queue, kind) {
            return Ok(lane);
        }
        self.refresh(conn)?;
        if let Some(lane) = self.get(queue, kind) {
            return Ok(lane);
        }
        conn.prepare_cached(ADD_QUEUE)?.execute([queue])?;
        conn.prepare_cached(ADD_KIND)?.execute([kind])?;
        conn.prepare_cached(ADD_LANE)?.execute([queue, kind])?;
        self.refresh(conn)?;
        self.get(queue, kind)
            .ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// What was learned in a transaction that is undone may be wrong.
    pub(super) fn forget(&mut self) {
        *self = Lanes::default();
    }

    /// Whether there is certainly nothing to claim.
    pub(super) fn is_empty(&self, lane: i64) -> bool {
        self.empty.contains(&lane)
    }

    pub(super) fn found_empty(&mut self, lane: i64) {
        self.empty.insert(lane);
    }

    /// This connection has made something available.
    pub(super) fn arrived(&mut self) {
        self.empty.clear();
    }

    /// Looks whether another connection has changed something.
    pub(super) fn look_for_others(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut statement = conn.prepare_cached("PRAGMA data_version")?;
        let version = statement.query_row([], |row| row.get(0))?;
        if self.data_version != version {
            self.data_version = version;
            self.empty.clear();
        }
        Ok(())
    }
}
