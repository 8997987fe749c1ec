//! What the operating system says of a thread.

/// What the operating system says of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ThreadStatus {
    pub(crate) id: u64,
    /// As in "running" or "sleeping in read".
    pub(crate) doing: String,
}

#[cfg(all(target_os = "linux", not(any(loom, miri, shuttle))))]
mod proc {
    use super::ThreadStatus;
    use std::fs;

    /// The current thread's number, as `ps -L` and `/proc` show it.
    pub(crate) fn current_id() -> Option<u64> {
        let link = fs::read_link("/proc/thread-self").ok()?;
        link.file_name()?.to_str()?.parse().ok()
    }

    /// What thread `id` of this process does at this moment.
    pub(crate) fn status(id: u64) -> Option<ThreadStatus> {
        let stat = fs::read_to_string(format!("/proc/self/task/{id}/stat")).ok()?;
        // The name before it, in parentheses, may contain anything.
        let state = stat[stat.rfind(')')? + 1..].trim_start().chars().next()?;
        let call = fs::read_to_string(format!("/proc/self/task/{id}/syscall")).ok();
        let call = call.as_deref().and_then(system_call);
        let doing = match (state, call) {
            ('R', _) => "running".to_owned(),
            ('S', Some(call)) => format!("sleeping in {call}"),
            ('S', None) => "sleeping".to_owned(),
            ('D', Some(call)) => format!("waiting for a device in {call}"),
            ('D', None) => "waiting for a device".to_owned(),
            ('T' | 't', _) => "halted by a signal or a debugger".to_owned(),
            ('Z' | 'X', _) => "ending".to_owned(),
            (other, _) => format!("in state {other}"),
        };
        Some(ThreadStatus { id, doing })
    }

    /// What all threads of this process do, by their names.
    #[cfg(feature = "testing")]
    pub(crate) fn statuses() -> Vec<(String, ThreadStatus)> {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
        let id = |task: fs::DirEntry| task.file_name().to_str()?.parse().ok();
        let mut ids: Vec<u64> = tasks.flatten().filter_map(id).collect();
        ids.sort_unstable();
        let name = |id| fs::read_to_string(format!("/proc/self/task/{id}/comm"));
        let named = |id| Some((name(id).ok()?.trim_end().to_owned(), status(id)?));
        ids.into_iter().filter_map(named).collect()
    }

    /// The name of the call that a `syscall` file begins with.
    fn system_call(line: &str) -> Option<String> {
        let number: u32 = line.split_whitespace().next()?.parse().ok()?;
        Some(match CALLS.iter().find(|(call, _)| *call == number) {
            Some((_, name)) => (*name).to_owned(),
            None => format!("system call {number}"),
        })
    }

    /// The calls in which a thread may stay for long.
    #[cfg(target_arch = "x86_64")]
    const CALLS: &[(u32, &str)] = &[
        (0, "read"),
        (1, "write"),
        (7, "poll"),
        (16, "ioctl"),
        (19, "readv"),
        (20, "writev"),
        (17, "pread64"),
        (18, "pwrite64"),
        (23, "select"),
        (34, "pause"),
        (35, "nanosleep"),
        (42, "connect"),
        (43, "accept"),
        (44, "sendto"),
        (45, "recvfrom"),
        (46, "sendmsg"),
        (47, "recvmsg"),
        (61, "wait4"),
        (72, "fcntl"),
        (73, "flock"),
        (74, "fsync"),
        (75, "fdatasync"),
        (202, "futex"),
        (217, "getdents64"),
        (219, "restart_syscall"),
        (230, "clock_nanosleep"),
        (232, "epoll_wait"),
        (247, "waitid"),
        (257, "openat"),
        (262, "newfstatat"),
        (270, "pselect6"),
        (271, "ppoll"),
        (281, "epoll_pwait"),
        (285, "fallocate"),
        (288, "accept4"),
    ];
    #[cfg(target_arch = "aarch64")]
    const CALLS: &[(u32, &str)] = &[
        (22, "epoll_pwait"),
        (25, "fcntl"),
        (29, "ioctl"),
        (32, "flock"),
        (47, "fallocate"),
        (56, "openat"),
        (61, "getdents64"),
        (63, "read"),
        (64, "write"),
        (65, "readv"),
        (66, "writev"),
        (67, "pread64"),
        (68, "pwrite64"),
        (72, "pselect6"),
        (73, "ppoll"),
        (79, "newfstatat"),
        (82, "fsync"),
        (83, "fdatasync"),
        (95, "waitid"),
        (98, "futex"),
        (101, "nanosleep"),
        (115, "clock_nanosleep"),
        (128, "restart_syscall"),
        (202, "accept"),
        (203, "connect"),
        (206, "sendto"),
        (207, "recvfrom"),
        (211, "sendmsg"),
        (212, "recvmsg"),
        (242, "accept4"),
        (260, "wait4"),
    ];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    const CALLS: &[(u32, &str)] = &[];
}

#[cfg(not(all(target_os = "linux", not(any(loom, miri, shuttle)))))]
mod proc {
    use super::ThreadStatus;

    /// Only Linux shows it, and neither a model nor Miri has its `/proc`.
    pub(crate) fn current_id() -> Option<u64> {
        None
    }

    pub(crate) fn status(_: u64) -> Option<ThreadStatus> {
        None
    }

    #[cfg(feature = "testing")]
    pub(crate) fn statuses() -> Vec<(String, ThreadStatus)> {
        Vec::new()
    }
}

#[cfg(feature = "testing")]
pub(crate) use proc::statuses;
pub(crate) use proc::{current_id, status};

#[cfg(all(test, target_os = "linux", not(any(loom, miri, shuttle))))]
mod tests {
    use super::super::spawn_helper;
    use super::*;
    use crate::sync::channel;
    use std::thread;

    #[test]
    fn linux_says_that_this_thread_runs_and_that_another_sleeps() {
        let id = current_id().unwrap();
        assert_eq!(
            status(id),
            Some(ThreadStatus {
                id,
                doing: "running".to_owned()
            })
        );
        let (sender, receiver) = channel::bounded(1);
        let (open, gate) = channel::bounded::<()>(0);
        let thread = spawn_helper("sleeper".to_owned(), move || {
            sender.send(current_id().unwrap()).unwrap();
            let _ = gate.recv();
        })
        .unwrap();
        let id = receiver.recv().unwrap();
        // It may still be on its way into the wait.
        while !status(id).unwrap().doing.starts_with("sleeping") {
            thread::yield_now();
        }
        drop(open);
        thread.join();
        // The system may still list it for a moment.
        while status(id).is_some() {
            thread::yield_now();
        }
    }
}
