//! Enqueuing in a transaction of the program's own.

use super::error::StoreError;
use super::spec::{Enqueued, JobSpec};

/// An open transaction of the program on the database of its store: the job is enqueued when the
/// transaction commits, together with what else it writes. The modules of the stores implement
/// it for the transactions of their drivers.
pub trait Transaction {
    /// Puts the job in. The payload has been checked against the limit of the store.
    ///
    /// # Errors
    ///
    /// The same as [`Store::enqueue`](super::Store::enqueue). The transaction is still open then; it
    /// is the program's to roll back.
    fn enqueue(self, job: &JobSpec) -> Result<Enqueued, StoreError>;
}

/// A statement that enqueues a job, for a driver that has no [`Transaction`] here.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Statement {
    /// One statement of SQL, with the placeholders of the store's database.
    pub sql: String,
    /// The values of the placeholders, in order.
    pub values: Vec<SqlValue>,
}

impl Statement {
    /// A statement with its values.
    pub fn new(sql: impl Into<String>, values: Vec<SqlValue>) -> Statement {
        Statement {
            sql: sql.into(),
            values,
        }
    }
}

/// A value of a [`Statement`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SqlValue {
    /// `NULL`.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}
