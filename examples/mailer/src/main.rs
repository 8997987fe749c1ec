//! Mails to a server that fails: retries, a circuit breaker, and what Ctrl-C leaves.
//!
//! ```text
//! $ cargo run -p mailer -- --mails 42 --down-after 30
//! circuit breaker "smtp": open for 0.2 s, after 3 failures in a row
//! server: down, for 7 more
//! circuit breaker "smtp": half-open, a call is tried
//! server: down, for 6 more
//! circuit breaker "smtp": open for 0.2 s, since it failed again
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! 30 sent, 4 given up, 8 not sent, 0 unknown
//! given up, the error is not worth another attempt:
//!   mail 8 to nobody@example.com: no such user (1)
//!   mail 14 to nobody@example.com: no such user (1)
//!   mail 23 to nobody@example.com: no such user (1)
//!   mail 24 to nobody@example.com: no such user (1)
//! not sent:
//!   mail 26 to barbara@example.com: 2 attempts
//!   mail 27 to ada@example.com: 2 attempts
//!   mail 31 to barbara@example.com: 3 attempts
//!   mail 32 to nobody@example.com: 1 attempt
//!   mail 37 to alan@example.com: 1 attempt
//!   mail 38 to alan@example.com: 1 attempt
//!   mail 40 to ada@example.com: 1 attempt
//!   mail 42 to ada@example.com: 0 attempts
//! server: 30 acknowledged, 0 of them twice
//! stop: NOT CLEAN after 0.001 s (deadline 8 s): 8 unstarted of 42 accepted
//!   completed 34   panicked 0   cancelled 0   expired 0
//!   unstarted  #26 "mail 26 to barbara@example.com"  2 attempts failed  examples/mailer/main.rs:198:14
//!   unstarted  #27 "mail 27 to ada@example.com"      2 attempts failed  examples/mailer/main.rs:198:14
//!   unstarted  #31 "mail 31 to barbara@example.com"  3 attempts failed  examples/mailer/main.rs:198:14
//!   unstarted  #32 "mail 32 to nobody@example.com"   1 attempt failed   examples/mailer/main.rs:198:14
//!   unstarted  #37 "mail 37 to alan@example.com"     1 attempt failed   examples/mailer/main.rs:198:14
//!   unstarted  #38 "mail 38 to alan@example.com"     1 attempt failed   examples/mailer/main.rs:198:14
//!   unstarted  #40 "mail 40 to ada@example.com"      1 attempt failed   examples/mailer/main.rs:198:14
//!   unstarted  #42 "mail 42 to ada@example.com"                         examples/mailer/main.rs:198:14
//! ```
//!
//! Left alone it ends when every mail is sent or given up. `--help` lists the ways to fail
//! and the exit codes, `RUST_LOG=mailer=debug` logs each attempt.
//!
//! # How it works
//!
//! ```text
//! mails ──> pool: retry ──> breaker ──> connection ──> server: OK 7
//!                 ^            │                               TEMP try again after 50ms
//!                 └────────────┘                               PERM no such user
//!                    refused                                   hangs up
//! ```
//!
//! A mail is a task that is tried again. What comes of an attempt:
//!
//! | the server | the retry | the breaker |
//! | --- | --- | --- |
//! | acknowledges it | is done | a success |
//! | is busy for 50 ms | comes back after 50 ms | a success: it answers |
//! | knows no such user | gives up | a success: it answers |
//! | hangs up | comes back later, each time twice as much | a failure |
//! | was not asked, since the breaker is open | comes back when that may be closed | |
//!
//! So while the server is down it is asked once in 0.2 s, by one mail; all the others wait,
//! without a thread, and what the breaker refused is none of their attempts.
//!
//! On Ctrl-C the attempts that run end, and all other mails are in the report. The sender
//! and the server each keep an account, and the two have to agree. Where a stop did not
//! wait for the answer to a mail, it is unknown who has it: that takes a second Ctrl-C, or a
//! server that says nothing for longer than the stop may take.

mod mail;
mod outcome;
#[path = "../../common/program.rs"]
mod program;
mod server;
mod smtp;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use env_logger::Env;
use fastrand::Rng;
use groundcrew::retry::{Backoff, CallError, CircuitBreaker, RetryError};
use groundcrew::{Pool, Retry, StopPlan, signals};
use log::debug;
use mail::Mail;
use outcome::Outcome;
use program::{TRY_AGAIN, milliseconds};
use server::{Failures, Server};
use smtp::SendError;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  nothing is left to do: every mail was sent or given up; also if the report is not
       clean, since an idle thread had not left in time
    1  something failed, or the two accounts differ; stderr says what
    2  the command line is wrong
   75  it was stopped, and there are mails that were not sent, or of which that is
       unknown
  130  the third Ctrl-C";

