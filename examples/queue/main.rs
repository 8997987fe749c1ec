//! Emails to a slow server, of which a Ctrl-C at any moment loses none and sends none
//! twice.
//!
//! ```text
//! $ cargo run --example queue
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! 50 written, 36 sent, 14 kept in target/spool
//! host mailer: NOT CLEAN after 0.764 s (deadline 1 s): 2 services, 14 items unprocessed
//!   why        signal received
//!   phases     start 0.014 s   ran 3.0 s   delay 0.000 s   stop 0.764 s
//!   stopped    "emails"  after 0.759 s  handled 36  failed 0  panicked 0  unprocessed 14
//!   stopped    "writer"  after 0.005 s
//! $ cargo run --example queue -- --emails 0
//! 14 found in target/spool
//! 0 written, 14 sent, 0 kept in target/spool
//! ```
//!
//! What the server has acknowledged is in `target/inbox`: `sort target/inbox | uniq -d` prints nothing.
//! `--help` lists the options, `RUST_LOG=info` tells more.
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
//! that the server is still busy with, and puts it back into the queue; and the queue
//! returns all that is there, the email included that the writer had in hand.
//!
//! # Who has the email
//!
//! At every moment one of the queue, a worker and the server has it. The worker's answer
//! to the stop is "take it back", and it is the server that says whether it still could:
//! without that question an email whose acknowledgement is on its way would be sent
//! twice.
//!
//! The second Ctrl-C leaves the workers no time to ask. What they had in hand is kept as
//! well, and may arrive twice. The third one, like a kill, leaves the spool as it was: what
//! this run has written and not sent is lost, and what it has sent of the spool is sent
//! again. A program that must not lose these either writes them down first.
//!
//! # Exit codes
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | every email was sent |
//! | 1 | something failed; stderr says what |
//! | 2 | the command line is wrong |
//! | 75 | there are emails in the spool: start it again |
//! | 130 | the third Ctrl-C |

mod email;
mod sender;
mod server;
mod spool;

use clap::Parser;
use email::Email;
use groundcrew::{Host, Queue, ServiceContext, ServiceResult};
use log::info;
use sender::{Ledger, Sender};
use spool::Spool;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Send emails, and keep those that were not sent for the next time.
#[derive(Parser)]
#[command(name = "queue")]
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

fn milliseconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::from_millis(text.parse()?))
}

/// So many emails wait before the writer does.
const PLACES: usize = 20;

fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    env_logger::init();
    let options = Options::parse();
    let server = server::start(options.inbox, options.takes)?;

    let spool = Spool::new(options.spool);
    let found = spool.read()?;
    if !found.is_empty() {
        println!("{} found in {}", found.len(), spool.path());
    }
    let emails = Queue::new(found.len().max(PLACES)).keep_copy();
    for email in found {
        emails.submit(email)?;
    }

    let (ledger, written) = (Arc::new(Ledger::default()), Arc::new(AtomicUsize::new(0)));
    let mut host = Host::builder();
    host.name("mailer").stop_timeout(options.stop_timeout);
    host.queue("emails", &emails, options.workers, {
        let ledger = ledger.clone();
        move || {
            let mut sender = Sender::new(server, ledger.clone());
            move |email: &mut Email, ctx: &ServiceContext| sender.send(email, ctx)
        }
    });
    let (queue, counter) = (emails.clone(), written.clone());
    host.background("writer", move |ctx| {
        write(options.emails, &queue, &counter, ctx)
    })
    .after(["emails"]);
    let host = host.build()?;

    // To the end of this function: another Ctrl-C must not get between the report and
    // the spool.
    let _signals = host.handle().stop_on_signal()?;
    let report = host.run();
    let mut unsent = emails.take_unprocessed();
    // What the workers had in hand, if the stop did not wait for them.
    unsent.extend(emails.take_maybe_handled());
    let unsent = spool.replace(unsent)?;

    let (written, sent, path) = (written.load(Relaxed), ledger.sent(), spool.path());
    println!("{written} written, {sent} sent, {unsent} kept in {path}");
    if !report.is_clean() {
        let _ = writeln!(io::stderr(), "{report}");
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// Writes emails, one after the other, and stops the host when the last one is sent.
fn write(
    count: usize,
    emails: &Queue<Email>,
    written: &AtomicUsize,
    ctx: &ServiceContext,
) -> ServiceResult {
    for _ in 0..count {
        // What is refused at the stop is unprocessed, and so it is kept.
        written.fetch_add(1, Relaxed);
        emails.submit_until_cancelled(ctx.token(), Email::write())?;
        if ctx.is_cancelled() {
            return Ok(());
        }
    }
    info!("{count} emails are written");
    // A queue does not say when it is empty, and so it is asked.
    while emails.stats().queued() + emails.stats().in_hand() > 0 {
        ctx.sleep(A_MOMENT)?;
    }
    ctx.request_stop("every email is sent");
    Ok(())
}

const A_MOMENT: Duration = Duration::from_millis(10);
