//! A daemon that reads its configuration again at SIGHUP, and prints how often it did at
//! SIGUSR1.
//!
//! ```text
//! $ echo hello > greeting
//! $ cargo run -p reload -- greeting &
//! greeting: hello
//! hello
//! hello
//! $ echo goodbye > greeting; pkill -HUP reload
//! greeting: goodbye
//! goodbye
//! $ rm greeting; pkill -HUP reload
//! greeting: No such file or directory (os error 2); goodbye stays
//! goodbye
//! $ pkill -USR1 reload
//! 4 greetings, read 2 times
//! $ pkill reload
//! signal received (SIGTERM), stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! ```
//!
//! A configuration that is missing or empty is an error at the start. A daemon that runs
//! keeps the one it has. `--help` lists the options and exit codes.

#[cfg(unix)]
mod daemon;
#[cfg(unix)]
#[path = "../../common/program.rs"]
mod program;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    env_logger::init();
    program::run(daemon::run)
}

#[cfg(not(unix))]
fn main() {}
