//! Jobs by the clock: at two in the morning, at 17:00 in London, every five minutes, on
//! Mondays, at the end of the month. And a year of them in ten seconds.
//!
//! ```text
//! $ cargo run -p nightly -- --count 2
//!                  Europe/London              America/New_York           Australia/Lord_Howe
//! back up          2026-11-23T01:30:00+00:00  2026-11-22T20:30:00-05:00  2026-11-23T12:30:00+11:00
//!                  2026-11-24T01:30:00+00:00  2026-11-23T20:30:00-05:00  2026-11-24T12:30:00+11:00
//! clean up         2026-11-23T02:00:00+00:00  2026-11-22T21:00:00-05:00  2026-11-23T13:00:00+11:00
//!                  2026-11-24T02:00:00+00:00  2026-11-23T21:00:00-05:00  2026-11-24T13:00:00+11:00
//! newsletter       2026-11-23T17:00:00+00:00  2026-11-23T12:00:00-05:00  2026-11-24T04:00:00+11:00
//!                  2026-11-24T17:00:00+00:00  2026-11-24T12:00:00-05:00  2026-11-25T04:00:00+11:00
//! warm the cache   2026-11-22T20:55:00+00:00  2026-11-22T15:55:00-05:00  2026-11-23T07:55:00+11:00
//!                  2026-11-22T21:00:00+00:00  2026-11-22T16:00:00-05:00  2026-11-23T08:00:00+11:00
//! weekly report    2026-11-23T09:00:00+00:00  2026-11-23T04:00:00-05:00  2026-11-23T20:00:00+11:00
//!                  2026-11-30T09:00:00+00:00  2026-11-30T04:00:00-05:00  2026-11-30T20:00:00+11:00
//! close the month  2026-11-30T23:45:00+00:00  2026-11-30T18:45:00-05:00  2026-12-01T10:45:00+11:00
//!                  2026-12-31T23:45:00+00:00  2026-12-31T18:45:00-05:00  2027-01-01T10:45:00+11:00
//! pool nightly: open, 2 workers, 1024 places
//! host nightly: service "workers" is up after 0.000 s
//! 2026-11-22T20:53:34+00:00  warm the cache
//! host nightly: service "schedules" is up after 0.000 s
//! host nightly: 2 services are up after 0.001 s
//! 2026-11-22T20:55:00+00:00  warm the cache
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! host nightly: stopping: signal received
//! pool nightly: closed, 0 queued
//! pool nightly: stop: clean after 0.000 s (deadline 7.9 s): 2 accepted
//!   completed 2   panicked 0   cancelled 0   expired 0
//! host nightly: clean after 0.001 s (deadline 8 s): 2 services
//!   why        signal received
//!   phases     start 0.001 s   ran 207.2 s   delay 0.000 s   stop 0.001 s
//!   stopped    "workers"  after 0.001 s
//!   stopped    "schedules"  after 0.000 s
//!   pool "nightly": stop: clean after 0.000 s (deadline 7.9 s): 2 accepted
//!     completed 2   panicked 0   cancelled 0   expired 0
//! ```
//!
//! The lines that begin with a date are runs. With `--table` it prints the table alone.
//! `--help` lists the options and exit codes.
//!
//! # A night without the program
//!
//! `--remember FILE` keeps on a file which runs have ended. If the program does not run at
//! 01:30, its next start makes up for the backup: one for all nights that were missed.
//!
//! ```text
//! $ cargo run -p nightly -- --count 1 --zones Europe/London --remember nightly.runs
//! ...
//! host nightly: service "schedules" is up after 0.000 s
//! 2026-11-25T01:30:00+00:00  back up
//! 2026-11-25T02:00:00+00:00  clean up
//! 2026-11-25T07:14:00+00:00  warm the cache
//! ```
//!
//! # A year
//!
//! `--simulate` goes through a year, and prints what ran around the two changes of the
//! zone's clocks. Nothing is calculated: the scheduler and the pool are those of above,
//! and live by a clock that is moved from one run to the next
//! (`groundcrew::testing::ManualClock`), 106,000 times. The dots stand for runs that warm
//! the cache:
//!
//! ```text
//! $ cargo run -p nightly -- --simulate 2026
//! 2026-03-29: the clocks of Europe/London go forward from 01:00 to 02:00
//! ...
//! 2026-03-29T00:55:00+00:00  warm the cache
//! 2026-03-29T02:00:00+01:00  back up
//! 2026-03-29T02:00:00+01:00  clean up
//! 2026-03-29T02:00:00+01:00  warm the cache
//! ...
//!
//! 2026-10-25: the clocks of Europe/London go back from 02:00 to 01:00
//! 2026-10-25T01:00:00+01:00  warm the cache
//! ...
//! 2026-10-25T01:30:00+01:00  back up
//! ...
//! 2026-10-25T01:55:00+01:00  warm the cache
//! 2026-10-25T01:00:00+00:00  warm the cache
//! ...
//! 2026-10-25T02:00:00+00:00  clean up
//! 2026-10-25T02:00:00+00:00  warm the cache
//!
//! 2026 in Europe/London           runs  missed  overlapped
//! back up                          365       0           0
//! clean up                         365       0           0
//! newsletter                       365       0           0
//! warm the cache                105120       0           0
//! weekly report                     52       0           0
//! close the month                   12       0           0
//! ```
//!
//! In spring there is no 01:30: "back up" runs as soon as there is a time again. In autumn
//! there are two, and it runs at the first. "warm the cache" is an interval, and goes on
//! every five minutes, whatever the clocks show. So each day has one backup, and each
//! five minutes have a warm cache.
//!
//! `--zone America/New_York` is the year of another zone, but for the newsletter, which
//! goes by London's; on `Australia/Lord_Howe` the clocks are changed by half an hour.

