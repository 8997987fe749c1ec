//! The status: a table on a terminal, a line now and then elsewhere.

use crate::screen::Screen;
use groundcrew::host::{HostStatus, PoolStatus, ServiceResult, ServiceState, ServiceStatus};
use groundcrew::{Scheduler, ServiceContext};
use std::time::{Duration, SystemTime};

const REDRAW: Duration = Duration::from_millis(500);
const PRINT: Duration = Duration::from_secs(10);

pub(crate) fn show(screen: &Screen, scheduler: &Scheduler, ctx: &ServiceContext) -> ServiceResult {
    let host = ctx.host();
    while screen.has_table() {
        screen.draw(&table(scheduler, &host.status()));
        ctx.sleep(REDRAW)?;
    }
    loop {
        ctx.sleep(PRINT)?;
        screen.print(&line(&host.status()));
    }
}

fn table(scheduler: &Scheduler, host: &HostStatus) -> String {
    let mut table = String::new();
    for service in host.services() {
        let (name, state) = (service.name(), service.state());
        table += &format!("{name:<10} {state:<11} {}\n", about(service));
        for worker in service.pool().into_iter().flat_map(PoolStatus::running) {
            let (name, since) = (worker.worker(), worker.running_for().as_secs_f64());
            let doing = worker.note().unwrap_or(worker.info().name());
            table += &format!("  {name:<20} {since:5.1} s  {doing}\n");
        }
        for thread in service.threads().iter().skip(1) {
            let (name, note) = (thread.name(), thread.note().unwrap_or_default());
            table += &format!("  {name:<20}          {note}\n");
        }
    }
    for entry in scheduler.status() {
        let left = entry
            .next_due()
            .and_then(|due| due.duration_since(SystemTime::now()).ok());
        let left = left.map_or(String::new(), |left| format!("in {} s", left.as_secs()));
        let last = entry
            .last()
            .map(|last| last.outcome().to_string())
            .unwrap_or_default();
        table += &format!("  {:<20} {left:<11} {last}\n", entry.name());
    }
    table.truncate(table.trim_end().len());
    table
}

/// What there is to say of it in a line.
fn about(service: &ServiceStatus) -> String {
    if let Some(pool) = service.pool() {
        let stats = pool.stats();
        let (queued, done) = (stats.queued() + stats.overflow(), stats.completed());
        format!("queued {queued}  running {}  done {done}", stats.running())
    } else if let Some(queue) = service.queue() {
        let (waiting, in_progress) = (queue.queued(), queue.in_progress());
        format!(
            "queued {waiting}  in progress {in_progress}  done {}",
            queue.handled()
        )
    } else if let Some(batcher) = service.batcher() {
        let (waiting, in_progress) = (batcher.waiting(), batcher.in_progress());
        format!(
            "queued {}  in progress {in_progress}  done {}",
            waiting - in_progress,
            batcher.handled()
        )
    } else {
        service.note().unwrap_or_default().to_owned()
    }
}

/// Who is not up, and the queues.
fn line(host: &HostStatus) -> String {
    let services = host.services();
    let up = services
        .iter()
        .filter(|service| service.state() == ServiceState::Up);
    let queues = services
        .iter()
        .filter(|it| it.queue().is_some() || it.batcher().is_some() || it.pool().is_some());
    let queues = queues.map(|service| format!("  {}: {}", service.name(), about(service)));
    let (name, phase) = (host.host(), host.phase());
    format!(
        "{name}: {phase}, {} of {} services up{}",
        up.count(),
        services.len(),
        queues.collect::<String>()
    )
}
