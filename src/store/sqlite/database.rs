//! The file, and connections to it.

use super::errors::{self, Failure};
use super::{file_system, schema};
use crate::clock::{self, Deadline};
use crate::store::StoreError;
use crate::sync::channel;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use rustix::fs::statvfs;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The database file of a store.
///
/// The file, its `-wal` and its `-shm` are never opened but by SQLite: closing any descriptor of
/// them would release the locks that SQLite holds in this process.
#[derive(Clone, Debug)]
pub(super) struct Database {
    /// Absolute, and without links in its folder.
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
    /// Device and inode of the file.
    identity: (u64, u64),
}

/// The longest wait for a lock that SQLite knows: 24.8 days.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// The size to which the log is grown before it is used, and above which it is checkpointed. An
/// fsync is quicker if the file does not grow.
const LOG_SIZE: u64 = 8 << 20;

/// The log is not grown where less space is free, in bytes.
const AMPLE_SPACE: u64 = 64 << 20;

/// Larger than the log gets without a reader that keeps it from beginning again; it is cut to this
/// then.
const LARGEST_LOG: u64 = 64 << 20;

/// In KiB, which is what a negative number stands for.
const CACHE_SIZE: i64 = -8000;

/// More statements than there are.
const STATEMENTS: usize = 128;

impl Database {
    /// Opens the file, and makes it one of this version if it is not. Also returns the connection
    /// for the writer.
    pub(super) fn open(
        path: &Path,
        busy_timeout: Duration,
    ) -> Result<(Database, Connection), StoreError> {
        let mut database = Database {
            path: absolute(path)?,
            busy_timeout,
            identity: (0, 0),
        };
        let conn = database.connect_with(OpenFlags::SQLITE_OPEN_CREATE)?;
        database.use_log(&conn)?;
        let metadata = fs::metadata(&database.path);
        database.identity = identity(&metadata.map_err(|error| unreachable_file(path, &error))?);
        let prepared = database.prepare(&conn);
        prepared.map_err(|failure| database.explain(failure))?;
        Ok((database, conn))
    }

