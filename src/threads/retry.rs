//! What to do where the system refuses a thread: to try again, since it mostly has one a
//! moment later.

use super::{Thread, spawn_helper};
use crate::clock::{self, Deadline};
use crate::sync::channel;
use crate::sync::{Arc, Mutex};
use std::io;
use std::iter;
use std::time::Duration;

/// For how long the start of a thread is tried again that the system refuses, where nothing else limits
/// that.
pub(crate) const SPAWN_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
pub(crate) const MAX_SPAWN_PAUSE: Duration = Duration::from_millis(50);

/// The pauses between two attempts, without end: each one is twice as long as the one before,
/// up to [`MAX_SPAWN_PAUSE`].
pub(crate) fn spawn_pauses() -> impl Iterator<Item = Duration> {
    let next = |pause: &Duration| Some((*pause * 2).min(MAX_SPAWN_PAUSE));
    iter::successors(Some(FIRST_PAUSE), next)
}

/// Calls `start`, which starts a thread, until it succeeds or `deadline` has come, once at
/// least. Blocks meanwhile.
pub(crate) fn try_until<T>(
    deadline: Deadline,
    mut start: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    // A pause without `sleep`, which a model could not let pass: nothing is ever sent.
    let (_open, never) = channel::bounded::<()>(0);
    for pause in spawn_pauses() {
        match start() {
            Err(_) if !deadline.has_passed(clock::now()) => {
                let _ = Deadline::after(pause).earlier(deadline).receive(&never);
            }
            result => return result,
        }
    }
    unreachable!("the pauses have no end")
}

/// Starts a thread that helps with something, as [`try_until`] does. Where none can be had
/// `body` comes back with the system's error.
pub(crate) fn spawn_helper_until<F: FnOnce() + Send + 'static>(
    name: &str,
    deadline: Deadline,
    body: F,
) -> Result<Thread, (io::Error, F)> {
    // The system drops the closure of a thread that it refuses, so that each attempt is given
    // a reference.
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
/// be had up to then, or for [`SPAWN_TIMEOUT`], it runs here.
pub(crate) fn run_until(name: &str, deadline: Deadline, body: impl FnOnce() + Send + 'static) {
    let (running, ended) = channel::bounded::<()>(0);
    let patience = Deadline::after(SPAWN_TIMEOUT).earlier(deadline);
    let helper = spawn_helper_until(name, patience, move || {
        body();
        drop(running);
    });
    match helper {
        Ok(_) => {
            let _ = deadline.receive(&ended);
        }
        Err((_, body)) => body(),
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let millis: Vec<_> = spawn_pauses()
            .take(8)
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(millis, [1, 2, 4, 8, 16, 32, 50, 50]);
    }

    #[test]
    fn a_start_is_tried_again_until_it_succeeds_or_the_deadline_has_come() {
        let mut attempts = 0;
        let third = try_until(Deadline::NEVER, || {
            attempts += 1;
            match attempts {
                3 => Ok(attempts),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        assert_eq!(third.unwrap(), 3);
        let refused = || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) };
        let now = Deadline::at(clock::now());
        assert!(try_until(now, refused).is_err());
    }
}
