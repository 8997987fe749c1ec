//! The locked files of processes with a lease.
//!
//! # Invariants
//!
//! 1. The row of a lease is written after its file is locked. The system releases the lock when the
//!    process has ended, however it ends. So a lock that is free means that the process has ended,
//!    or that the store was dropped.
//! 2. A file that is there, and long enough, and of this start of the machine, has the last beat of the
//!    process, and each attempt that has begun and whose end is not recorded. It may have others,
//!    which have ended. A process that cannot write its file empties or removes it, and writes nothing
//!    to it after that. What a power failure leaves of a file, which is never synced, may lack marks.
//! 3. The file of a lease is removed after its row.
//!
//! A process that forks without exec keeps the lock until its child has ended too.

use crate::store::{AttemptId, Fence, JobId, LeaseSign, WorkerId};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, MutexGuard, Relaxed};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

/// The folder of the files, beside the database, and those that this store has locked.
pub(super) struct LockFolder {
    path: PathBuf,
    /// The number of this start of the machine; 0 if it is not known.
    boot: u64,
    own: Mutex<HashMap<WorkerId, Arc<LockFile>>>,
}

/// The locked file of a lease of this process.
pub(super) struct LockFile {
    path: PathBuf,
    /// Locked until it is closed.
    file: File,
    beat: AtomicU64,
    /// Held for each write.
    places: Mutex<Places>,
    /// A write has failed. Set with the lock of `places`.
    is_wrong: AtomicBool,
}

/// Where in the file the attempts are that have begun and whose end is not recorded. The place of
/// one that has ended is given to another one.
#[derive(Default)]
struct Places {
    taken: HashMap<AttemptId, u64>,
    /// Those before `next` that are not taken.
    free: Vec<u64>,
    next: u64,
}

impl Places {
    fn take(&mut self, attempt: AttemptId) -> u64 {
        *self.taken.entry(attempt).or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.next += 1;
                self.next - 1
            })
        })
    }

    fn give_back(&mut self, attempt: AttemptId) {
        self.free.extend(self.taken.remove(&attempt));
    }
}

// The beat, the start of the machine, then the places of attempts: job and fence. Each is a
// little-endian number of 8 bytes.
const BOOT: u64 = 8;
const HEADER: u64 = 16;
const PLACE: u64 = 16;

/// Allocated at once, so that a full disk does not matter to the first 1023 places.
const SIZE: usize = 16 << 10;

impl LockFolder {
    pub(super) fn new(path: PathBuf) -> LockFolder {
        LockFolder {
            path,
            boot: this_boot(),
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
        let locked = lock(&file, self.boot);
        if !matches!(locked, Ok(true)) {
            let _ = fs::remove_file(&path);
        }
        Ok(locked?.then(|| LockFile {
            path,
            file,
            beat: AtomicU64::new(0),
            places: Mutex::default(),
            is_wrong: AtomicBool::new(false),
        }))
    }

    pub(super) fn keep(&self, worker: WorkerId, file: LockFile) {
        self.own.lock().insert(worker, Arc::new(file));
    }

    pub(super) fn own(&self, worker: WorkerId) -> Option<Arc<LockFile>> {
        self.own.lock().get(&worker).cloned()
    }

    /// The ends of these attempts are recorded.
    pub(super) fn ended(&self, attempts: &[AttemptId]) {
        for file in self.own.lock().values() {
            let mut places = file.places.lock();
            attempts.iter().for_each(|id| places.give_back(*id));
        }
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
            if leases.contains(&*name.to_string_lossy()) {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else {
                continue;
            };
            // Locked until it is removed: its process could lock it between.
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
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
            Err(error) if error == Errno::WOULDBLOCK => LeaseSign::Held,
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

    /// What a process has begun, without an end that is recorded; `None` if its file does not say.
    pub(super) fn begun(&self, token: &str) -> Option<HashSet<AttemptId>> {
        let content = fs::read(self.path.join(token)).ok()?;
        let boot = content.get(BOOT as usize..HEADER as usize)?;
        if number(boot) != self.boot {
            return None;
        }
        let places = content[HEADER as usize..].chunks_exact(PLACE as usize);
        let begun = places.map(|place| AttemptId {
            job: JobId::new(number(&place[..8]) as i64),
            fence: Fence::new(number(&place[8..])),
        });
        Some(begun.collect())
    }
}

/// Of its random name the first digits.
fn this_boot() -> u64 {
    let name = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = name.chars().filter_map(|digit| digit.to_digit(16));
    digits
        .take(16)
        .fold(0, |number, digit| number << 4 | u64::from(digit))
}

/// Fills and locks a new file; `false`: another process sweeps it away.
fn lock(file: &File, boot: u64) -> io::Result<bool> {
    file.write_all_at(&[0; SIZE], 0)?;
    file.write_all_at(&boot.to_le_bytes(), BOOT)?;
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file.metadata()?.nlink() > 0),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl LockFile {
    /// There will be no lease.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }

    pub(super) fn beat(&self) {
        let places = self.places.lock();
        let beat = self.beat.fetch_add(1, Relaxed) + 1;
        self.write(&places, &beat.to_le_bytes(), 0);
    }

    pub(super) fn mark_begun(&self, attempt: AttemptId) {
        let mut places = self.places.lock();
        let place = places.take(attempt);
        let mut bytes = [0; PLACE as usize];
        bytes[..8].copy_from_slice(&attempt.job.get().to_le_bytes());
        bytes[8..].copy_from_slice(&attempt.fence.get().to_le_bytes());
        self.write(&places, &bytes, HEADER + place * PLACE);
    }

    /// One after the other: a mark behind the end of a file that was just emptied would make it long
    /// enough again, without the marks before it.
    fn write(&self, _locked: &MutexGuard<'_, Places>, bytes: &[u8], at: u64) {
        let is_wrong = self.is_wrong.load(Relaxed);
        if is_wrong || self.file.write_all_at(bytes, at).is_err() {
            self.is_wrong.store(true, Relaxed);
            // Emptying needs no space. What is written later does not bring back the others.
            let emptied = self
                .file
                .set_len(0)
                .or_else(|_| fs::remove_file(&self.path));
            drop(emptied);
        }
    }
}
