//! The starting of threads.

use super::Thread;
use crate::sync::channel::{self, Receiver};
#[cfg(any(loom, shuttle))]
use crate::sync::model::thread;
use std::error::Error;
use std::fmt;
use std::io;
#[cfg(not(any(loom, shuttle)))]
use std::thread;

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
    // No body begins before all threads are there: each waits for a message, or for the end of
    // `start`, which says that there will be none.
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
        .unwrap_or_else(|| unreachable!("one name gives one thread")))
}

/// Starts a thread that helps with something and ends by itself.
pub(crate) fn spawn_helper(
    name: String,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<Thread> {
    thread::Builder::new().name(name).spawn(body).map(Thread)
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
}
