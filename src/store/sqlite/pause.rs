//! Queues are paused and resumed.

use super::lanes::ADD_QUEUE;
use super::tx::{Tx, moment};
use super::values::text;
use crate::store::PausedQueue;
use rusqlite::{Connection, params};

pub(super) const IS_PAUSED: &str =
    "SELECT 1 FROM groundcrew_queue WHERE name = ?1 AND paused_at IS NOT NULL";

pub(super) fn is_paused(conn: &Connection, queue: &str) -> rusqlite::Result<bool> {
    conn.prepare_cached(IS_PAUSED)?.exists([queue])
}

pub(super) const PAUSE: &str =
    "UPDATE groundcrew_queue SET paused_at = ?2 WHERE name = ?1 AND paused_at IS NULL";

pub(super) fn pause(tx: &Tx<'_>, queue: &str) -> rusqlite::Result<bool> {
    tx.execute(ADD_QUEUE, [queue])?;
    Ok(tx.execute(PAUSE, params![queue, tx.now_ms()])? > 0)
}

pub(super) const RESUME: &str =
    "UPDATE groundcrew_queue SET paused_at = NULL WHERE name = ?1 AND paused_at IS NOT NULL";

pub(super) fn resume(tx: &mut Tx<'_>, queue: &str) -> rusqlite::Result<bool> {
    let is_new = tx.execute(RESUME, [queue])? > 0;
    if is_new {
        tx.news();
    }
    Ok(is_new)
}

pub(super) const PAUSED: &str = "
SELECT name, paused_at FROM groundcrew_queue WHERE paused_at IS NOT NULL";

pub(super) fn paused(conn: &Connection) -> rusqlite::Result<Vec<PausedQueue>> {
    let mut statement = conn.prepare_cached(PAUSED)?;
    let paused = statement.query_map([], |row| {
        Ok(PausedQueue {
            queue: text(row, 0)?,
            since: moment(row.get(1)?),
        })
    })?;
    let mut paused: Vec<PausedQueue> = paused.collect::<rusqlite::Result<_>>()?;
    paused.sort_unstable_by(|one, other| one.queue.cmp(&other.queue));
    Ok(paused)
}
