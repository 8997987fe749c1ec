//! What a command has while it runs: the open transaction.

use super::counts::Counts;
use super::errors::{ends_transaction, may_be_of_a_row};
use super::lanes::Lanes;
use super::touched::Touched;
use crate::clock::Clock;
use crate::store::Due;
use rusqlite::{CachedStatement, Connection, Params};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The writer's open transaction, as one command sees it.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a Connection,
    pub(super) lanes: &'a mut Lanes,
    pub(super) counts: Counts,
    pub(super) touched: Touched,
    /// The store's clock, read within the transaction.
    pub(super) now: SystemTime,
    /// Something may be claimed, or found in `held`, that could not before.
    pub(super) has_news: bool,
}

pub(super) const NEXT_FENCE: &str = "UPDATE groundcrew_meta SET fence = fence + 1 RETURNING fence";

impl<'a> Tx<'a> {
    pub(super) fn new(conn: &'a Connection, lanes: &'a mut Lanes, clock: &Clock) -> Tx<'a> {
        Tx {
            conn,
            lanes,
            counts: Counts::default(),
            touched: Touched::default(),
            now: read(clock),
            has_news: false,
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        millis(self.now)
    }

    pub(super) fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'a>> {
        self.conn.prepare_cached(sql)
    }

    pub(super) fn execute(&self, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
        self.prepare(sql)?.execute(values)
    }

    /// Runs a part of the command. An error that may be that of a row, and leaves the transaction as it
    /// was before, is the inner one.
    pub(super) fn part<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Result<T, rusqlite::Error>> {
        self.execute("SAVEPOINT part", [])?;
        let result = body(self);
        match &result {
            Err(error) if ends_transaction(error, self.conn) || !may_be_of_a_row(error) => {
                return result.map(Ok);
            }
            Err(_) => drop(self.execute("ROLLBACK TO part", [])?),
            Ok(_) => {}
        }
        self.execute("RELEASE part", [])?;
        Ok(result)
    }

    pub(super) fn news(&mut self) {
        self.has_news = true;
        self.lanes.arrived();
    }

    /// The number of a claim or of a takeover.
    pub(super) fn next_fence(&self) -> rusqlite::Result<i64> {
        self.prepare(NEXT_FENCE)?.query_row([], |row| row.get(0))
    }
}

pub(super) fn read(clock: &Clock) -> SystemTime {
    Due::reading(clock.read().wall)
}

pub(super) fn millis(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn moment(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
