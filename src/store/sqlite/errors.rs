//! What SQLite says, as errors of a store.

use crate::store::StoreError;
use rusqlite::{Connection, Error, ErrorCode, ffi};
use std::path::Path;
use std::time::Duration;

/// Why a piece of work in a transaction did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may not be done. The transaction is as it was before.
    Refused(StoreError),
    /// The database could not do it. The transaction may be gone.
    Sqlite(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Refused(error)
    }
}

/// What an error of SQLite means for a store in the file `path`, which waits for locks for `waited`.
pub(super) fn describe(error: &Error, path: &Path, waited: Duration) -> StoreError {
    let detail = error.to_string();
    let Error::SqliteFailure(failure, message) = error else {
        return match error {
            // What the tables hold is not what this crate writes.
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::QueryReturnedNoRows => StoreError::Corrupt { detail },
            _ => StoreError::Unavailable { detail },
        };
    };
    let detail = message.clone().unwrap_or(detail);
    match (failure.code, failure.extended_code) {
        (_, ffi::SQLITE_BUSY_SNAPSHOT) => StoreError::Unavailable {
            detail: "the transaction began with a read, and another connection has written \
                     since; begin it with BEGIN IMMEDIATE"
                .to_owned(),
        },
        (_, ffi::SQLITE_READONLY_DBMOVED) => moved(path),
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => StoreError::Busy { waited },
        (ErrorCode::DiskFull, _) => StoreError::Full { detail },
        (ErrorCode::ReadOnly, _) => StoreError::ReadOnly { detail },
        (ErrorCode::DatabaseCorrupt, _) => StoreError::Corrupt { detail },
        // This crate writes nothing that its own tables refuse.
        (ErrorCode::ConstraintViolation | ErrorCode::TooBig, _) => StoreError::Unsupported {
            detail: format!(
                "{}: the database refuses a row: {detail}; remove the trigger, the constraint or \
                 the limit of the program that does not allow it",
                path.display()
            ),
        },
        (ErrorCode::NotADatabase, _) => StoreError::NotADatabase {
            path: path.to_owned(),
        },
        _ => StoreError::Unavailable {
            detail: format!("{}: {detail}", path.display()),
        },
    }
}

/// Whether it may be one row that cannot be read or written, while others can: it is damaged, lies on a
/// bad sector, or is refused by a trigger of the program.
pub(super) fn may_be_of_a_row(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseCorrupt
                | ErrorCode::SystemIoFailure
                | ErrorCode::ConstraintViolation
                | ErrorCode::TooBig
        )
    )
}

/// Whether the transaction in which this error occurred is gone, or of no more use: once it has met
/// damage SQLite writes nothing more in it.
pub(super) fn ends_transaction(error: &Error, conn: &Connection) -> bool {
    conn.is_autocommit() || error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

/// Whether the transaction whose COMMIT returned this error is certainly undone. After an error of
/// a write or of an fsync, a later recovery of the database may still find it in the log.
pub(super) fn is_undone(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::ConstraintViolation
        )
    )
}

/// The file is no longer where the store was opened.
pub(super) fn moved(path: &Path) -> StoreError {
    StoreError::Unavailable {
        detail: format!(
            "the file {path:?} was moved, deleted or replaced; move it back, or start the program \
             again"
        ),
    }
}
