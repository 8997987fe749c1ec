//! The table: when the jobs run next, on the clocks of several zones.

use crate::date;
use crate::jobs::{JOBS, Job};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::error::Error;
use std::io::Write;

/// As wide as the name of the longest job.
const NAMES: usize = 15;
/// As wide as a date.
const DATES: usize = 25;

pub(crate) struct Table<'a> {
    /// The zone that the jobs go by.
    pub(crate) zone: &'a TimeZone,
    /// Those of the columns.
    pub(crate) zones: &'a [TimeZone],
    /// The number of runs of each job.
    pub(crate) count: usize,
    pub(crate) from: Timestamp,
}

impl Table<'_> {
    pub(crate) fn print(&self, out: &mut impl Write) -> Result<(), Box<dyn Error + Send + Sync>> {
        let names = self.zones.iter().map(|zone| name(zone).to_owned());
        self.print_row(out, "", names.collect())?;
        for job in &JOBS {
            self.print_job(out, job)?;
        }
        Ok(())
    }

    fn print_job(
        &self,
        out: &mut impl Write,
        job: &Job,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let upcoming = job.schedule(self.zone).upcoming(self.from.into());
        let mut first = job.name;
        for due in upcoming.take(self.count) {
            let dates = self.zones.iter().map(|zone| date(due, zone));
            let dates = dates.collect::<Result<_, _>>()?;
            self.print_row(out, first, dates)?;
            first = "";
        }
        Ok(())
    }

    fn print_row(
        &self,
        out: &mut impl Write,
        first: &str,
        cells: Vec<String>,
    ) -> std::io::Result<()> {
        let mut row = format!("{first:<NAMES$}");
        for (zone, cell) in self.zones.iter().zip(cells) {
            let width = name(zone).len().max(DATES);
            row += &format!("  {cell:<width$}");
        }
        writeln!(out, "{}", row.trim_end())
    }
}

pub(crate) fn name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}
