//! What is known of one file or folder.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// Files written twice within the resolution of a file system's clock look the same: so
/// close to the last look a time proves nothing.
const RESOLUTION: Duration = Duration::from_millis(20);

/// A time further ahead than this is wrong, and proves as much as any other.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// What shows that a file or folder is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) is_folder: bool,
    len: u64,
    modified: Option<SystemTime>,
    /// When anything of it was changed, where the system keeps that: unlike `modified`, which
    /// `cp -p` and `tar` set, no program can set it.
    changed: Option<SystemTime>,
    pub(super) file: Identity,
    /// It may have been written once more since, and look the same.
    is_fresh: bool,
}

/// Which file or folder this is. A number may be used again once its file is gone: the
/// birth time, where there is one, distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    number: (u64, u64),
    born: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn new(metadata: &Metadata, now: SystemTime) -> Stamp {
        // A change during the look is later than its beginning.
        let is_recent = |time: SystemTime| match now.duration_since(time) {
            Ok(age) => age < RESOLUTION,
            Err(ahead) => ahead.duration() < LONGEST_LOOK,
        };
        let (modified, changed) = (metadata.modified().ok(), changed(metadata));
        Stamp {
            is_folder: metadata.is_dir(),
            len: metadata.len(),
            modified,
            changed,
            file: Identity::of(metadata),
            is_fresh: modified.is_none_or(is_recent) || changed.is_some_and(is_recent),
        }
    }

    /// Whether this file has changed into `new`; `was_reported`: the system says so.
    pub(super) fn differs(self, new: Stamp, was_reported: bool) -> bool {
        let is_fresh = self.is_fresh;
        self != Stamp { is_fresh, ..new } || was_reported && is_fresh
    }
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Identity {
        Identity {
            number: number(metadata),
            born: metadata.created().ok(),
        }
    }
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<SystemTime> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{self, File, FileTimes};

    #[test]
    fn what_was_replaced_within_the_same_tick_is_reported_again_whatever_its_time_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        fs::write(&path, "one").unwrap();
        let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_times(times).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        let at_once = Stamp::new(&metadata, changed(&metadata).unwrap());
        assert!(at_once.is_fresh && at_once.differs(at_once, true));
        let later = changed(&metadata).unwrap() + RESOLUTION;
        let later = Stamp::new(&metadata, later);
        assert!(!later.is_fresh && !later.differs(at_once, true));
    }
}
