//! The one place that starts threads.

use crate::clock::{self, Deadline};
use crate::sync::channel::{self, Receiver};
#[cfg(any(loom, shuttle))]
use crate::sync::model::thread;
use crate::sync::{Arc, Mutex};
use std::error::Error;
use std::fmt;
use std::io;
#[cfg(not(any(loom, shuttle)))]
use std::thread;
use std::time::Duration;

/// A thread that has to be joined, or detached by dropping this.
pub(crate) struct Thread(thread::JoinHandle<()>);

impl Thread {
    pub(crate) fn id(&self) -> Id {
        self.0.thread().id()
    }

    /// Blocks until the thread has left the process, destructors of its thread-locals
    /// included, and these may take arbitrarily long: never called where a deadline has to
    /// be kept.
    pub(crate) fn join(self) {
        // Bodies catch their panics; one that gets here is reported by its guard.
        let _ = self.0.join();
    }
}

/// The cut that Linux makes, counted in bytes.
const LONGEST_NAME: usize = 15;

/// `name-index`, with as much of the name as a thread can show.
pub(crate) fn worker_name(name: &str, index: usize) -> String {
    let number = format!("-{index}");
    let room = LONGEST_NAME - number.len();
    let cut = (0..=room.min(name.len()))
        .rev()
        .find(|cut| name.is_char_boundary(*cut))
        .unwrap_or(0);
    format!("{}{number}", &name[..cut])
}

/// Starts all of the named threads, or none: where one cannot be had, those
/// before it end without having run their body, and are joined.
pub(crate) fn spawn_all<B>(
    what: &'static str,
    names: &[impl AsRef<str>],
    stack_size: usize,
    mut body: impl FnMut(usize) -> B,
) -> Result<Vec<Thread>, SpawnError>
where
    B: FnOnce() + Send + 'static,
{
    let (start, started) = channel::bounded::<()>(names.len());
    let mut threads = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let body = body(index);
        let started: Receiver<()> = started.clone();
        let thread = thread::Builder::new().name(name.as_ref().to_owned());
        // Loom makes every stack again for every schedule.
        #[cfg(not(loom))]
        let thread = thread.stack_size(stack_size);
        let spawned = thread.spawn(move || {
            if started.recv().is_ok() {
                body();
            }
        });
        match spawned {
            Ok(thread) => threads.push(Thread(thread)),
            Err(source) => {
                drop(start);
                threads.into_iter().for_each(Thread::join);
                return Err(SpawnError {
                    what,
                    index,
                    of: names.len(),
                    stack_size,
                    source,
                });
            }
        }
    }
    for _ in names {
        // Cannot fail: there is a place for each, and `started` is still here.
        let _ = start.try_send(());
    }
    Ok(threads)
}

