//! The first handler of a signal: without it, a signal would be lost while `signal-hook`
//! takes over.
//!
//! `signal-hook` installs its handler first, and stores what that handler has to call
//! afterwards. A signal in between calls only what was there before. Where that is the
//! system's default, nothing is called: the signal neither ends the process nor arrives. On
//! a busy machine a thread stays in that place for milliseconds.
//!
//! So the default is replaced beforehand, by [`note`]. It notes the signal, and wakes the
//! [reader](super::reader), which takes the notes. No signal is lost, and none is delivered
//! twice:
//!
//! 1. **Every signal is noted.** From its installation on, `note` is called by each signal:
//!    at first by the system, then by `signal-hook`, as the handler that was there before:
//!    both in the gap, where it calls only that, and for good, where it calls that first.
//! 2. **Every note is seen.** `note` writes a byte to the reader's pipe after it has set a
//!    note that was not set, and only then; the reader reads a byte before it looks. So a
//!    thread may be interrupted anywhere in `note`, even until `signal-hook` has long taken
//!    over: its byte comes later, and the reader looks again. (A thread that registers the
//!    signal and then looks itself would miss such a note.)
//! 3. **A note is delivered once**, for the reader alone takes it, and clears it in one step.
//!    Signals that find it set are one with it, as those are that are pending in the kernel.
//! 4. **What `signal-hook` says of a signal that is noted is ignored.** The note was set by
//!    the same signal, just before, so that it was taken, or is taken now. To see that, the
//!    reader looks at the notes after it has heard `signal-hook`.
//! 5. **A signal has its role before it is delivered**: registering it holds the lock of the
//!    roles, and the reader needs it.
//!
//! A handler that other code has installed is left alone, as `signal-hook` calls it, and so is
//! a signal that is ignored, as under `nohup`: one in the gap is ignored like the one before.
//! Then no note is ever set, and what `signal-hook` says counts.
#![allow(unsafe_code)]

use crate::signals::signal::{ALL, Signal};
use crate::sync::{SeqCst, StaticBool, StaticI32};
use libc::{SIG_DFL, c_int, sighandler_t};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::{io, mem, ptr};

/// Whether a signal has come that the reader has not taken.
static NOTED: [StaticBool; ALL.len()] = [const { StaticBool::new(false) }; ALL.len()];

/// Where a byte wakes the reader. It is never closed.
static WAKES: StaticI32 = StaticI32::new(-1);

/// The handler. It does what a handler may do: it neither locks nor allocates nor panics, and
/// leaves the interrupted code its `errno`.
extern "C" fn note(number: c_int) {
    for (signal, noted) in ALL.into_iter().zip(&NOTED) {
        if signal.number() == number && !noted.swap(true, SeqCst) {
            let errno = errno::errno();
            // SAFETY: one byte is read from a static, and written to a descriptor that is
            // never closed; `write` is async-signal-safe. It does not block: if the pipe is
            // full, the reader is awake.
            unsafe { libc::write(WAKES.load(SeqCst), [0_u8].as_ptr().cast(), 1) };
            errno::set_errno(errno);
        }
    }
}

/// Takes the note of a signal, if it is set.
pub(super) fn take_note(signal: Signal) -> bool {
    NOTED[signal as usize].swap(false, SeqCst)
}

/// What is written to it, without blocking, wakes the reader: before the first
/// [`replace_default`].
pub(super) fn wake_by(pipe: OwnedFd) {
    WAKES.store(pipe.into_raw_fd(), SeqCst);
}

/// Lets signals be noted that the system would answer. Others are left as they are.
pub(super) fn replace_default(signal: Signal) -> io::Result<()> {
    replace(signal.number(), SIG_DFL, address_of_note())
}

/// Undoes [`replace_default`], where nothing else was installed since.
pub(super) fn restore_default(signal: Signal) -> io::Result<()> {
    replace(signal.number(), address_of_note(), SIG_DFL)
}

fn address_of_note() -> sighandler_t {
    note as extern "C" fn(c_int) as *const () as sighandler_t
}

/// Replaces one handler by another. One that is not the expected one stays, even if another
/// thread installs it right now.
fn replace(number: c_int, expected: sighandler_t, handler: sighandler_t) -> io::Result<()> {
    // SAFETY: `sigaction` reads and writes only the two structures, which live on this stack;
    // all of their fields may be zero. A handler that is installed here is `SIG_DFL`, `note`
    // with the flags for its signature (without `SA_SIGINFO` it takes the number alone), or
    // what the system itself has just returned. `note` is a function, which stays where it is
    // for as long as the process lives, and is async-signal-safe, as argued there.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        call(libc::sigaction(number, ptr::null(), &mut action))?;
        if action.sa_sigaction != expected {
            return Ok(());
        }
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART as _;
        let mut before: libc::sigaction = mem::zeroed();
        call(libc::sigaction(number, &action, &mut before))?;
        if before.sa_sigaction != expected {
            call(libc::sigaction(number, &before, ptr::null_mut()))?;
        }
    }
    Ok(())
}

fn call(result: c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::receiver;

    /// A thread may be interrupted between the system's call of `note` and its first step, and
    /// go on when `signal-hook` has long taken over.
    #[test]
    fn a_note_that_is_made_late_is_delivered_once() {
        let usr2 = receiver(Signal::Usr2).unwrap();
        for _ in 0..3 {
            note(Signal::Usr2.number());
            assert_eq!(usr2.recv(), Ok(Signal::Usr2));
        }
        // And one that goes the whole way: `note`, and then what `signal-hook` says.
        signal_hook::low_level::raise(Signal::Usr2.number()).unwrap();
        assert_eq!(usr2.recv(), Ok(Signal::Usr2));
        // When the reader has made two rounds more, it has seen all of it.
        let usr1 = receiver(Signal::Usr1).unwrap();
        for _ in 0..2 {
            signal_hook::low_level::raise(Signal::Usr1.number()).unwrap();
            assert_eq!(usr1.recv(), Ok(Signal::Usr1));
        }
        assert!(usr2.is_empty() && usr1.is_empty());
    }
}
