//! What becomes of tasks that cooperate with a stop, are slow, are stuck, panic, or never
//! start: the report, and what to do about each.
//!
//! ```text
//! $ cargo run --example abandoned
//! stop: NOT CLEAN after 1.000 s (deadline 1 s): 2 abandoned, 3 unstarted of 7 accepted
//!   completed 1   panicked 1   cancelled 0   expired 0
//!   abandoned  #3 "slow"  crew-1  running 2.0 s  cancel requested 0.7 s ago  examples/abandoned.rs:101:34
//!              thread 9526: sleeping in futex   takes no cancel token
//!   abandoned  #4 "stuck"  crew-0  running 2.0 s  cancel requested 0.7 s ago  examples/abandoned.rs:102:34
//!              last note: "asked the mirror, waiting for its answer"   thread 9525: sleeping in futex
//!   unstarted  #5 "first mail"   examples/abandoned.rs:103:41
//!   unstarted  #6 "second mail"  examples/abandoned.rs:104:43
//!   unstarted  #7 "third mail"   examples/abandoned.rs:105:41
//!
//! Every accepted task is counted once:
//!   accepted 7 = completed 1 + panicked 1 + cancelled 0 + expired 0 + unstarted 3 + abandoned 2 + stopping 0
//!
//! Abandoned: still running at the deadline. No thread can be killed, so look why:
//!   slow takes no cancel token; a verb that ends in _with gives it one
//!   stuck has a token and did not check it; its last note: asked the mirror, waiting for its answer
//!
//! Unstarted: in the queue when the backlog was taken out. Nothing of them has run:
//!   first mail, submitted at examples/abandoned.rs:103:41
//!   second mail, submitted at examples/abandoned.rs:104:43
//!   third mail, submitted at examples/abandoned.rs:105:41
//!
//! No join outlives the stop, so the handles know:
//!   panics: the task panicked: no such row
//!   cooperative: "left between two rows"
//!   slow: the task was still running when the pool's stop ended
//!   stuck: the task was still running when the pool's stop ended
//!
//! What is unstarted is yours to run, to resubmit or to drop:
//!   first mail, run here: "sent"
//!   second mail, resubmitted: "sent"
//!   third mail, dropped: the pool was stopped before the task started
//!
//! What was abandoned may still end. Now slow gets its answer:
//!   1 of 2 still runs
//!   stuck will be cut off when main returns
//!
//! Exit code 75: try again later.
//! ```
//!
//! (On stderr are Rust's own words about the panic.)
//!
//! # How it works
//!
//! Three workers run "cooperative", "slow" and "stuck", so that three mails wait in
//! the queue. After a second the pool is stopped, within another one:
//!
//! ```text
//! 0 s              1 s     1.3 s                2 s
//!  ┬────────────────┬────────┬────────────────────┬
//!  four tasks,      close    the mails are taken  the report: who still
//!  three mails               out, every token is  runs is abandoned
//!                            cancelled
//! ```
//!
//! The exit code is 75, that of a report that is not clean: the `EX_TEMPFAIL` of `sysexits.h`.

#[path = "common/program.rs"]
mod program;

use groundcrew::channel::{self, Receiver};
use groundcrew::{Pool, StopPlan, StopReport, TaskContext, TaskError};
use std::fmt::Debug;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const HELP: &str = "\
Stop a pool whose tasks are slow, stuck, panic or never start, and explain the report.

Usage: abandoned

Options:
  -h, --help  Print help

Exit codes:
    1  something failed; stderr says what
    2  the command line is wrong
   75  the report is not clean, as it should be
  141  the reader of stdout has gone, as in `abandoned | head -1`
";

fn main() -> ExitCode {
    program::run_without_options(HELP, stop_with_everything)
}

