//! The workers, as a service of a host.

use crate::program::{self, FAILED, Result, TRY_AGAIN};
use crate::rescan::{KEY, OWNER, Rescan, is_left, rescan};
use crate::show::of_sums;
use crate::sum::{Sum, sum};
use crate::sums::Sums;
use groundcrew::host::ServiceResult;
use groundcrew::jobs::{JobContext, Jobs, NewJob};
use groundcrew::store::JobState;
use groundcrew::{Host, Retry, Schedule, ServiceContext};
use indicatif::{ProgressBar, ProgressStyle};
use log::debug;
use os_display::Quotable;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub(crate) struct How {
    /// How often a folder is enqueued again.
    pub(crate) rescans: Option<(Duration, PathBuf)>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) takes: Duration,
    pub(crate) stop_timeout: Duration,
}

/// Works until every job has ended, or a signal comes, and prints the account. Returns the exit
/// code.
pub(crate) fn work(jobs: &Jobs, database: &Path, how: &How) -> Result<u8> {
    let threads = how.threads.map(NonZeroUsize::get);
    let threads = threads.or_else(|| Some(thread::available_parallelism().ok()?.get()));
    Sums::open(database)?; // so that an error is one of the start

    for paused in jobs.paused()? {
        let queue = paused.queue.quote().to_string();
        program::say(format!("queue {queue} is paused; `jobs resume` ends that"));
    }
    let mut host = Host::builder();
    host.name("jobs").stop_timeout(how.stop_timeout);
    let (place, takes) = (database.to_owned(), how.takes);
    let of_rescan = jobs.clone();
    let workers = host
        .jobs(OWNER, jobs)
        .threads(threads.unwrap_or(1))
        .on_each(move || {
            let mut sums = Sums::open(&place)?;
            Ok(move |job: Sum, ctx: &JobContext| sum(&job, ctx, &mut sums, takes))
        })
        .on(move |job: Rescan, _: &JobContext| rescan(&job, &of_rescan))
        .retry::<Sum>(Retry::exponential(Duration::from_secs(1)).attempts(5))
        .dead_letter(|job| program::say(format!("job {} is dead: {}", job.id(), job.error())));
    let is_endless = how.rescans.is_some();
    if let Some((every, folder)) = how.rescans.clone() {
        // Another process may have another working directory.
        let folder = std::fs::canonicalize(&folder)?;
        // As long as one has not ended, the next is left out.
        let job = NewJob::of(&Rescan { folder }).unique(KEY);
        workers.recurring(KEY, Schedule::every(every), job);
    }
    let shown = jobs.clone();
    host.background("progress", move |ctx| show(&shown, is_endless, ctx));
    let host = host.build()?;

    program::bounded_by(host.handle().stop_on_signal()?);
    let report = host.run();
    let counts = of_sums(jobs)?;
    let count = |state: JobState| counts[state as usize];
    let (completed, dead) = (count(JobState::Completed), count(JobState::Dead));
    let cancelled = count(JobState::Cancelled);
    let left = counts.iter().sum::<u64>() - completed - dead - cancelled;
    let mut account = format!("{completed} completed, {dead} dead, {cancelled} cancelled");
    if left > 0 {
        account += &format!(", {left} left");
    }
    if let Some(own) = report.jobs(OWNER) {
        account += &format!("; this process: {own}");
    }
    program::tell(account + "\n", String::new());
    if !report.is_clean() {
        program::complain(&report);
    }
    Ok(match report.exit_code() {
        0 if left > 0 => TRY_AGAIN,
        0 if dead > 0 => FAILED,
        code => code,
    })
}

const A_MOMENT: Duration = Duration::from_millis(100);

/// Shows on a terminal how much is done, and stops the host when nothing is left, unless it is
/// endless.
fn show(jobs: &Jobs, is_endless: bool, ctx: &ServiceContext) -> ServiceResult {
    let style = ProgressStyle::with_template("[{wide_bar}] {pos} of {len} jobs, {elapsed}");
    let bar = ProgressBar::new(0).with_style(style?);
    loop {
        // In an outage it stays as it is: the workers say what is wrong.
        if let Ok(counts) = of_sums(jobs) {
            let all = JobState::ALL.iter().zip(counts);
            let ended = all.filter(|(state, _)| state.is_ended());
            let ended = ended.map(|(_, count)| count).sum();
            let all = counts.iter().sum();
            bar.set_length(all);
            bar.set_position(ended);
            debug!("{ended} of {all} jobs have ended");
            if ended == all && !is_endless && !is_left(jobs).unwrap_or(true) {
                ctx.request_stop("every job has ended");
            }
        }
        if ctx.sleep(A_MOMENT).is_err() {
            bar.finish_and_clear();
            return Ok(());
        }
    }
}
