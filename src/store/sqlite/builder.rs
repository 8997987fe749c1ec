//! How a store is opened.

use super::durability::Durability;
use super::store::SqliteStore;
use crate::clock::Clock;
#[cfg(feature = "testing")]
use crate::clock::ManualClock;
use crate::store::StoreError;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Opens a [`SqliteStore`] with other options than the default ones.
#[derive(Clone)]
#[must_use = "nothing is opened yet"]
pub struct SqliteStoreBuilder {
    pub(super) path: PathBuf,
    pub(super) durability: Durability,
    pub(super) busy_timeout: Duration,
    pub(super) max_payload: usize,
    pub(super) clock: Clock,
}

impl fmt::Debug for SqliteStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStoreBuilder")
            .field("path", &self.path)
            .field("durability", &self.durability)
            .field("busy_timeout", &self.busy_timeout)
            .field("max_payload", &self.max_payload)
            .finish_non_exhaustive()
    }
}

impl SqliteStoreBuilder {
    pub(super) fn new(path: PathBuf) -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            path,
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(5),
            max_payload: 1 << 20,
            clock: Clock::default(),
        }
    }

    /// Sets what an enqueued job and an accepted outcome survive. Defaults to
    /// [`Durability::Full`].
    pub fn durability(mut self, durability: Durability) -> SqliteStoreBuilder {
        self.durability = durability;
        self
    }

    /// Sets how long a call waits while another connection has locked the store, before it returns
    /// [`StoreError::Busy`]. Defaults to 5 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> SqliteStoreBuilder {
        self.busy_timeout = timeout;
        self
    }

    /// Sets the maximum size of the payload and the meta data of a job, in bytes. Defaults to
    /// 1 MiB.
    pub fn max_payload(mut self, bytes: usize) -> SqliteStoreBuilder {
        self.max_payload = bytes;
        self
    }

    /// Uses a manual clock (tests).
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: &ManualClock) -> SqliteStoreBuilder {
        self.clock.manual = Some(clock.clone());
        self
    }

    /// Opens the store, and makes its tables if the file has none. A file that does not exist is
    /// created; its folder has to exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotADatabase`], [`StoreError::Corrupt`], [`StoreError::NewerSchema`],
    /// [`StoreError::NetworkFileSystem`], [`StoreError::ReadOnly`], [`StoreError::Full`],
    /// [`StoreError::Busy`], [`StoreError::Unsupported`] if the path names no file, and
    /// [`StoreError::Unavailable`] for all else that the system says.
    pub fn open(self) -> Result<SqliteStore, StoreError> {
        SqliteStore::with(self)
    }
}
