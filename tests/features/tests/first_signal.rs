//! With the feature `unix-signals`, no signal is lost while its handler is installed, and none
//! is delivered twice.
//!
//! The moments are hit exactly: this program has a function `sigaction` of its own, which the
//! linker takes instead of the C library's. It calls that one, and may then send the signal
//! before it returns. Signals belong to the process, so every test has one of its own.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(unsafe_code)]

#[path = "../../common/mod.rs"]
mod common;

use common::scenario::{SCENARIO, play};
use common::{LONG, within};
use groundcrew::Pool;
use groundcrew::signals::{self, Signal, SignalError, stop_on_any_of};
use libc::{SIG_DFL, SIG_IGN, SIGHUP, SIGTERM, SIGUSR1, c_int};
use signal_hook::low_level::raise;
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, exit};
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::SeqCst;
use std::{mem, ptr, thread};

type Sigaction = extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int;

/// The signal whose handlers are counted.
static WATCHED: AtomicI32 = AtomicI32::new(0);
/// Handlers that have been installed for it.
static INSTALLED: AtomicI32 = AtomicI32::new(0);
/// The signal is sent when its handler of that number has been installed; 1 is the first.
static SEND_AFTER: AtomicI32 = AtomicI32::new(0);
/// The handler of that number is refused.
static REFUSE: AtomicI32 = AtomicI32::new(0);

/// # Safety
///
/// As for that of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigaction(
    number: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    // SAFETY: the C library's function has this type.
    let system: Sigaction = unsafe {
        let symbol = libc::dlsym(libc::RTLD_NEXT, c"sigaction".as_ptr());
        mem::transmute(symbol)
    };
    if new.is_null() || number != WATCHED.load(SeqCst) {
        return system(number, new, old);
    }
    let install = INSTALLED.fetch_add(1, SeqCst) + 1;
    if install == REFUSE.load(SeqCst) {
        // SAFETY: it is this thread's own.
        unsafe { *libc::__errno_location() = libc::EINVAL };
        return -1;
    }
    let result = system(number, new, old);
    if install == SEND_AFTER.load(SeqCst) {
        raise(number).unwrap();
    }
    result
}

fn watch(number: c_int, send_after: i32, refuse: i32) {
    WATCHED.store(number, SeqCst);
    SEND_AFTER.store(send_after, SeqCst);
    REFUSE.store(refuse, SeqCst);
}

/// What the system does with the signal, `SIG_DFL`, `SIG_IGN` or a handler.
fn disposition(number: c_int) -> libc::sighandler_t {
    // SAFETY: the structure may be zero, and is only written to.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        assert_eq!(sigaction(number, ptr::null(), &mut action), 0);
        action.sa_sigaction
    }
}

fn ignore(number: c_int) {
    // SAFETY: no handler is installed.
    assert_ne!(unsafe { libc::signal(number, SIG_IGN) }, libc::SIG_ERR);
}

#[test]
fn scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    match scenario.as_str() {
        "stop 1" => stops(1),
        "stop 2" => stops(2),
        "receive 1" => receives(1),
        "receive 2" => receives(2),
        "ignored" => ignored(),
        "not named" => not_named(),
        "refused" => refused(false),
        "refused, signalled" => refused(true),
        other => panic!("no scenario {other}"),
    }
    exit(0);
}

fn output(scenario: &str) -> Output {
    within(LONG, scenario, || play(scenario).output().unwrap())
}

fn expect_success(scenario: &str) {
    let output = output(scenario);
    assert_eq!(output.status.code(), Some(0), "{scenario}: {output:?}");
}

#[test]
fn a_signal_that_comes_while_its_handler_is_installed_stops() {
    // The default's handler is in place, and then that of signal-hook, which knows of nothing
    // to call but the one before it.
    expect_success("stop 1");
    expect_success("stop 2");
}

