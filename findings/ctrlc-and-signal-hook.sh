#!/usr/bin/env bash
# ctrlc 3.5.3 and signal-hook 0.4.6 in one process: a registration that returns Ok and is
# never called.
#
#   1. signal_hook::flag::register(SIGTERM, first)   Ok
#   2. ctrlc::set_handler(..), feature "termination" Ok
#   3. signal_hook::flag::register(SIGTERM, third)   Ok
#   SIGTERM
#
# Expected: the third is called, for it was registered last and returned Ok; signal-hook says
# that it calls a handler that was there before, and that is what it does without step 1.
#
# Seen: only ctrlc's handler is called. ctrlc replaces signal-hook's handler and does not call
# it (its documentation warns of that; `try_set_handler` refuses); and signal-hook installs
# its handler with the first registration for a signal only, so that the third one just joins
# a list that nobody calls any more. Nothing reports an error. In the order 2, 3 both are
# called.
#
# Worth knowing for programs in which one library uses ctrlc and another signal-hook: what
# works depends on which of them comes first. On Linux, SigCgt in /proc/self/status shows
# whether a signal has a handler, before one replaces it.
#
# Exits with 0 while that is so, with 1 if the behaviour has changed.
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
ctrlc = { version = "=3.5.3", features = ["termination"] }
signal-hook = "=0.4.6"
signal-hook-registry = "=1.4.8"
TOML
cat >"$folder/src/main.rs" <<'RUST'
use signal_hook::{consts::SIGTERM, flag, low_level::raise};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::{env, thread, time::Duration};

fn main() {
    let [first, ctrlc, third] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    if env::args().nth(1).as_deref() == Some("signal-hook first") {
        flag::register(SIGTERM, first.clone()).unwrap();
    }
    let heard = ctrlc.clone();
    ctrlc::set_handler(move || heard.store(true, SeqCst)).unwrap();
    flag::register(SIGTERM, third.clone()).unwrap();
    raise(SIGTERM).unwrap();
    // ctrlc calls its handler on a thread of its own.
    while !ctrlc.load(SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
    println!("first {first:?}, ctrlc {ctrlc:?}, third {third:?}");
}
RUST
cd "$folder"
cargo build --quiet
grep -A1 -E '^name = "(ctrlc|signal-hook|signal-hook-registry)"' Cargo.lock | grep -v '^--'

check() {
    local seen
    seen=$(target/debug/finding "$1")
    printf '%-20s %s\n' "$1:" "$seen"
    [ "$seen" = "$2" ] || { echo "the behaviour has changed; it was: $2"; exit 1; }
}
check "ctrlc first" "first false, ctrlc true, third true"
check "signal-hook first" "first false, ctrlc true, third false"
