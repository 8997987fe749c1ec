//! The table of the sums, which is the program's own, in the database of the jobs.

use crate::output;
use crate::program::Result;
use groundcrew::store::sqlite::rusqlite::{self, Connection, params};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// A connection of one worker.
pub(crate) struct Sums {
    conn: Connection,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS sum(
    path TEXT PRIMARY KEY, sum TEXT NOT NULL, written INT NOT NULL
) STRICT";

/// Written again by an attempt that follows a kill: `written` counts these.
const STORE: &str = "INSERT INTO sum VALUES(?1, ?2, 1)
    ON CONFLICT DO UPDATE SET sum = excluded.sum, written = written + 1";

impl Sums {
    pub(crate) fn open(database: &Path) -> rusqlite::Result<Sums> {
        let conn = Connection::open(database)?;
        // As long as another process writes.
        conn.busy_timeout(Duration::from_secs(10))?;
        conn.execute(TABLE, [])?;
        Ok(Sums { conn })
    }

    /// In a transaction of its own, which is over at once: meanwhile no job is claimed.
    pub(crate) fn store(&mut self, path: &str, sum: &str) -> rusqlite::Result<()> {
        self.conn
            .prepare_cached(STORE)?
            .execute(params![path, sum])?;
        Ok(())
    }
}

/// Prints the lines in the order of the paths, each as `sha256sum` prints it.
pub(crate) fn print(database: &Path) -> Result<()> {
    let sums = Sums::open(database)?;
    let mut statement = sums
        .conn
        .prepare("SELECT path, sum FROM sum ORDER BY path")?;
    let mut rows = statement.query([])?;
    let mut lines = String::new();
    while let Some(row) = rows.next()? {
        let (path, sum): (String, String) = (row.get(0)?, row.get(1)?);
        // A name that would break the line is escaped, and the line begins with a backslash.
        let escaped = path
            .replace('\\', r"\\")
            .replace('\n', r"\n")
            .replace('\r', r"\r");
        let mark = if escaped == path { "" } else { "\\" };
        writeln!(lines, "{mark}{sum}  {escaped}")?;
    }
    output::print(lines)
}
