//! The disk under an example: a folder, or a small one of its own that gets full or read-only.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct Disk {
    pub(crate) folder: PathBuf,
    is_mounted: bool,
    is_read_only: bool,
}

/// Room for what a chain writes.
const SIZE: &str = "size=4m";

fn run(program: &str, arguments: &[&str], folder: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn mount(folder: &Path) -> bool {
    run("mount", &["-t", "tmpfs", "-o", SIZE, "tmpfs"], folder)
}

/// Whether this process may mount, and so has the faults of disks.
pub(crate) fn can_mount(scratch: &Path) -> bool {
    let folder = scratch.join("mounted");
    fs::create_dir(&folder).unwrap();
    mount(&folder) && run("umount", &[], &folder)
}

impl Disk {
    pub(crate) fn new(folder: PathBuf, is_small: bool) -> Disk {
        fs::create_dir(&folder).unwrap();
        let is_mounted = is_small && mount(&folder);
        assert_eq!(is_mounted, is_small);
        Disk {
            folder,
            is_mounted,
            is_read_only: false,
        }
    }

    /// Takes what room there is.
    pub(crate) fn fill(&self) {
        assert!(self.is_mounted);
        let mut ballast = File::create(self.ballast()).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while ballast.write_all(&vec![b' '; size]).is_ok() {}
        }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Makes it read-only: `false`: something is being written all the time.
    pub(crate) fn protect(&mut self) -> bool {
        assert!(self.is_mounted);
        self.is_read_only = (0..20).any(|_| run("mount", &["-o", "remount,ro"], &self.folder));
        self.is_read_only
    }

    /// As it was at first.
    pub(crate) fn mend(&mut self) {
        if self.is_read_only {
            assert!(run("mount", &["-o", "remount,rw"], &self.folder));
            self.is_read_only = false;
        }
        let _ = fs::remove_file(self.ballast());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            run("umount", &["-l"], &self.folder);
        }
    }
}
