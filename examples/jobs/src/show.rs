//! What there is.

use crate::output::print;
use crate::program::Result;
use crate::rescan::Rescan;
use crate::sum::Sum;
use groundcrew::jobs::{Job, Jobs};
use groundcrew::store::{JobDetails, JobFilter, JobId, JobInfo, JobState};
use os_display::Quotable;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

const PAGE: usize = 50;

/// A line for each job: at most this number of each state, in the order of the states.
pub(crate) fn list(jobs: &Jobs, states: &[JobState], most: usize) -> Result<()> {
    let mut lines = String::new();
    for state in states {
        let filter = JobFilter::new(*state);
        let (mut left, mut place) = (most, None);
        while left > 0 {
            let page = jobs.list(&filter, place, left.min(PAGE))?;
            left -= page.jobs.len();
            for info in &page.jobs {
                // Lists do not read payloads.
                let file = jobs.get(info.id)?.as_ref().map(file).unwrap_or_default();
                writeln!(lines, "{}", line(info, &file))?;
            }
            place = page.next;
            if place.is_none() {
                break;
            }
        }
    }
    print(lines)
}

fn line(info: &JobInfo, file: &str) -> String {
    let id = info.id;
    let mut line = format!("{id:>7}  {:<9}", info.state);
    if info.attempt > 0 {
        let most = info.max_attempts.map(|most| format!(" of {most}"));
        let _ = write!(
            line,
            "  attempt {}{}",
            info.attempt,
            most.unwrap_or_default()
        );
    }
    let _ = write!(line, "  {file}");
    if let Some(reason) = &info.reason {
        let _ = write!(line, "  ({reason})");
    }
    line
}

fn file(job: &JobDetails) -> String {
    let path = match job.info.kind == Rescan::KIND {
        true => serde_json::from_slice::<Rescan>(&job.payload)
            .map(|rescan| rescan.folder.display().to_string()),
        false => serde_json::from_slice::<Sum>(&job.payload).map(|sum| sum.path),
    };
    match path {
        Ok(path) => path,
        Err(error) => format!("a payload that is not one of this program: {error}"),
    }
}

/// All that is known of one job.
pub(crate) fn show(jobs: &Jobs, id: JobId) -> Result<()> {
    let job = jobs.get(id)?.ok_or(format!("there is no job {id}"))?;
    let info = &job.info;
    let mut text = line(info, &file(&job)) + "\n";
    let mut add = |what: &str, value: String| writeln!(text, "  {what:<12} {value}");
    add("kind", format!("{}, in queue {}", info.kind, info.queue))?;
    add("priority", info.priority.to_string())?;
    add("enqueued", when(info.enqueued_at))?;
    add("due", when(info.due))?;
    let moments = [("claimed", info.claimed_at), ("ended", info.ended_at)];
    for (what, at) in moments {
        if let Some(at) = at {
            add(what, when(at))?;
        }
    }
    let counts = [("lost", info.lost), ("interrupted", info.interrupted)];
    for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        add(what, format!("{count} times"))?;
    }
    if let Some(fence) = info.fence {
        add("fence", fence.to_string())?;
    }
    if let Some(client_id) = &job.client_id {
        add("client id", client_id.clone())?;
    }
    for parent in &job.waits_for {
        add("waits for", format!("job {parent}"))?;
    }
    for attempt in &job.attempts {
        let error = attempt.error.as_deref().unwrap_or("no error");
        let took = attempt.ended_at.duration_since(attempt.claimed_at);
        let took = took.unwrap_or_default().as_secs_f64();
        let how = format!("{:?}", attempt.outcome).to_lowercase();
        let number = format!("attempt {}", attempt.attempt);
        add(&number, format!("{how} after {took:.3} s: {error}"))?;
    }
    print(text)
}

fn when(at: SystemTime) -> String {
    let seconds = |duration: Duration| duration.as_secs_f64();
    match SystemTime::now().duration_since(at) {
        Ok(age) => format!("{:.1} s ago", seconds(age)),
        Err(ahead) => format!("in {:.1} s", seconds(ahead.duration())),
    }
}

/// A line for each recurring job.
pub(crate) fn recurring(jobs: &Jobs) -> Result<()> {
    let mut lines = String::new();
    for status in jobs.all_recurring()? {
        write!(lines, "{status}")?;
        if let (Some(last), Some(job)) = (status.last(), status.last_job()) {
            write!(lines, ", last {} (job {job})", when(last))?;
        }
        lines.push('\n');
    }
    print(lines)
}

/// A line for each state, and how far the workers lag behind.
pub(crate) fn counts(jobs: &Jobs) -> Result<()> {
    let counts = of_sums(jobs)?;
    let mut lines = String::new();
    for (state, count) in JobState::ALL.iter().zip(counts) {
        writeln!(lines, "{state:<9} {count:>8}")?;
    }
    for paused in jobs.paused()? {
        let (queue, since) = (paused.queue.quote(), when(paused.since));
        writeln!(lines, "queue {queue} is paused, since {since}")?;
    }
    let lag = jobs.lag("default")?.as_secs_f64();
    writeln!(lines, "the oldest available one has waited for {lag:.1} s")?;
    print(lines)
}

/// How many jobs of this program there are, in the order of [`JobState::ALL`].
pub(crate) fn of_sums(jobs: &Jobs) -> Result<[u64; JobState::ALL.len()]> {
    let lanes = jobs.counts()?;
    let is_own = |kind: &str| kind == Sum::KIND;
    let own: Vec<_> = lanes.iter().filter(|lane| is_own(&lane.kind)).collect();
    Ok(JobState::ALL.map(|state| own.iter().map(|lane| lane.states[state]).sum()))
}
