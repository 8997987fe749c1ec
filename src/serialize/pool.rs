//! Pools: their statistics, their tasks, and the report of a stop.

use super::{maybe_seconds, seconds, serialize};
use crate::host::PoolStatus;
use crate::pool::PoolStats;
use crate::queue::FailedSchedule;
use crate::stop::{AbandonedTask, LingeringWorker, RunningTask, StopReport};
use crate::task::TaskInfo;

serialize!(StopReport, |report| {
    pool: report.pool(),
    clean: report.is_clean(),
    exit_code: report.exit_code(),
    elapsed: seconds(report.elapsed()),
    accepted: report.accepted(),
    completed: report.completed(),
    panicked: report.panicked(),
    cancelled: report.cancelled(),
    expired: report.expired(),
    overrun: report.overrun(),
    failed_schedules: report.failed_schedules(),
    unstarted: report.unstarted(),
    abandoned: report.abandoned(),
    stopping_tasks: report.stopping_tasks(),
    lingering: report.lingering(),
});

serialize!(TaskInfo, |task| {
    id: task.id(),
    name: task.name(),
    submitted_at: task.submitted_at().to_string(),
    attempts: task.attempts(),
});

serialize!(AbandonedTask, |task| {
    id: task.info().id(),
    name: task.info().name(),
    submitted_at: task.info().submitted_at().to_string(),
    attempts: task.info().attempts(),
    worker: task.worker(),
    running_for: seconds(task.running_for()),
    note: task.note(),
    cancel_asked: maybe_seconds(task.cancel_asked()),
    overrun: task.is_overrun(),
    has_token: task.has_token(),
    thread_id: task.thread_id(),
    thread_state: task.thread_state(),
});

serialize!(RunningTask, |task| {
    id: task.info().id(),
    name: task.info().name(),
    submitted_at: task.info().submitted_at().to_string(),
    attempts: task.info().attempts(),
    worker: task.worker(),
    running_for: seconds(task.running_for()),
    note: task.note(),
    cancel_asked: maybe_seconds(task.cancel_asked()),
    overrun: task.is_overrun(),
});

serialize!(LingeringWorker, |worker| {
    worker: worker.worker(),
    thread_id: worker.thread_id(),
    thread_state: worker.thread_state(),
});

serialize!(FailedSchedule, |entry| {
    name: entry.name(),
    failures: entry.failures(),
    last_error: entry.last_error(),
});

serialize!(PoolStats, |stats| {
    accepted: stats.accepted(),
    queued: stats.queued(),
    queue_peak: stats.queue_peak(),
    overflow: stats.overflow(),
    overflow_peak: stats.overflow_peak(),
    waiting: stats.waiting(),
    due: stats.due(),
    running: stats.running(),
    completed: stats.completed(),
    panicked: stats.panicked(),
    cancelled: stats.cancelled(),
    expired: stats.expired(),
    unstarted: stats.unstarted(),
    abandoned: stats.abandoned(),
    stopping_tasks: stats.stopping_tasks(),
    ended_late: stats.ended_late(),
    overrun: stats.overrun(),
    refused: stats.refused(),
    workers_alive: stats.workers_alive(),
});

// The counters are not in a map of their own; the tasks take the place of their number.
serialize!(PoolStatus, |pool| {
    accepted: pool.stats().accepted(),
    queued: pool.stats().queued(),
    overflow: pool.stats().overflow(),
    waiting: pool.stats().waiting(),
    completed: pool.stats().completed(),
    panicked: pool.stats().panicked(),
    cancelled: pool.stats().cancelled(),
    expired: pool.stats().expired(),
    unstarted: pool.stats().unstarted(),
    abandoned: pool.stats().abandoned(),
    stopping_tasks: pool.stats().stopping_tasks(),
    refused: pool.stats().refused(),
    workers_alive: pool.stats().workers_alive(),
    running: pool.running(),
});
