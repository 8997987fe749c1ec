//! What visitors do on a web site, in files of many events each: a disk that is full now
//! and then, an event that cannot be written, and a Ctrl-C at any moment lose none of them.
//!
//! ```text
//! $ cargo run -p analytics -- --full-in 2
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! 1094 made, 826 written to 16 files, 2 dead, 266 kept in target/analytics/spool.jsonl
//! host analytics: NOT CLEAN after 0.501 s (deadline 1 s): 3 services, 266 items unstarted
//!   why        signal received
//!   phases     start 0.000 s   ran 1.2 s   delay 0.000 s   stop 0.501 s
//!   stopped    "pool"  after 0.001 s
//!   stopped    "events"  after 0.500 s  handled 826  dead 2  unstarted 266
//!   stopped    "visitors"  after 0.000 s
//!   pool "groundcrew": stop: clean after 0.000 s (deadline 0.474 s): 23 accepted
//!     completed 23   panicked 0   cancelled 0   expired 0
//! $ cargo run -p analytics -- --events 0
//! 266 found in target/analytics/spool.jsonl
//! 0 made, 266 written to 3 files, 0 dead, 0 kept in target/analytics/spool.jsonl
//! ```
//!
//! (Without what the log says of the two that are dead.) `--help` lists the options and exit
//! codes, `RUST_LOG=warn` logs the full disk, too.
//!
//! # How it works
//!
//! ```text
//! spool ────┐                              ┌──> events-000000.jsonl, -000001, ...
//!           ├──> batcher ──> worker ──> disk
//! visitors ─┘       │                      └──> dead.jsonl
//!                   │
//!                   stop: what is left of it ──> spool
//! ```
//!
//! A batch is written when it has enough events or bytes, or is old enough. It becomes a file
//! of its own, as a whole: it is written under another name, and then renamed.
//!
//! - The disk is full, on purpose, now and then. That may pass, and so the batch is tried
//!   again, a little later each time, for as long as it takes. Meanwhile the others wait,
//!   and when there is no room for more, so do the visitors.
//! - Some events cannot be written: their page is no text. That does not pass, and the
//!   handler says so with `Permanent`. So the batch is split until those stand alone; they
//!   are dead letters, and the others are in files, of which there are more then.
//! - On the first Ctrl-C the visitors stop first. Then the batcher writes what it has, as
//!   long as its part of the time allows; what it could not write the report hands back, as
//!   events, and they are in the spool for the next start.
//!
//! An event is in the outbox from when it is made until it is in a file or a dead letter,
//! and what is in there at the end is written to the spool. So nothing is lost with what a
//! stop abandons, and nothing is both in a file and in the spool: the end waits a second for
//! the file that is being written, also after the second Ctrl-C or when the process was
//! frozen for longer than the stop may take. Only a write that takes longer than that may be
//! done a second time, and its events are named.
//!
//! A dead letter that cannot be written is kept in the spool, too. If that cannot be
//! written, since the disk is full in earnest, say, every event that should be in there is
//! named, and the exit code is 1. The spool is then as it was before this run: what this run
//! has written of it the next one writes again.
//!
//! So it is after the third Ctrl-C and after a kill as well, where nothing can be named: what
//! the run has made and not written is lost.
//!
//! One `analytics` at a time may use a folder; another one is refused.

mod disk;
mod event;
#[path = "../../common/lock.rs"]
mod lock;
#[path = "../../common/outbox.rs"]
mod outbox;
#[path = "../../common/program.rs"]
mod program;
#[path = "../../common/spool.rs"]
mod spool;
mod visitors;

use clap::Parser;
use disk::Disk;
use event::Event;
use groundcrew::host::ServiceResult;
use groundcrew::retry::Backoff;
use groundcrew::{Batcher, Host, Pool, Retry, ServiceContext};
use log::info;
use outbox::{Item, Outbox, TIME_TO_ANSWER};
use program::milliseconds;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use visitors::Visitors;

const EXIT_CODES: &str = "\
Exit codes:
    0  every event is in a file, or a dead letter
    1  something failed, and is named; events could not be saved, and are listed
    2  the command line is wrong
   75  there are events in the spool: start it again
  130  the third Ctrl-C";

/// Write what visitors do into files, many events at a time.
#[derive(Parser)]
#[command(name = "analytics", after_help = EXIT_CODES)]
struct Options {
    /// How many events there are
    #[arg(long, value_name = "COUNT", default_value = "2000")]
    events: usize,

