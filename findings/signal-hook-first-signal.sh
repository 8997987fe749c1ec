#!/usr/bin/env bash
# signal-hook 0.4.6 with signal-hook-registry 1.4.8: a signal that comes while it is being
# registered for the first time, under the system's default, is gone.
#
#   signal_hook::flag::register(SIGTERM, flag)
#   SIGTERM, while that runs
#
# Expected: the signal ends the process, as the default does, or it sets the flag.
#
# Seen: neither, and the process runs on. `register_unchecked_impl` installs its handler
# (`Slot::new`) before it stores the slot that the handler looks for. A handler that finds
# none executes what was there before, `race_fallback`; and `Prev::execute` executes functions
# only, not SIG_DFL. signal-hook-registry's documentation speaks of a race with another thread
# that installs a handler for the same signal; this one needs no other thread.
#
# Worth knowing for a program that a supervisor may stop while it still starts: the signal
# that is lost is the one that was to end it, and nothing sends it again. A handler of its own
# that the program installs beforehand is called in the gap.
#
# Two runs, on Linux with glibc:
#
#   exact   the program brings a `sigaction` that calls the C library's and raises SIGTERM
#           before it returns: 100 of 100 are lost.
#   chance  nothing is replaced. A process spins until a moment that was agreed on, and
#           registers then; another one sends SIGTERM within 20 microseconds of it, 8,000
#           times. How many are lost depends on the machine; one is enough.
#
# Exits with 0 while that is so, with 1 if the behaviour has changed or no chance was hit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
libc = "0.2"
signal-hook = "=0.4.6"
signal-hook-registry = "=1.4.8"
TOML
cat >"$folder/src/main.rs" <<'RUST'
use libc::{c_int, sigaction as Action, SIGTERM};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, mem};

/// Handlers that have been installed for SIGTERM; what raises it counts from 0.
static INSTALLED: AtomicI32 = AtomicI32::new(i32::MIN);

#[no_mangle]
pub unsafe extern "C" fn sigaction(number: c_int, new: *const Action, old: *mut Action) -> c_int {
    type System = unsafe extern "C" fn(c_int, *const Action, *mut Action) -> c_int;
    let symbol = libc::dlsym(libc::RTLD_NEXT, b"sigaction\0".as_ptr().cast());
    let result = mem::transmute::<_, System>(symbol)(number, new, old);
    if number == SIGTERM && !new.is_null() && INSTALLED.fetch_add(1, SeqCst) == 0 {
        libc::raise(SIGTERM);
    }
    result
}

/// A process that registers at that moment, and exits with 0 if the signal was delivered, with
/// 1 if it was not.
fn start(at: Instant) -> c_int {
    let child = unsafe { libc::fork() };
    if child == 0 {
        let flag = Arc::new(AtomicBool::new(false));
        while Instant::now() < at {}
        signal_hook::flag::register(SIGTERM, flag.clone()).unwrap();
        let end = Instant::now() + Duration::from_millis(5);
        while Instant::now() < end {}
        unsafe { libc::_exit(c_int::from(!flag.load(SeqCst))) };
    }
    child
}

/// Counts: ended by the default, delivered, lost.
fn count(counts: &mut [u32; 3], child: c_int) {
    let mut status = 0;
    unsafe { libc::waitpid(child, &mut status, 0) };
    counts[match (libc::WIFSIGNALED(status), libc::WEXITSTATUS(status)) {
        (true, _) => 0,
        (_, 0) => 1,
        _ => 2,
    }] += 1;
}

fn main() {
    let mut counts = [0; 3];
    let mut random = 1_u64;
    if env::args().nth(1).as_deref() == Some("exact") {
        INSTALLED.store(0, SeqCst);
        (0..100).for_each(|_| count(&mut counts, start(Instant::now())));
    } else {
        for _ in 0..8_000 {
            let at = Instant::now() + Duration::from_millis(1);
            let child = start(at);
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let sent = at + Duration::from_nanos((random >> 33) % 40_000) - Duration::from_micros(20);
            while Instant::now() < sent {}
            unsafe { libc::kill(child, SIGTERM) };
            count(&mut counts, child);
        }
    }
    println!("ended {}, delivered {}, lost {}", counts[0], counts[1], counts[2]);
}
RUST
cd "$folder"
cargo build --quiet
grep -A1 -E '^name = "(signal-hook|signal-hook-registry)"' Cargo.lock | grep -v '^--'

exact=$(target/debug/finding exact)
echo "exact:  $exact"
[ "$exact" = "ended 0, delivered 0, lost 100" ] || { echo "the behaviour has changed"; exit 1; }
chance=$(target/debug/finding chance)
echo "chance: $chance"
case $chance in *"lost 0") echo "none was hit by chance"; exit 1 ;; esac
