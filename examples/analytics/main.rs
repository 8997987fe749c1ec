//! What visitors do on a web site, in files of many events each: a disk that is full now
//! and then, an event that nobody can write, and a Ctrl-C at any moment lose none of them.
//!
//! ```text
//! $ cargo run --example analytics -- --full-in 2
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! 1094 made, 826 written to 16 files, 2 dead, 266 kept in target/analytics/spool.jsonl
//! host analytics: NOT CLEAN after 0.501 s (deadline 1 s): 3 services, 266 items unprocessed
//!   why        signal received
//!   phases     start 0.000 s   ran 1.2 s   delay 0.000 s   stop 0.501 s
//!   stopped    "pool"  after 0.001 s
//!   stopped    "events"  after 0.500 s  handled 826  failed 2  panicked 0  unprocessed 266
//!   stopped    "visitors"  after 0.000 s
//!   pool "groundcrew": stop: clean after 0.000 s (deadline 0.474 s): 23 accepted
//!     completed 23   panicked 0   cancelled 0   expired 0
//! $ cargo run --example analytics -- --events 0
//! 266 found in target/analytics/spool.jsonl
//! 0 made, 266 written to 3 files, 0 dead, 0 kept in target/analytics/spool.jsonl
//! ```
//!
//! (Without what the log says of the two that are dead.) `--help` lists the options,
//! `RUST_LOG=warn` tells of the full disk, too.
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
//! A batch is written when it has so many events, or bytes, or is so old. It becomes a file
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
//! The second Ctrl-C does not wait for the file that is being written. Its events are kept
//! as well, and may then be in a file and in the spool. The third one, like a kill, leaves
//! the spool as it was.
//!
//! # Exit codes
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | every event is in a file, or a dead letter |
//! | 1 | something failed; stderr says what |
//! | 2 | the command line is wrong |
//! | 75 | there are events in the spool: start it again |
//! | 130 | the third Ctrl-C |

mod disk;
mod event;
mod spool;
mod visitors;

use clap::Parser;
use disk::Disk;
use event::Event;
use groundcrew::{Batcher, Host, Pool, Retry, ServiceContext, ServiceResult};
use log::info;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use visitors::Visitors;

/// Write what visitors do into files, many events at a time.
#[derive(Parser)]
#[command(name = "analytics")]
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

fn milliseconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::from_millis(text.parse()?))
}

fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    env_logger::init();
    let options = Options::parse();
    let disk = Arc::new(Disk::new(options.folder.clone(), options.full_in)?);
    let spool = options.folder.join("spool.jsonl");
    let found = spool::read(&spool)?;
    if !found.is_empty() {
        println!("{} found in {}", found.len(), spool.display());
    }

    let pool = Pool::new(1)?;
    let (writer, graves) = (disk.clone(), disk.clone());
    let events = Batcher::builder("events")
        .max_items(options.max_items)
        .max_bytes(options.max_bytes, |event: &Event| event.line().len())
        .max_age(options.max_age)
        .capacity(found.len().max(10 * options.max_items))
        .retry(Retry::exponential(Duration::from_millis(20)).cap(Duration::from_secs(1)))
        .dead_letter(move |event, why| graves.bury(&event, why))
        .build(pool.submitter(), move |batch: &mut Vec<Event>, _| {
            writer.write(batch)
        })?;

    let made = Arc::new(AtomicUsize::new(0));
    let mut host = Host::builder();
    host.name("analytics").stop_timeout(options.stop_timeout);
    host.pool("pool", pool);
    host.batcher("events", &events);
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut visitors = Visitors::new(seed, options.bad_in).take(options.events);
    let (batcher, counter) = (events.clone(), made.clone());
    host.background("visitors", move |ctx| {
        visit(&mut visitors, options.pause, &batcher, &counter, ctx)
    })
    .after(["events"]);
    let host = host.build()?;

    // To the end of this function: another Ctrl-C must not get between the report and
    // the spool.
    let _signals = host.handle().stop_on_signal()?;
    for event in found {
        events.submit(event)?;
    }
    let report = host.run();
    let mut kept = events.take_unhandled();
    kept.extend(disk.in_hand(&kept));
    spool::replace(&spool, &kept)?;

    let (stats, made) = (events.stats(), made.load(Relaxed));
    println!(
        "{made} made, {} written to {} files, {} dead, {} kept in {}",
        stats.handled(),
        disk.files(),
        stats.dead(),
        kept.len(),
        spool.display()
    );
    if !report.is_clean() {
        let _ = writeln!(io::stderr(), "{report}");
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// Lets one event after the other happen, and stops the host when the last one is written.
fn visit(
    visitors: &mut dyn Iterator<Item = Event>,
    pause: Duration,
    events: &Batcher<Event>,
    made: &AtomicUsize,
    ctx: &ServiceContext,
) -> ServiceResult {
    for event in visitors {
        made.fetch_add(1, Relaxed);
        // What is refused at the stop is unhandled, and so it is kept.
        events.submit_until_cancelled(ctx.token(), event)?;
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
