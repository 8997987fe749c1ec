//! The locked files of processes with a lease.
//!
//! # Invariants
//!
//! 1. The row of a lease is written after its file is locked. The system releases the lock when the
//!    process has ended, however it ends. So a lock that is free means that the process has ended,
//!    or that the store was dropped.
//! 2. A file that is there, and long enough, says what the process did last: its beat, and in one
//!    slot for each thread the attempt that the thread began last. A process that cannot write its
//!    file empties or removes it.
//! 3. The file of a lease is removed after its row.
//!
//! A process that forks without exec keeps the lock until its child has ended too.

use crate::store::{AttemptId, Fence, JobId, LeaseSign, WorkerId};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, Relaxed};
use rustix::fs::{FlockOperation, flock};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

/// The folder of the files, beside the database, and those that this store has locked.
pub(super) struct LockFolder {
    path: PathBuf,
    own: Mutex<HashMap<WorkerId, Arc<LockFile>>>,
}

/// The locked file of a lease of this process.
pub(super) struct LockFile {
    path: PathBuf,
    /// Locked until it is closed.
    file: File,
    beat: AtomicU64,
    /// A write has failed, and so has the attempt to empty the file.
    is_wrong: AtomicBool,
}

// The beat, then the slots: job and fence. Each is a little-endian number of 8 bytes.
const HEADER: u64 = 16;
const SLOT: u64 = 16;

/// Allocated at once, so that a full disk does not matter to the first 255 threads.
const SIZE: usize = 4096;

impl LockFolder {
    pub(super) fn new(path: PathBuf) -> LockFolder {
        LockFolder {
            path,
            own: Mutex::default(),
        }
    }

    /// Makes and locks the file `token`; `None` if another process has swept it away meanwhile.
    pub(super) fn create(&self, token: &str) -> io::Result<Option<LockFile>> {
        fs::create_dir_all(&self.path)?;
        let path = self.path.join(token);
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .clone();
        let file = options.open(&path)?;
        file.write_all_at(&[0; SIZE], 0)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
            || file.metadata()?.nlink() == 0
        {
            let _ = fs::remove_file(&path);
            return Ok(None);
        }
        Ok(Some(LockFile {
            path,
            file,
            beat: AtomicU64::new(0),
            is_wrong: AtomicBool::new(false),
        }))
    }

    pub(super) fn keep(&self, worker: WorkerId, file: LockFile) {
        self.own.lock().insert(worker, Arc::new(file));
    }

    pub(super) fn own(&self, worker: WorkerId) -> Option<Arc<LockFile>> {
        self.own.lock().get(&worker).cloned()
    }

    /// The lease has ended.
    pub(super) fn remove(&self, worker: WorkerId, token: &str) {
        let _ = fs::remove_file(self.path.join(token));
        self.forget(worker);
    }

    pub(super) fn forget(&self, worker: WorkerId) {
        let file = self.own.lock().remove(&worker);
        drop(file);
    }

    /// Removes the files of processes that ended before or after they had a lease.
    pub(super) fn sweep(&self, leases: &HashSet<String>) {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let token = name.to_string_lossy();
            if !leases.contains(&*token) && self.sign(&token) == LeaseSign::Ended {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The beat of a lease of this store, without a look at its file; `None` if it is of another one.
    fn own_beat(&self, token: &str) -> Option<u64> {
        let own = self.own.lock();
        let file = own.values().find(|file| file.path.ends_with(token))?;
        // What others read: a file that could not be written was emptied.
        let is_wrong = file.is_wrong.load(Relaxed);
        Some(if is_wrong { 0 } else { file.beat.load(Relaxed) })
    }

    fn open(&self, token: &str) -> io::Result<File> {
        File::open(self.path.join(token))
    }

    /// Whether the process still holds the lock of its file.
    pub(super) fn sign(&self, token: &str) -> LeaseSign {
        if self.own_beat(token).is_some() {
            return LeaseSign::Held;
        }
        let Ok(file) = self.open(token) else {
            return LeaseSign::Unknown;
        };
        // Shared, so that those who look at the same time do not meet each other's lock.
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => LeaseSign::Ended,
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => LeaseSign::Held,
            Err(_) => LeaseSign::Unknown,
        }
    }

    /// The beat of a process; 0 if its file cannot be read.
    pub(super) fn beat(&self, token: &str) -> u64 {
        if let Some(beat) = self.own_beat(token) {
            return beat;
        }
        let mut beat = [0; 8];
        let read = self
            .open(token)
            .and_then(|file| file.read_exact_at(&mut beat, 0));
        read.map_or(0, |()| u64::from_le_bytes(beat))
    }

    /// What the threads of a process began last; `None` if its file does not say.
    pub(super) fn begun(&self, token: &str) -> Option<HashSet<AttemptId>> {
        let content = fs::read(self.path.join(token)).ok()?;
        let slots = content.get(HEADER as usize..)?.chunks_exact(SLOT as usize);
        let slots = slots.map(|slot| AttemptId {
            job: JobId::new(number(&slot[..8]) as i64),
            fence: Fence::new(number(&slot[8..])),
        });
        Some(slots.collect())
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl LockFile {
    pub(super) fn beat(&self) {
        let beat = self.beat.fetch_add(1, Relaxed) + 1;
        self.write(&beat.to_le_bytes(), 0);
    }

    pub(super) fn mark_begun(&self, slot: usize, attempt: AttemptId) {
        let mut bytes = [0; SLOT as usize];
        bytes[..8].copy_from_slice(&attempt.job.get().to_le_bytes());
        bytes[8..].copy_from_slice(&attempt.fence.get().to_le_bytes());
        self.write(&bytes, HEADER + slot as u64 * SLOT);
    }

    fn write(&self, bytes: &[u8], at: u64) {
        let is_wrong = self.is_wrong.load(Relaxed);
        if is_wrong || self.file.write_all_at(bytes, at).is_err() {
            // Emptying needs no space. What is written later does not bring back the others.
            let emptied = self
                .file
                .set_len(0)
                .or_else(|_| fs::remove_file(&self.path));
            self.is_wrong.store(true, Relaxed);
            drop(emptied);
        }
    }
}
