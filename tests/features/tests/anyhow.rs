//! Programs that use `anyhow`: each kind of handler calls a function that returns its `Result`.

use anyhow::{Context, anyhow};
use groundcrew::host::Restart;
use groundcrew::retry::PermanentError;
use groundcrew::{Batcher, Host, Pool, Schedule, Scheduler, ServiceContext, Submitter, WorkQueue};
use std::time::Duration;

fn fails() -> anyhow::Result<()> {
    Err(std::io::Error::other("disk full")).context("cannot save")
}

fn works() -> anyhow::Result<u32> {
    Ok(7)
}

fn serve(ctx: &ServiceContext) -> anyhow::Result<()> {
    let _ = works()?;
    ctx.sleep(Duration::from_secs(3600))?;
    Ok(())
}

#[test]
fn a_service_may_fail_with_an_error_of_anyhow_and_shows_its_chain() {
    let mut host = Host::builder();
    host.background("function", |ctx| Ok(serve(ctx)?));
    host.background("fails", |_| {
        let _ = works()?;
        fails()?;
        Ok(())
    });
    let report = host.build().unwrap().run();
    let messages: Vec<_> = report.failures().iter().map(|it| it.message()).collect();
    assert_eq!(messages, ["cannot save: disk full"]);

    let mut host = Host::builder();
    host.startup_task("check", |_| Err(anyhow!("no such table {:?}", "users"))?);
    let error = host.build().unwrap().start().unwrap_err();
    let message = error.report().failures()[0].message();
    assert_eq!(message, "no such table \"users\"");
}

#[test]
fn the_stop_of_a_host_is_no_failure_through_anyhow_either() {
    let mut host = Host::builder();
    // Its `Cancelled` is inside of an `anyhow::Error`.
    host.background("function", |ctx| Ok(serve(ctx)?));
    host.background("context", |ctx| Ok(serve(ctx).context("while it served")?));
    let pool = Pool::new(1).unwrap();
    let tasks = pool.submitter();
    host.add("render", pool);
    host.background("tasks", move |ctx| {
        ctx.host().token().wait();
        Ok(render(&tasks)?)
    });
    let report = host.build().unwrap().start().unwrap().stop();
    assert!(report.is_clean(), "{report}");
}

/// Submits and joins until the pool has stopped.
fn render(tasks: &Submitter) -> anyhow::Result<()> {
    loop {
        tasks.submit(|| ())?.join()?;
    }
}

#[test]
fn a_permanent_error_is_one_through_anyhow_too() {
    let login = || -> anyhow::Result<()> { Err(PermanentError::new("no such account"))? };
    let mut host = Host::builder();
    host.background("mailer", move |_| Ok(login()?))
        .on_failure(Restart::new());
    let report = host.build().unwrap().run();
    assert_eq!(report.service("mailer").unwrap().restarts(), 0);
    assert_eq!(report.failures()[0].message(), "no such account");
}

#[test]
fn handlers_of_queues_batches_and_schedules_may_fail_with_an_error_of_anyhow() {
    let pool = Pool::new(1).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    let entry = scheduler.entry("hourly", Schedule::every(Duration::from_secs(3600)));
    entry.run_at_start().run(|_| Ok(fails()?)).unwrap();
    let batcher = Batcher::builder("batches")
        .retry(groundcrew::Retry::fixed(Duration::ZERO).attempts(1))
        .build(pool.submitter(), |_: &mut Vec<u32>, _| Ok(fails()?))
        .unwrap();
    scheduler.start().unwrap();
    batcher.submit(1).unwrap();
    batcher.flush();
    pool.wait_idle();
    assert_eq!(
        scheduler.status()[0].last_error(),
        Some("cannot save: disk full")
    );
    assert_eq!(batcher.stats().dead(), 1);

    let queue = WorkQueue::new(1);
    let mut host = Host::builder();
    host.add("items", queue.workers(1, || |_, _| Ok(fails()?)));
    let host = host.build().unwrap().start().unwrap();
    queue.submit(1).unwrap();
    let report = host.stop();
    assert_eq!(report.queue("items").unwrap().failed(), 1);
    assert!(queue.take_failed()[0].to_string().contains("disk full"));
}