    /// The time between two of them
    #[arg(long, value_name = "MILLISECONDS", default_value = "1", value_parser = milliseconds)]
    pause: Duration,

    /// What the visitors do; at random, if it is not given
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// A file has so many events at most
    #[arg(long, value_name = "COUNT", default_value = "100")]
    max_items: usize,

    /// A file has so many bytes at most
    #[arg(long, value_name = "BYTES", default_value = "8192")]
    max_bytes: usize,

    /// No event waits longer to be written, if the disk is not full
    #[arg(long, value_name = "MILLISECONDS", default_value = "200", value_parser = milliseconds)]
    max_age: Duration,

    /// The disk is full for one write in so many; 0 is never
    #[arg(long, value_name = "WRITES", default_value = "5")]
    full_in: u64,

    /// One event in so many cannot be written; 0 is none
    #[arg(long, value_name = "EVENTS", default_value = "500")]
    bad_in: u64,

    /// Where the files are
    #[arg(long, value_name = "FOLDER", default_value = "target/analytics")]
    folder: PathBuf,

    /// How long a stop may take
    #[arg(long, value_name = "MILLISECONDS", default_value = "1000", value_parser = milliseconds)]
    stop_timeout: Duration,
}

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> program::Result<ExitCode> {
    let mut lock = lock::open(&options.folder.join("lock"))?;
    let what = options.folder.display();
    let _lock = lock::take(&mut lock, "analytics", what, "--folder another one")?;
    let outbox = Outbox::<Event>::open(options.folder.join("spool.jsonl"))?;
    let disk = Disk::new(options.folder.clone(), options.full_in, outbox.clone())?;
    let (disk, found) = (Arc::new(disk), outbox.unsent());

    let pool = Pool::new(1)?;
    let (writer, graves) = (disk.clone(), disk.clone());
    let backoff = Backoff::exponential(Duration::from_millis(20)).cap(Duration::from_secs(1));
    let events = Batcher::builder("events")
        .max_items(options.max_items)
        .max_bytes(options.max_bytes, |event: &Event| event.to_line().len() + 1)
        .max_age(options.max_age)
        .capacity(found.len().max(10 * options.max_items))
        .retry(Retry::new(backoff))
        .dead_letter(move |event, why| graves.bury(&event, why))
        .build(pool.submitter(), move |batch: &mut Vec<Event>, _| {
            writer.write(batch)
        })?;

    let mut host = Host::builder();
    host.name("analytics").stop_timeout(options.stop_timeout);
    host.add("pool", pool);
    host.add("events", &events);
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut visitors = Visitors::new(seed, options.bad_in).take(options.events);
    let (pause, batcher, made) = (options.pause, events.clone(), outbox.clone());
    host.background("visitors", move |ctx| {
        visit(&mut visitors, pause, &batcher, &made, ctx)
    })
    .after("events");
    let host = host.build()?;

    program::bounded_by(host.handle().stop_on_signal()?);
    for event in found {
        let _ = events.submit(event); // or it stays in the outbox
    }
    let report = host.run();
    let saved = outbox.save(Instant::now() + TIME_TO_ANSWER);

    let (account, kept) = (saved.account, saved.kept(outbox.path()));
    let mut told = outbox.found();
    told += &format!(
        "{} made, {} written to {} files, {} dead, {kept}\n",
        account.made,
        account.sent,
        disk.files(),
        account.refused
    );
    if let Some(error) = disk.not_buried() {
        told += &format!("not all dead letters could be written, the others are left: {error}\n");
    }
    program::tell(told, saved.unknown() + &saved.unsaved());
    let code = saved.exit_code(report.exit_code());
    if code != 0 || !report.is_clean() {
        program::complain(report);
    }
    Ok(code.into())
}

/// Lets one event after the other happen, and stops the host when the last one is written.
fn visit(
    visitors: &mut dyn Iterator<Item = Event>,
    pause: Duration,
    events: &Batcher<Event>,
    outbox: &Outbox<Event>,
    ctx: &ServiceContext,
) -> ServiceResult {
    for event in visitors {
        let Some(event) = outbox.make(|_| event) else {
            return Ok(());
        };
        // What the batcher does not take any more is in the outbox all the same.
        if events.submit_until(ctx.token(), event).is_err() {
            return Ok(());
        }
        ctx.sleep(pause)?;
    }
    info!("every event is made");
    while !events.flush_timeout(A_MOMENT) {
        ctx.token().check()?;
    }
    ctx.request_stop("every event is written");
    Ok(())
}

const A_MOMENT: Duration = Duration::from_millis(10);
