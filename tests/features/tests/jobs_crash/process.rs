//! A player as the parent has it.

use crate::player::pid_file;
use crate::{DRAINS, FOLDER, NUMBER};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How a player is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Under {
    Nothing,
    /// `strace`, which makes some of its system calls fail.
    Strace(&'static str),
    /// `faketime`, with a clock that differs by this.
    Faketime(&'static str),
}

pub(crate) struct Player {
    child: Child,
    number: usize,
    folder: PathBuf,
    pid: Option<u32>,
    pub(crate) under: Under,
}

impl Player {
    pub(crate) fn start(folder: &Path, number: usize, under: Under, drains: bool) -> Player {
        let own = std::env::current_exe().unwrap();
        let mut command = match under {
            Under::Nothing => Command::new(own),
            Under::Strace(inject) => {
                let mut command = Command::new("strace");
                command
                    .args(["-f", "-qq", "-o", "/dev/null", "--seccomp-bpf"])
                    .args(["-e", "trace=fsync,fdatasync,pwrite64,ftruncate,fallocate"])
                    .args(["-e", inject])
                    .arg(own);
                command
            }
            Under::Faketime(offset) => {
                let mut command = Command::new("faketime");
                command
                    .args(["-f", offset])
                    .arg(own)
                    .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
                command
            }
        };
        let stderr = File::options()
            .append(true)
            .create(true)
            .open(folder.join("stderr"))
            .unwrap();
        command
            .args(["--exact", "scenario", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .env(NUMBER, number.to_string())
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        if drains {
            command.env(DRAINS, "1");
        }
        Player {
            child: command.spawn().unwrap(),
            number,
            folder: folder.to_owned(),
            pid: None,
            under,
        }
    }

    /// Its process, once it is about to work.
    pub(crate) fn pid(&mut self) -> Option<u32> {
        if self.pid.is_none() {
            let said = fs::read_to_string(pid_file(&self.folder, self.number)).ok()?;
            self.pid = Some(said.parse().unwrap());
        }
        self.pid
    }

    /// Whether it was there to get it.
    pub(crate) fn signal(&mut self, signal: &str) -> bool {
        let Some(pid) = self.pid() else {
            return false;
        };
        let sent = Command::new("kill")
            .args([signal, &pid.to_string()])
            .stderr(Stdio::null())
            .status();
        sent.unwrap().success()
    }

    /// Whether it has ended by itself: a job has killed it.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Returns whether it lived until then.
    pub(crate) fn kill(mut self) -> bool {
        let was_alive = !self.has_ended();
        if !self.signal("-KILL") {
            let _ = self.child.kill();
        }
        self.child.wait().unwrap();
        was_alive
    }

    /// Waits until it has ended after a signal, and says how.
    pub(crate) fn wait(mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "player {} (process {:?}, {:?}) has not stopped in {limit:?}",
                self.number,
                self.pid,
                self.under
            );
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.signal("-KILL");
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Stopped, with the code of its report, or killed by a job.
pub(crate) fn is_good_end(status: ExitStatus) -> bool {
    matches!(status.code(), Some(0 | 75)) || status.signal() == Some(9)
}

/// Whether a program is there.
pub(crate) fn has(program: &str, arguments: &[&str]) -> bool {
    let probe = Command::new(program).args(arguments).output();
    let is_there = probe.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("SKIPPED: {program} cannot be used here");
    }
    is_there
}
