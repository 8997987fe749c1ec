//! Emails to a slow server, of which a Ctrl-C at any moment loses none and sends none
//! twice.
//!
//! ```text
//! $ cargo run -p queue
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! 50 written, 36 sent, 14 kept in target/spool
//! host mailer: NOT CLEAN after 0.764 s (deadline 1 s): 2 services, 14 items unstarted
//!   why        signal received
//!   phases     start 0.014 s   ran 3.0 s   delay 0.000 s   stop 0.764 s
//!   stopped    "emails"  after 0.759 s  handled 36  failed 0  panicked 0  unstarted 14
//!   stopped    "writer"  after 0.005 s
//! $ cargo run -p queue -- --emails 0
//! 14 found in target/spool
//! 0 written, 14 sent, 0 kept in target/spool
//! ```
//!
//! What the server has acknowledged is in `target/inbox`: `sort target/inbox | uniq -d` prints nothing.
//! `--help` lists the options and exit codes, `RUST_LOG=info` logs more.
//!
//! # How it works
//!
//! ```text
//! spool ──────┐                       ┌── worker ── connection ──┐
//!             ├──> queue, 20 places ──┤                          ├──> server ──> inbox
//! writer ─────┘                       └── worker ── connection ──┘
//!                        │
//!        stop: what is left of it ──> spool
//! ```
//!
//! What the run before has kept is in the queue before the host starts. On the first
//! Ctrl-C the writer, which comes after the queue, stops first. Then the queue is closed
//! and drained, in three quarters of its time. Then each worker takes back the email
//! that the server is still busy with, and hands it back.
//!
//! An email that could not be sent, since the connection broke, is tried again by the queue a
//! moment later.
//!
//! # Who has the email
//!
//! An email is in the outbox from when it is written until the server has acknowledged
//! it, wherever else it is: in the queue, with a worker, on its way. What is in there at
//! the end is written to the spool. So a worker that the stop had to abandon, since the
//! process was frozen for longer than the stop may take, costs no email.
//!
//! The worker's answer to the stop is "take it back", and it is the server that says
//! whether it still could: without that question an email whose acknowledgement is on its
//! way would be sent twice. The end waits a second for the answer, also after the second
//! Ctrl-C. Only an email to which no answer has come by then may arrive twice, and it is
//! named.
//!
//! If the spool cannot be written, since the disk is full, say, every email that should be
//! in there is named, and the exit code is 1. The spool is then as it was before this run:
//! what this run has sent of it the next one sends again.
//!
//! So it is after the third Ctrl-C and after a kill as well, where nothing can be named: what
//! the run has written and not sent is lost. A program that must not lose these either writes
//! them down first.
//!
//! One `queue` at a time may use a spool; another one is refused.

mod email;
#[path = "../../common/lock.rs"]
mod lock;
#[path = "../../common/outbox.rs"]
mod outbox;
#[path = "../../common/program.rs"]
mod program;
mod sender;
mod server;
#[path = "../../common/spool.rs"]
mod spool;

use clap::Parser;
use email::Email;
use groundcrew::host::ServiceResult;
use groundcrew::{Host, Retry, ServiceContext, WorkQueue};
use log::info;
use outbox::{Outbox, TIME_TO_ANSWER};
use program::milliseconds;
use sender::Sender;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const EXIT_CODES: &str = "\
Exit codes:
    0  every email was sent
    1  something failed, and is named; emails could not be saved, and are listed
    2  the command line is wrong
   75  there are emails in the spool: start it again
  130  the third Ctrl-C";

/// Send emails, and keep those that were not sent for the next time.
#[derive(Parser)]
#[command(name = "queue", after_help = EXIT_CODES)]
struct Options {
    /// How many emails are written
    #[arg(long, value_name = "COUNT", default_value = "100")]
    emails: usize,

    /// How long the server takes for each
    #[arg(long, value_name = "MILLISECONDS", default_value = "200", value_parser = milliseconds)]
    takes: Duration,

    /// How many connections there are
    #[arg(long, value_name = "COUNT", default_value = "2")]
    workers: usize,

    /// Where emails wait for the next start
    #[arg(long, value_name = "FILE", default_value = "target/spool")]
    spool: PathBuf,

    /// Where the server notes what it has acknowledged
    #[arg(long, value_name = "FILE", default_value = "target/inbox")]
    inbox: PathBuf,

    /// How long a stop may take
    #[arg(long, value_name = "MILLISECONDS", default_value = "1000", value_parser = milliseconds)]
    stop_timeout: Duration,
}

/// So many emails wait before the writer does.
const PLACES: usize = 20;

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(Options::parse()))
}

fn run(options: Options) -> program::Result<ExitCode> {
    let mut lock = lock::open(&options.spool.with_extension("lock"))?;
    let what = options.spool.display();
    let _lock = lock::take(&mut lock, "queue", &what, "--spool another file")?;
    let server = server::start(options.inbox, options.takes)?;

    let outbox = Outbox::<Email>::open(options.spool.clone())?;
    let found = outbox.unsent();
    let emails = WorkQueue::new(found.len().max(PLACES)).retry(Retry::fixed(A_MOMENT));
    for email in found {
        emails.submit(email)?;
    }

    let mut host = Host::builder();
    host.name("mailer").stop_timeout(options.stop_timeout);
    host.add(
        "emails",
        emails.workers(options.workers, {
            let outbox = outbox.clone();
            move || {
                let mut sender = Sender::new(server, outbox.clone());
                move |email: &mut Email, ctx: &ServiceContext| sender.send(email, ctx)
            }
        }),
    );
    let writers = outbox.clone();
    host.background("writer", move |ctx| {
        write(options.emails, &emails, &writers, ctx)
    })
    .after("emails");
    let host = host.build()?;

    program::bounded_by(host.handle().stop_on_signal()?);
    let report = host.run();
    let saved = outbox.save(Instant::now() + TIME_TO_ANSWER);

    let (written, sent, kept) = (
        saved.account.made,
        saved.account.sent,
        saved.kept(outbox.path()),
    );
    let summary = format!("{}{written} written, {sent} sent, {kept}\n", outbox.found());
    program::tell(summary, saved.unknown() + &saved.unsaved());
    let code = saved.exit_code(report.exit_code());
    if code != 0 || !report.is_clean() {
        program::complain(report);
    }
    Ok(code.into())
}

/// Writes emails, one after the other, and stops the host when the last one is sent.
fn write(
    count: usize,
    emails: &WorkQueue<Email>,
    outbox: &Outbox<Email>,
    ctx: &ServiceContext,
) -> ServiceResult {
    for _ in 0..count {
        let Some(email) = outbox.make(Email::write) else {
            return Ok(());
        };
        // What the queue does not take any more is in the outbox all the same.
        if emails.submit_until(ctx.token(), email).is_err() || ctx.is_cancelled() {
            return Ok(());
        }
    }
    info!("{count} emails are written");
    // An outbox does not say when it is empty, and so it is asked.
    while !outbox.is_empty() {
        ctx.sleep(A_MOMENT)?;
    }
    ctx.request_stop("every email is sent");
    Ok(())
}

const A_MOMENT: Duration = Duration::from_millis(10);
