//! Connections that only read.

use super::database::Database;
use crate::store::StoreError;
use crate::sync::Mutex;
use rusqlite::Connection;

/// Connections for reads, as many as there have been reads at the same time, up to a limit.
pub(super) struct Readers {
    database: Database,
    idle: Mutex<Vec<Connection>>,
}

const KEPT: usize = 4;

impl Readers {
    pub(super) fn new(database: Database) -> Readers {
        Readers {
            database,
            idle: Mutex::default(),
        }
    }

    /// Has `read` see one state of the store.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.database.check_place()?;
        let idle = self.idle.lock().pop();
        let conn = match idle {
            Some(conn) => conn,
            None => self.database.connect_reader()?,
        };
        let result = in_transaction(&conn, read);
        let result = result.map_err(|error| self.database.describe(&error))?;
        let mut idle = self.idle.lock();
        if idle.len() < KEPT {
            idle.push(conn);
        }
        Ok(result)
    }
}

/// After an error the connection is not to be used again.
fn in_transaction<T>(
    conn: &Connection,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let result = read(conn)?;
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(result)
}
