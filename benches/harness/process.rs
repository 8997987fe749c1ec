//! What the kernel knows of this process. Zero where there is no `/proc`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// For how long each living thread has run on a core.
pub(crate) struct CpuTimes(HashMap<PathBuf, Duration>);

impl CpuTimes {
    pub(crate) fn now() -> CpuTimes {
        CpuTimes(living().map(timed).collect())
    }

    /// The same without the current thread.
    pub(crate) fn of_others() -> CpuTimes {
        CpuTimes(others().map(timed).collect())
    }

    /// How long the threads that live now have run since.
    pub(crate) fn since(&self, before: &CpuTimes) -> Duration {
        let ran = self.0.iter().map(|(thread, now)| {
            let before = before.0.get(thread).copied().unwrap_or_default();
            now.saturating_sub(before)
        });
        ran.sum()
    }
}

/// How many threads it has.
pub(crate) fn threads() -> usize {
    living().count()
}

/// Waits until it has no more threads than this, for a second at most. Some
/// pools are gone before their threads are.
pub(crate) fn wait_for_threads(most: usize) {
    let start = Instant::now();
    while threads() > most && start.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_micros(100));
    }
}

/// What its living threads have used up.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// How often one left its core for any reason.
    pub(crate) switches: u64,
}

impl Usage {
    /// Of all threads but the current one.
    pub(crate) fn of_others() -> Usage {
        others().map(Usage::of).fold(Usage::default(), Usage::plus)
    }

    pub(crate) fn of_current() -> Usage {
        Usage::of(PathBuf::from("/proc/thread-self"))
    }

    pub(crate) fn plus(self, other: Usage) -> Usage {
        Usage {
            cpu: self.cpu + other.cpu,
            switches: self.switches + other.switches,
        }
    }

    fn of(thread: PathBuf) -> Usage {
        let status = thread.join("status");
        let waits = field(&status, "voluntary_ctxt_switches").unwrap_or_default();
        let preempted = field(&status, "nonvoluntary_ctxt_switches").unwrap_or_default();
        Usage {
            switches: waits + preempted,
            cpu: timed(thread).1,
        }
    }

    /// What was used since. No thread may have ended meanwhile.
    pub(crate) fn since(self, before: Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(before.cpu),
            switches: self.switches.saturating_sub(before.switches),
        }
    }
}

/// How often its living threads, other than the current one, gave up their
/// core to wait for something.
pub(crate) fn wakes_of_others() -> u64 {
    let switches = |thread: PathBuf| field(&thread.join("status"), "voluntary_ctxt_switches");
    others().filter_map(switches).sum()
}

fn living() -> impl Iterator<Item = PathBuf> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten();
    threads.flatten().map(|thread| thread.path())
}

fn others() -> impl Iterator<Item = PathBuf> {
    let own = fs::read_link("/proc/thread-self").unwrap_or_default();
    living().filter(move |thread| thread.file_name() != own.file_name())
}

fn timed(thread: PathBuf) -> (PathBuf, Duration) {
    let text = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    let nanos = text.split_whitespace().next();
    let nanos = nanos.and_then(|word| word.parse().ok()).unwrap_or_default();
    (thread, Duration::from_nanos(nanos))
}

/// The memory it has now, in KiB.
pub(crate) fn memory() -> u64 {
    field("/proc/self/status".as_ref(), "VmRSS").unwrap_or_default()
}

/// The most memory it had, in KiB.
pub(crate) fn peak_memory() -> u64 {
    field("/proc/self/status".as_ref(), "VmHWM").unwrap_or_default()
}

fn field(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