fn stop_with_everything() -> program::Result<ExitCode> {
    let mut out = io::stdout();
    let pool = Pool::builder().threads(3).name("crew").build()?;
    let (late, answer) = channel::bounded(0);
    let (_never, silence) = channel::bounded(0);

    let panics = pool.task("panics").submit(panics)?;
    let cooperative = pool.task("cooperative").submit_with(cooperative)?;
    let slow = pool.task("slow").submit(|| slow(answer))?;
    let stuck = pool.task("stuck").submit_with(|ctx| stuck(ctx, silence))?;
    let first = pool.task("first mail").submit(|| "sent")?;
    let second = pool.task("second mail").submit(|| "sent")?;
    let third = pool.task("third mail").submit(|| "sent")?;

    thread::sleep(Duration::from_secs(1)); // what else the program does
    let plan = StopPlan::drain(Duration::from_secs(1)).grace(Duration::from_millis(700));
    let report = pool.stop(plan);

    writeln!(out, "{report}")?;
    explain(&mut out, &report)?;

    writeln!(out, "\nNo join outlives the stop, so the handles know:")?;
    tell(&mut out, "panics", panics.join())?;
    tell(&mut out, "cooperative", cooperative.join())?;
    tell(&mut out, "slow", slow.join())?;
    tell(&mut out, "stuck", stuck.join())?;

    writeln!(
        out,
        "\nWhat is unstarted is yours to run, to resubmit or to drop:"
    )?;
    let other = Pool::new(1)?;
    for task in report.take_unstarted() {
        match task.info().name() {
            "first mail" => task.run(),
            "second mail" => other.resubmit(task)?,
            _ => drop(task),
        }
    }
    tell(&mut out, "first mail, run here", first.join())?;
    tell(&mut out, "second mail, resubmitted", second.join())?;
    tell(&mut out, "third mail, dropped", third.join())?;

    writeln!(
        out,
        "\nWhat was abandoned may still end. Now slow gets its answer:"
    )?;
    drop(late);
    let still_running = report.wait_for_abandoned(Duration::from_millis(500));
    writeln!(
        out,
        "  {still_running} of {} still runs",
        report.abandoned().len()
    )?;
    for task in pool.running() {
        writeln!(
            out,
            "  {} will be cut off when main returns",
            task.info().name()
        )?;
    }

    writeln!(out, "\nExit code {}: try again later.", report.exit_code())?;
    Ok(ExitCode::from(report.exit_code()))
}

/// Costs its own result and nothing else.
fn panics() {
    panic!("no such row");
}

/// Looks at its token between two pieces of work, and says how far it is.
fn cooperative(ctx: &TaskContext) -> &'static str {
    let mut row = 0;
    while ctx.sleep(Duration::from_millis(10)).is_ok() {
        row += 1;
        ctx.note(format!("row {row}"));
    }
    "left between two rows"
}

/// Has no token. It would end, if it had the time.
fn slow(answer: Receiver<()>) {
    let _ = answer.recv();
}

/// Has a token, and never looks at it.
fn stuck(ctx: &TaskContext, silence: Receiver<()>) {
    ctx.note("asked the mirror, waiting for its answer");
    let _ = silence.recv();
}

/// Says in words what the report says in numbers.
fn explain(out: &mut impl Write, report: &StopReport) -> io::Result<()> {
    writeln!(out, "\nEvery accepted task is counted once:")?;
    writeln!(
        out,
        "  accepted {} = completed {} + panicked {} + cancelled {} + expired {} + unstarted {} \
         + abandoned {} + stopping {}",
        report.accepted(),
        report.completed(),
        report.panicked(),
        report.cancelled(),
        report.expired(),
        report.unstarted().len(),
        report.abandoned().len(),
        report.stopping_tasks().len(),
    )?;

    writeln!(
        out,
        "\nAbandoned: still running at the deadline. No thread can be killed, so look why:"
    )?;
    for task in report.abandoned() {
        let name = task.info().name();
        match (task.has_token(), task.note()) {
            (false, _) => {
                writeln!(
                    out,
                    "  {name} takes no cancel token; a verb that ends in _with gives it one"
                )
            }
            (true, note) => writeln!(
                out,
                "  {name} has a token and did not check it; its last note: {}",
                note.unwrap_or("none")
            ),
        }?;
    }

    writeln!(
        out,
        "\nUnstarted: in the queue when the backlog was taken out. Nothing of them has run:"
    )?;
    for task in report.unstarted() {
        writeln!(
            out,
            "  {}, submitted at {}",
            task.name(),
            task.submitted_at()
        )?;
    }
    Ok(())
}

fn tell(
    out: &mut impl Write,
    what: &str,
    outcome: Result<impl Debug, TaskError>,
) -> io::Result<()> {
    match outcome {
        Ok(result) => writeln!(out, "  {what}: {result:?}"),
        Err(error) => writeln!(out, "  {what}: {error}"),
    }
}
