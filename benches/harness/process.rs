//! What the kernel knows of this process. Zero where there is no `/proc`.

use std::fs;
use std::time::Duration;

/// The time that all of its threads, the living ones, have run on a core.
pub(crate) fn cpu_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// How often its living threads went to sleep, by thread name; the current
/// thread is left out.
pub(crate) fn sleeps() -> u64 {
    let own = fs::read_link("/proc/thread-self").unwrap_or_default();
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let others = tasks.filter(|task| Some(task.file_name().as_os_str()) != own.file_name());
    others
        .filter_map(|task| field(&task.path().join("status"), "voluntary_ctxt_switches"))
        .sum()
}

/// The memory it has now, in KiB.
pub(crate) fn memory() -> u64 {
    field("/proc/self/status".as_ref(), "VmRSS").unwrap_or_default()
}

/// The most memory it had, in KiB.
pub(crate) fn peak_memory() -> u64 {
    field("/proc/self/status".as_ref(), "VmHWM").unwrap_or_default()
}

fn field(file: &std::path::Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