/// Send mails to a server that fails.
#[derive(Parser)]
#[command(name = "mailer", after_help = EXIT_CODES)]
struct Options {
    /// How many mails there are
    #[arg(long, value_name = "COUNT", default_value = "60")]
    mails: u32,

    /// How many threads send
    #[arg(long, value_name = "COUNT", default_value = "4")]
    threads: usize,

    /// How many attempts are made for a mail, at most
    #[arg(long, value_name = "COUNT", default_value = "10")]
    attempts: u32,

    /// Of this the readers and the failures are made
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    seed: u64,

    /// How often the server is busy, or hangs up
    #[arg(long, value_name = "PERCENT", default_value = "20", value_parser = percent())]
    failures: u32,

    /// After how many mails the server is down
    #[arg(long, value_name = "COUNT", default_value = "20")]
    down_after: usize,

    /// For how many connections the server is down
    #[arg(long, value_name = "COUNT", default_value = "8")]
    down_for: u32,

    /// How long the server takes for a mail
    #[arg(long, value_name = "MILLISECONDS", default_value = "5", value_parser = milliseconds)]
    takes: Duration,

    /// How long a stop may take
    #[arg(long, value_name = "MILLISECONDS", default_value = "8000", value_parser = milliseconds)]
    stop_timeout: Duration,
}

fn percent() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(..=100)
}

/// So many mails are in the pool at once, at most, those that wait for their next attempt
/// included.
const PLACES: usize = 32;

/// What becomes of a mail, attempt by attempt.
type Attempted = Result<(), RetryError<CallError<SendError>>>;

fn main() -> ExitCode {
    // Of the crate's own records those of the breaker, and what is wrong.
    let filter = "warn,mailer=info,groundcrew::retry=info";
    env_logger::Builder::from_env(Env::default().default_filter_or(filter))
        .format(|line, record| writeln!(line, "{}", record.args()))
        .init();
    program::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> program::Result<ExitCode> {
    let mut rng = Rng::with_seed(options.seed);
    let mails = Mail::write(options.mails, &mut rng);
    let server = Server::start(Failures {
        rng,
        percent: options.failures,
        down_after: options.down_after,
        down_for: options.down_for,
        takes: options.takes,
    })?;

    let pool = Pool::builder()
        .name("mailer")
        .threads(options.threads)
        .queue_capacity(PLACES)
        .build()?;
    let plan = StopPlan::finish_running(options.stop_timeout);
    program::bounded_by(signals::stop_on_signal(&pool.stop_handle(), plan)?);
    let breaker = CircuitBreaker::builder("smtp")
        .consecutive_failures(3)
        .open_for(Duration::from_millis(200))
        .build()?;
    let backoff = Backoff::exponential(Duration::from_millis(20)).cap(Duration::from_secs(1));
    let retry = Retry::new(backoff)
        .attempts(options.attempts)
        .on_error(SendError::verdict);

    let (mut outcome, mut handles) = (Outcome::default(), Vec::new());
    for mail in mails {
        let (breaker, address, sent) = (breaker.clone(), server.address, mail.clone());
        let task = pool
            .task(mail.to_string())
            .retry(retry.clone())
            .submit(move |attempt| {
                debug!("{sent}: attempt {attempt}");
                breaker.call_counting(|| smtp::send(address, &sent), SendError::is_outage)
            });
        match task {
            Ok(handle) => handles.push((mail, handle)),
            Err(_closed) => outcome.add_refused(&mail),
        }
    }
    for (mail, handle) in handles {
        outcome.add(&mail, handle.join());
    }
    let report = pool.stop(plan);
    outcome.add_unstarted(&report);

    let account = server.account();
    let account_of_both = format!(
        "{outcome}\nserver: {} acknowledged, {} of them twice\n",
        account.acknowledged, account.repeated
    );
    program::tell(account_of_both, String::new());
    if !report.is_clean() {
        program::complain(&report);
    }
    if !outcome.agrees(&account) {
        return Err("the server's account is another one".into());
    }
    // The report does not know of the mails that the pool did not take any more; and it is not
    // clean where an idle thread has not left in time, which no other start makes up for.
    match outcome.is_complete() {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::from(TRY_AGAIN)),
    }
}
