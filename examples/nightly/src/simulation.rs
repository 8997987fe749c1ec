//! A whole year, on a clock that is moved by hand: the scheduler and the pool are those
//! that run in earnest.

use crate::date;
use crate::jobs::JOBS;
use crate::table::name;
use groundcrew::testing::ManualClock;
use groundcrew::{Pool, Scheduler, channel};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::error::Error;
use std::io::Write;
use std::time::{Duration, SystemTime};

/// When a run was due, and the index of its job.
type Run = (SystemTime, usize);

/// Walks through the year of the zone, and prints what ran around the changes of its
/// clocks, and how often each job ran in all.
pub(crate) fn print(
    out: &mut impl Write,
    year: i16,
    zone: &TimeZone,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (begin, end) = (new_year(year, zone)?, new_year(year + 1, zone)?);
    let changes = changes(zone, begin, end);

    // What is due at the beginning of the year is due later than the clock shows.
    let clock = ManualClock::at((begin - 1.second()).into());
    let pool = Pool::builder().threads(2).clock(&clock).build()?;
    let scheduler = Scheduler::new(pool.submitter());
    let (tell, told) = channel::unbounded();
    for (index, job) in JOBS.iter().enumerate() {
        let tell = tell.clone();
        scheduler
            .entry(job.name, job.schedule(zone))
            .run(move |ctx| Ok(tell.send((ctx.due(), index))?))?;
    }
    scheduler.start()?;

    let mut shown: Vec<Run> = Vec::new();
    while let Some(due) = scheduler.next_due().filter(|due| *due < end.into()) {
        clock.advance_to(due);
        pool.wait_idle();
        let is_shown = |run: &Run| changes.iter().any(|change| change.is_near(run));
        shown.extend(told.try_iter().filter(is_shown));
    }
    scheduler.stop();
    shown.sort();

    for change in &changes {
        writeln!(out, "{}", change.text)?;
        for (due, index) in shown.iter().filter(|run| change.is_near(run)) {
            writeln!(out, "{}  {}", date(*due, zone)?, JOBS[*index].name)?;
        }
        writeln!(out)?;
    }
    if changes.is_empty() {
        writeln!(
            out,
            "In {year} the clocks of {} do not change.\n",
            name(zone)
        )?;
    }
    let heading = format!("{year} in {}", name(zone));
    writeln!(out, "{heading:<28}    runs  missed  overlapped")?;
    for entry in scheduler.status() {
        let (name, runs) = (entry.name(), entry.runs());
        let (missed, overlapped) = (entry.missed(), entry.overlapped());
        writeln!(out, "{name:<28}  {runs:>6}  {missed:>6}  {overlapped:>10}")?;
    }
    Ok(())
}

/// The moment at which the year begins in that zone.
fn new_year(year: i16, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    zone.to_timestamp(DateTime::new(year, 1, 1, 0, 0, 0, 0)?)
}

/// The clocks of a zone go forward, or back.
struct Change {
    at: SystemTime,
    by: Duration,
    text: String,
}

impl Change {
    /// As long before or after as the clocks were changed by: of what comes twice, both.
    fn is_near(&self, (due, _): &Run) -> bool {
        let apart = match due.duration_since(self.at) {
            Ok(after) => after,
            Err(before) => before.duration(),
        };
        apart <= self.by
    }
}

fn changes(zone: &TimeZone, begin: Timestamp, end: Timestamp) -> Vec<Change> {
    let mut before = zone.to_offset(begin);
    let mut changes = Vec::new();
    for change in zone.following(begin) {
        let (at, after) = (change.timestamp(), change.offset());
        if at >= end {
            break;
        }
        let by = i64::from(after.seconds()) - i64::from(before.seconds());
        if by == 0 {
            continue; // another name, or another law
        }
        let (from, to) = (before.to_datetime(at), after.to_datetime(at));
        let direction = if by > 0 { "forward" } else { "back" };
        changes.push(Change {
            at: at.into(),
            by: Duration::from_secs(by.unsigned_abs()),
            text: format!(
                "{}: the clocks of {} go {direction} from {} to {}",
                from.date(),
                name(zone),
                from.strftime("%H:%M"),
                to.strftime("%H:%M")
            ),
        });
        before = after;
    }
    changes
}
