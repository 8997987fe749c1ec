//! A player as the parent has it.

use crate::common::LONG;
use crate::player::Stage;
use crate::{DRAINS, FOLDER, NUMBER, SEED};
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// How a player is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Under {
    Nothing,
    /// `strace`, which makes some of its system calls fail.
    Errors(&'static str),
    /// `strace`, which kills it at this write of one of its threads.
    Kill(u32),
    /// The library of `faketime`, with a clock that differs by this.
    Clock(&'static str),
}

/// The calls that write to the file, its log and its index.
const WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate,fallocate";

impl Under {
    fn command(self) -> Command {
        let own = std::env::current_exe().unwrap();
        let mut command = match self {
            Under::Nothing => return Command::new(own),
            Under::Errors(inject) => {
                let mut command = strace();
                command.args(["--seccomp-bpf", "-e", &format!("inject={inject}")]);
                command
            }
            // Beside `--seccomp-bpf` no signal is sent.
            Under::Kill(write) => {
                let mut command = strace();
                let inject = format!("inject={WRITES}:signal=KILL:when={write}");
                command.args(["-e", &inject]);
                command
            }
            Under::Clock(offset) => {
                let mut command = Command::new(own);
                command
                    .env("LD_PRELOAD", faketime().unwrap())
                    .env("FAKETIME", offset)
                    .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
                return command;
            }
        };
        command.arg(own);
        command
    }
}

/// The tracer is a child of the player: so a player has the same process however it is run. The two
/// are a group, by which a tracer is found that has not begun when its player is killed.
fn strace() -> Command {
    let mut command = Command::new("strace");
    command.process_group(0);
    let trace = format!("trace={WRITES}");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace]);
    command
}

pub(crate) struct Player {
    child: Child,
    number: usize,
    folder: PathBuf,
    pub(crate) under: Under,
}

impl Player {
    pub(crate) fn start(
        folder: &Path,
        (number, seed): (usize, u64),
        under: Under,
        drains: bool,
    ) -> Player {
        let mut command = under.command();
        command
            .args(["--exact", "scenario", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .env(NUMBER, number.to_string())
            .env(SEED, seed.to_string())
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(stderr(folder, number)).unwrap());
        if drains {
            command.env(DRAINS, "1");
        }
        Player {
            child: command.spawn().unwrap(),
            number,
            folder: folder.to_owned(),
            under,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_reached(&self, stage: Stage) -> bool {
        stage.file(&self.folder, self.number).exists()
    }

    /// Blocks until it is there, or has ended.
    pub(crate) fn wait_for(&mut self, stage: Stage) {
        let deadline = Instant::now() + LONG;
        while !self.has_reached(stage) && self.ended().is_none() {
            assert!(
                Instant::now() < deadline,
                "{} is not {stage:?}",
                self.name()
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill")
            .args([signal, &pid])
            .stderr(Stdio::null())
            .status();
        sent.unwrap();
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Returns whether it lived until then.
    pub(crate) fn kill(&mut self) -> bool {
        let was_alive = self.ended().is_none();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        was_alive
    }

    /// Blocks until it has ended after a signal, and says how.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not stop", self.name());
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn name(&self) -> String {
        let (number, pid, under) = (self.number, self.pid(), self.under);
        format!("player {number} (process {pid}, {under:?})")
    }

    /// The end of what it has printed.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(stderr(&self.folder, self.number)).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(2000)..]).into_owned()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let pid = self.pid();
        match self.under {
            Under::Nothing => {}
            Under::Errors(_) | Under::Kill(_) => {
                let mut kill = Command::new("kill");
                runs(kill.args(["-KILL", "--", &format!("-{pid}")]));
            }
            // What is killed does not remove them.
            Under::Clock(_) => {
                let _ = fs::remove_file(format!("/dev/shm/faketime_shm_{pid}"));
                let _ = fs::remove_file(format!("/dev/shm/sem.faketime_sem_{pid}"));
            }
        }
    }
}

fn stderr(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("stderr-{number}"))
}

/// Whether it was killed.
pub(crate) fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

/// Whether `strace` can make calls fail, and kill.
pub(crate) fn has_strace() -> bool {
    let mut fails = strace();
    fails.args(["--seccomp-bpf", "true"]);
    let mut kills = strace();
    kills.args([
        "-e",
        "trace=write",
        "-e",
        "inject=write:signal=KILL",
        "echo",
    ]);
    runs(&mut fails).is_some_and(|status| status.success())
        && runs(&mut kills).is_some_and(is_killed)
}

pub(crate) fn has_faketime() -> bool {
    faketime().is_some()
}

/// The library that `faketime` preloads. It is itself the parent of what it runs, which is another
/// process then.
fn faketime() -> Option<&'static str> {
    static LIBRARY: OnceLock<Option<String>> = OnceLock::new();
    let find = || {
        let mut command = Command::new("faketime");
        let output = command.args(["-f", "+1s", "env"]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut lines = text.lines();
        let library = lines.find_map(|line| line.strip_prefix("LD_PRELOAD="));
        library.map(str::to_owned)
    };
    LIBRARY.get_or_init(find).as_deref()
}

fn runs(command: &mut Command) -> Option<ExitStatus> {
    let output = command.stdin(Stdio::null()).output();
    output.ok().map(|output| output.status)
}