    /// A connection that can write. A file that is gone is not made again.
    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        self.connect_with(OpenFlags::empty())
    }

    fn connect_with(&self, flags: OpenFlags) -> Result<Connection, StoreError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let conn = Connection::open_with_flags(&self.path, flags)?;
            // SQLite counts milliseconds in an `int`; rusqlite panics above that.
            conn.busy_timeout(self.busy_timeout.min(LONGEST_TIMEOUT))?;
            conn.set_prepared_statement_cache_capacity(STATEMENTS);
            // The log is checkpointed by a thread of its own.
            conn.pragma_update(None, "wal_autocheckpoint", 0)?;
            conn.pragma_update(None, "journal_size_limit", LARGEST_LOG as i64)?;
            conn.pragma_update(None, "synchronous", "NORMAL")?;
            conn.pragma_update(None, "cache_size", CACHE_SIZE)?;
            // What savepoints need to undo a command would go to a file.
            conn.pragma_update(None, "temp_store", "MEMORY")?;
            Ok(conn)
        };
        connect().map_err(|error| self.describe(&error))
    }

    /// A connection that only reads.
    pub(super) fn connect_reader(&self) -> Result<Connection, StoreError> {
        let conn = self.connect()?;
        let query_only = conn.pragma_update(None, "query_only", true);
        query_only.map_err(|error| self.describe(&error))?;
        Ok(conn)
    }

    /// Switches to a write-ahead log. Of several connections that do this at once all but one get
    /// an error at once, whatever their busy timeout.
    fn use_log(&self, conn: &Connection) -> Result<(), StoreError> {
        let deadline = Deadline::after(self.busy_timeout);
        loop {
            let mode: rusqlite::Result<String> =
                conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
            match mode {
                Ok(mode) if mode == "wal" => return Ok(()),
                Ok(mode) => {
                    return Err(StoreError::Unavailable {
                        detail: format!(
                            "{}: a write-ahead log cannot be used here, only {mode:?}",
                            self.path.display()
                        ),
                    });
                }
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && !deadline.has_passed(clock::now()) =>
                {
                    let pause = Deadline::after(Duration::from_millis(5));
                    let _ = pause.receive(&channel::never::<()>());
                }
                Err(error) => return Err(self.describe(&error)),
            }
        }
    }

    fn prepare(&self, conn: &Connection) -> Result<(), Failure> {
        conn.execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE")?;
        let prepared = schema::migrate(conn).and_then(|()| Ok(note_boot(conn)?));
        // An error may have ended the transaction already.
        let end = match prepared {
            Ok(()) => conn.execute_batch("COMMIT"),
            Err(_) if conn.is_autocommit() => Ok(()),
            Err(_) => conn.execute_batch("ROLLBACK"),
        };
        prepared.and(Ok(end?))
    }

    /// Grows the log by pages of a transaction that is then rolled back, where there is ample space
    /// for that. It waits for no lock.
    pub(super) fn grow_log(&self, conn: &Connection) -> rusqlite::Result<()> {
        let log = fs::metadata(self.companion("-wal"));
        let missing = LOG_SIZE.saturating_sub(log.map_or(0, |log| log.len()));
        let free =
            statvfs(&self.path).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        if missing < LOG_SIZE / 2 || free < AMPLE_SPACE {
            return Ok(());
        }
        conn.busy_timeout(Duration::ZERO)?;
        let grown = grow_log_by(conn, missing);
        conn.busy_timeout(self.busy_timeout.min(LONGEST_TIMEOUT))?;
        conn.pragma_update(None, "cache_size", CACHE_SIZE)?;
        grown
    }

    /// A path beside the file: its own with something behind it.
    pub(super) fn companion(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// Fails if the file is no longer at its path: what is written would be lost with the last
    /// descriptor.
    pub(super) fn check_place(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.identity => Ok(()),
            _ => Err(errors::moved(&self.path)),
        }
    }

    pub(super) fn describe(&self, error: &rusqlite::Error) -> StoreError {
        errors::describe(error, &self.path, self.busy_timeout)
    }

    pub(super) fn explain(&self, failure: Failure) -> StoreError {
        match failure {
            Failure::Refused(error) => error,
            Failure::Sqlite(error) => self.describe(&error),
        }
    }
}

fn grow_log_by(conn: &Connection, bytes: u64) -> rusqlite::Result<()> {
    // Pages that find no place in the cache are written to the log before the end.
    conn.execute_batch("PRAGMA cache_size = 16; BEGIN IMMEDIATE")?;
    let sql = "INSERT INTO groundcrew_payload(job, payload) VALUES(-1, zeroblob(?1))";
    let grown = conn.execute(sql, [bytes as i64]);
    if !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    grown.map(drop)
}

fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let name = path.file_name();
    let Some(name) = name.filter(|_| path != Path::new(":memory:")) else {
        return Err(StoreError::Unsupported {
            detail: format!(
                "{path:?} names no file; name one, or use a `MemoryStore` for jobs in memory"
            ),
        });
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // The file itself may be a link: then its target counts, and its log lies beside that.
    let real = fs::canonicalize(path).or_else(|_| Ok(fs::canonicalize(folder)?.join(name)));
    let real = real.map_err(|error| unreachable_file(path, &error))?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    file_system::check(folder, &real)?;
    Ok(real)
}

fn unreachable_file(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable {
        detail: format!("{}: {error}", path.display()),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The low bits of a fence, which count; those above say how many starts of the machine the store
/// has seen. A power failure may undo a claim, and the number that it used, but then the machine
/// starts again.
const FENCE_BITS: u32 = 40;

fn note_boot(conn: &Connection) -> rusqlite::Result<()> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot = boot.trim();
    let row = "SELECT fence FROM groundcrew_meta WHERE boot = ?1 AND boot <> ''";
    let known: Option<i64> = conn.query_row(row, [boot], |row| row.get(0)).optional()?;
    if known.is_none() {
        let next = "UPDATE groundcrew_meta SET boot = ?1, fence = ((fence >> ?2) + 1) << ?2";
        conn.execute(next, (boot, FENCE_BITS))?;
    }
    Ok(())
}