fn stops(send_after: i32) {
    watch(SIGTERM, send_after, 0);
    let pool = Pool::new(1).unwrap();
    let guard = stop_on_any_of([Signal::Term], &pool.stop_handle(), LONG).unwrap();
    within(LONG / 3, "the signal", || {
        while !guard.received() {
            thread::yield_now();
        }
    });
    assert_eq!(guard.signal(), Some(Signal::Term));
    assert!(pool.stop(LONG).is_clean());
    assert_eq!(INSTALLED.load(SeqCst), 2);
}

#[test]
fn a_signal_that_comes_while_its_handler_is_installed_is_received_once() {
    expect_success("receive 1");
    expect_success("receive 2");
}

fn receives(send_after: i32) {
    watch(SIGUSR1, send_after, 0);
    let usr1 = signals::receiver(Signal::Usr1).unwrap();
    let usr2 = signals::receiver(Signal::Usr2).unwrap();
    // What came before it is delivered before it, or with it; after the second, for certain.
    let settle = || {
        for _ in 0..2 {
            raise(libc::SIGUSR2).unwrap();
            assert_eq!(usr2.recv(), Ok(Signal::Usr2));
        }
    };
    settle();
    assert_eq!(usr1.try_recv(), Ok(Signal::Usr1));
    settle();
    assert!(usr1.is_empty(), "it was delivered twice");
    assert_eq!(INSTALLED.load(SeqCst), 2);
    // And so is every later one.
    for _ in 0..100 {
        raise(SIGUSR1).unwrap();
        assert_eq!(usr1.recv(), Ok(Signal::Usr1));
        settle();
        assert!(usr1.is_empty(), "it was delivered twice");
    }
}

#[test]
fn an_ignored_signal_is_ignored_until_its_handler_is_complete() {
    expect_success("ignored");
}

/// It is sent when signal-hook's handler, the only one, has just been installed.
fn ignored() {
    ignore(SIGHUP);
    watch(SIGHUP, 1, 0);
    let hangup = signals::receiver(Signal::Hup).unwrap();
    let usr2 = signals::receiver(Signal::Usr2).unwrap();
    assert_eq!(INSTALLED.load(SeqCst), 1);
    for _ in 0..2 {
        raise(libc::SIGUSR2).unwrap();
        assert_eq!(usr2.recv(), Ok(Signal::Usr2));
    }
    assert!(hangup.is_empty());
    raise(SIGHUP).unwrap();
    assert_eq!(hangup.recv(), Ok(Signal::Hup));
}

#[test]
fn a_signal_that_is_not_named_is_left_alone() {
    expect_success("not named");
}

fn not_named() {
    ignore(SIGHUP);
    let pool = Pool::new(1).unwrap();
    let guard = stop_on_any_of([Signal::Term], &pool.stop_handle(), LONG).unwrap();
    assert_eq!(disposition(SIGHUP), SIG_IGN);
    assert_eq!(disposition(SIGUSR1), SIG_DFL);
    assert!(![SIG_DFL, SIG_IGN].contains(&disposition(SIGTERM)));
    drop(guard);
}

#[test]
fn where_a_handler_is_refused_the_default_is_there_again() {
    expect_success("refused");
    // A signal that came before ends the process, as without a handler or with 130.
    let output = output("refused, signalled");
    let ended = (output.status.code(), output.status.signal());
    assert!(
        [(Some(130), None), (None, Some(SIGTERM))].contains(&ended),
        "{output:?}"
    );
}

fn refused(is_signalled: bool) {
    watch(SIGTERM, i32::from(is_signalled), 2);
    let pool = Pool::new(1).unwrap();
    let refused = stop_on_any_of([Signal::Term], &pool.stop_handle(), LONG).unwrap_err();
    assert!(matches!(refused, SignalError::System(_)), "{refused}");
    assert_eq!(disposition(SIGTERM), SIG_DFL);
    if is_signalled {
        thread::sleep(LONG); // it ends before
    }
    // And another attempt succeeds.
    let guard = stop_on_any_of([Signal::Term], &pool.stop_handle(), LONG).unwrap();
    raise(SIGTERM).unwrap();
    while !guard.received() {
        thread::yield_now();
    }
}