/// Starts one thread, like [`spawn_all`].
pub(crate) fn spawn_one(
    what: &'static str,
    name: &impl AsRef<str>,
    stack_size: usize,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<Thread> {
    let mut body = Some(body);
    let threads = spawn_all(what, &[name.as_ref()], stack_size, |_| {
        let body = body.take();
        move || body.map_or((), |body| body())
    })?;
    Ok(threads
        .into_iter()
        .next()
        .unwrap_or_else(|| unreachable!("one was asked for")))
}

/// Starts a thread that helps with something and ends by itself.
pub(crate) fn spawn_helper(
    name: String,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<Thread> {
    thread::Builder::new().name(name).spawn(body).map(Thread)
}

/// For how long a thread that the system refuses is asked for again, where nothing else limits
/// that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// The first pause between two attempts; each one is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Calls `start`, which starts a thread, until it succeeds or `deadline` has come, once at
/// least: a system that refuses a thread mostly has one a moment later. Blocks meanwhile.
pub(crate) fn try_until<T>(
    deadline: Deadline,
    mut start: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut pause = FIRST_PAUSE;
    loop {
        match start() {
            Err(_) if !deadline.has_passed(clock::now()) => {
                let (_open, never) = channel::bounded::<()>(0);
                receive_until(&never, Deadline::after(pause).earlier(deadline));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return result,
        }
    }
}

/// Starts a thread that helps with something, as [`try_until`] does. Where none can be had
/// `body` comes back with the system's error.
pub(crate) fn spawn_helper_until<F: FnOnce() + Send + 'static>(
    name: &str,
    deadline: Deadline,
    body: F,
) -> Result<Thread, (io::Error, F)> {
    let body = Arc::new(Mutex::new(Some(body)));
    let started = try_until(deadline, || {
        let body = body.clone();
        spawn_helper(name.to_owned(), move || {
            let body = body.lock().take();
            if let Some(body) = body {
                body();
            }
        })
    });
    started.map_err(|error| match body.lock().take() {
        Some(body) => (error, body),
        None => unreachable!("only a thread that was started takes it"),
    })
}

/// Runs `body`, which may be stuck in the program's code, and waits for it, but
/// not beyond `deadline`: it is then left to end by itself. Where no thread can
/// be had up to then, or for [`PATIENCE`], it runs here.
pub(crate) fn run_until(name: &str, deadline: Deadline, body: impl FnOnce() + Send + 'static) {
    let (running, ended) = channel::bounded::<()>(0);
    let patience = Deadline::after(PATIENCE).earlier(deadline);
    let helper = spawn_helper_until(name, patience, move || {
        body();
        drop(running);
    });
    match helper {
        Ok(_) => {
            receive_until(&ended, deadline);
        }
        Err((_, body)) => body(),
    }
}

/// Which thread this is.
pub(crate) type Id = thread::ThreadId;

pub(crate) fn id() -> Id {
    thread::current().id()
}

/// The current thread's name, of any length.
#[cfg(feature = "testing")]
pub(crate) fn name() -> Option<String> {
    thread::current().name().map(str::to_owned)
}

/// Joins threads that have left their bodies, each of which may be held up by a
/// destructor of a thread-local: by helpers, and not beyond what `deadline` says at
/// the time, but for
/// [`TIME_TO_LEAVE`]. A helper that cannot be had is asked for again up to then, or for
/// [`PATIENCE`]. Returns those that were not joined by then; they are let go.
pub(crate) fn join_until<K: Copy + PartialEq + Send + 'static>(
    name: &str,
    threads: Vec<(K, Thread)>,
    deadline: impl Fn() -> Deadline,
) -> Vec<K> {
    let mut left: Vec<K> = threads.iter().map(|(key, _)| *key).collect();
    let at_least = Deadline::after(TIME_TO_LEAVE);
    let (give, given) = channel::bounded(threads.len());
    let (tell, told) = channel::bounded(threads.len());
    for thread in threads {
        // There is a place for each.
        let _ = give.try_send(thread);
    }
    drop(give);
    let mut helpers = Vec::new();
    let patience = Deadline::after(PATIENCE);
    while !left.is_empty() {
        // One helper, and another one when those before it are held up.
        if helpers.is_empty() || !given.is_empty() {
            let (given, tell) = (given.clone(), tell.clone());
            let helper = spawn_helper(name.to_owned(), move || {
                while let Ok((key, thread)) = given.recv() {
                    thread.join();
                    let _ = tell.try_send(key);
                }
            });
            match helper {
                Ok(helper) => helpers.push(helper),
                Err(_) if helpers.is_empty() && patience.has_passed(clock::now()) => return left,
                Err(_) => {}
            }
        }
        let deadline = deadline().later(at_least);
        let look_again = match given.is_empty() {
            true => LOOK_AGAIN,
            false => JOIN_HELD_UP,
        };
        let look_again = Deadline::after(look_again).earlier(deadline);
        while let Some(key) = receive_until(&told, look_again) {
            left.retain(|other| *other != key);
            if left.is_empty() {
                break;
            }
        }
        if deadline.has_passed(clock::now()) {
            return left;
        }
    }
    helpers.into_iter().for_each(Thread::join);
    left
}

fn receive_until<T>(receiver: &Receiver<T>, deadline: Deadline) -> Option<T> {
    match deadline.moment() {
        Some(moment) => receiver.recv_deadline(moment).ok(),
        None => receiver.recv().ok(),
    }
}

/// The minimum time for which a thread that has left its body is waited for.
const TIME_TO_LEAVE: Duration = Duration::from_millis(5);
/// After this time without a join the next thread is given to another helper.
const JOIN_HELD_UP: Duration = Duration::from_millis(10);
/// After this time the deadline is asked for again: it may be earlier now.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Enough for the program's code to panic and to print a backtrace; with less the process may
/// abort.
pub(crate) const LEAST_STACK: usize = 64 * 1024;

/// The standard library's default.
pub(crate) fn default_stack_size() -> usize {
    std::env::var("RUST_MIN_STACK")
        .ok()
        .and_then(|size| size.parse().ok())
        .unwrap_or(2 * 1024 * 1024)
}

/// How many threads can run at the same time; knows the limits of cgroups.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn available_parallelism() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

#[cfg(any(loom, shuttle))]
pub(crate) fn available_parallelism() -> usize {
    1
}

/// Whether the current thread is unwinding.
pub(crate) fn is_panicking() -> bool {
    thread::panicking()
}

/// A thread could not be started. Its kind and source are the system's error.
#[derive(Debug)]
pub(crate) struct SpawnError {
    /// As in "worker".
    what: &'static str,
    index: usize,
    of: usize,
    stack_size: usize,
    source: io::Error,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} of {}, with a stack of {} bytes, could not be started: {}; ask for fewer \
             threads or a smaller stack, or raise the system's limits",
            self.what,
            self.index + 1,
            self.of,
            self.stack_size,
            self.source
        )
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> io::Error {
        io::Error::new(error.source.kind(), error)
    }
}

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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_its_number_kept() {
        assert_eq!(worker_name("render", 3), "render-3");
        assert_eq!(worker_name("a-very-long-name", 12), "a-very-long--12");
        assert_eq!(worker_name("übergrößenträger", 7), "übergrößen-7");
        assert!(worker_name("übergrößenträger", 1000).len() <= LONGEST_NAME);
    }

    #[test]
    fn a_stack_that_cannot_be_had_gives_the_systems_error_and_leaves_no_thread() {
        let error = spawn_all("worker", &["a", "b"], 1 << 60, |_| || ())
            .map(|_| ())
            .unwrap_err();
        let error = io::Error::from(error);
        assert!(error.to_string().starts_with("worker 1 of 2"), "{error}");
        assert!(error.get_ref().and_then(|inner| inner.source()).is_some());
    }

    #[test]
    fn joining_goes_round_a_thread_that_lingers_and_names_it() {
        let (open, gate) = channel::bounded::<()>(0);
        let threads = (0..4).map(|index| {
            let gate = gate.clone();
            let lingers = index == 1;
            let body = move || {
                if lingers {
                    let _ = gate.recv();
                }
            };
            (index, spawn_helper(format!("ends-{index}"), body).unwrap())
        });
        let threads: Vec<_> = threads.collect();
        let deadline = Deadline::after(Duration::from_millis(100));
        assert_eq!(join_until("join", threads, || deadline), [1]);
        drop(open);
        assert!(join_until::<u8>("join", Vec::new(), || Deadline::NEVER).is_empty());
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn linux_tells_that_this_thread_runs_and_that_another_sleeps() {
        let id = current_id().unwrap();
        assert_eq!(
            status(id),
            Some(ThreadStatus {
                id,
                doing: "running".to_owned()
            })
        );
        let (tell, told) = channel::bounded(1);
        let (open, gate) = channel::bounded::<()>(0);
        let thread = spawn_helper("sleeper".to_owned(), move || {
            tell.send(current_id().unwrap()).unwrap();
            let _ = gate.recv();
        })
        .unwrap();
        let id = told.recv().unwrap();
        // It may still be on its way into the wait.
        while !status(id).unwrap().doing.starts_with("sleeping") {
            thread::yield_now();
        }
        drop(open);
        thread.join();
        assert_eq!(status(id), None);
    }
}