mod jobs;
#[path = "../../common/log_to_stdout.rs"]
mod log_to_stdout;
#[path = "../../common/program.rs"]
mod program;
mod simulation;
mod table;

use clap::Parser;
use clap::builder::{RangedI64ValueParser, RangedU64ValueParser};
use groundcrew::{Host, HostReport, Pool, Schedule, Scheduler};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use jobs::JOBS;
use log::info;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Termination};
use std::time::SystemTime;
use table::Table;

const EXIT_CODES: &str = "\
Exit codes:
    0  it was stopped by Ctrl-C, and everything ended well; or all is printed
    1  something failed; stderr says what
    2  the command line is wrong: a zone that there is not, say
   75  a job did not end in time; the report says which
  130  the third Ctrl-C";

/// Jobs by the clock, until Ctrl-C.
#[derive(Parser)]
#[command(name = "nightly", after_help = EXIT_CODES)]
struct Options {
    /// The zone that the jobs go by; the newsletter goes by that of London
    #[arg(long, default_value = "Europe/London", value_parser = zone)]
    zone: TimeZone,

    /// The zones of the table's columns
    #[arg(
        long,
        value_name = "ZONE,...",
        default_value = "Europe/London,America/New_York,Australia/Lord_Howe",
        value_delimiter = ',',
        value_parser = zone
    )]
    zones: Vec<TimeZone>,

    /// How many runs of each job the table has
    #[arg(long, default_value = "3", value_parser = at_least_one())]
    count: usize,

    /// When the table begins, as in 2026-03-28T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,

    /// Print the table, and run nothing
    #[arg(long)]
    table: bool,

    /// Remember on this file which runs have ended, so that a restart makes up for what was missed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["table", "simulate"])]
    remember: Option<PathBuf>,

    /// Go through this year on a clock that is moved by hand, and print what ran around the
    /// changes of the zone's clocks
    #[arg(long, value_name = "YEAR", conflicts_with_all = ["table", "from"], value_parser = year())]
    simulate: Option<i16>,
}

fn zone(name: &str) -> program::Result<TimeZone> {
    Schedule::cron("@daily").in_tz(name).check()?;
    Ok(TimeZone::get(name)?)
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn year() -> RangedI64ValueParser<i16> {
    RangedI64ValueParser::new().range(1970..=9998)
}

fn main() -> ExitCode {
    let options = Options::parse();
    let level = if options.simulate.is_some() {
        "warn"
    } else {
        "info"
    };
    log_to_stdout::init(level);
    program::run(|| run(options))
}

fn run(options: Options) -> program::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    if let Some(year) = options.simulate {
        simulation::print(&mut out, year, &options.zone)?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let table = Table {
        zone: &options.zone,
        zones: &options.zones,
        count: options.count,
        from: options.from.unwrap_or_else(Timestamp::now),
    };
    table.print(&mut out)?;
    out.flush()?;
    drop(out);
    match options.table {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(run_jobs(&options.zone, options.remember.as_deref())?.report()),
    }
}

fn run_jobs(zone: &TimeZone, remember: Option<&Path>) -> program::Result<HostReport> {
    let pool = Pool::builder().name("nightly").threads(2).build()?;
    let scheduler = Scheduler::new(pool.submitter());
    if let Some(file) = remember {
        scheduler.remember(file)?;
    }
    for job in &JOBS {
        let zone = zone.clone();
        let mut entry = scheduler.entry(job.name, job.schedule(&zone));
        if job.at_start {
            entry = entry.run_at_start();
        }
        entry.run(move |ctx| {
            info!("{}  {}", date(ctx.due(), &zone)?, ctx.entry());
            Ok(())
        })?;
    }

    let mut host = Host::builder();
    host.name("nightly");
    host.add("workers", pool);
    host.add("schedules", &scheduler);
    let host = host.build()?;
    log_to_stdout::stop_when_unread(host.handle());
    Ok(host.run_until_signal()?)
}

/// As in `2026-03-29T02:00:00+01:00`.
fn date(time: SystemTime, zone: &TimeZone) -> Result<String, jiff::Error> {
    let time = Timestamp::try_from(time)?.to_zoned(zone.clone());
    Ok(time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}
