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

/// A task, with its identity among its own fields: a reader of logs searches for `name`, wherever
/// the task is mentioned.
macro_rules! serialize_task {
    ($type:ident, |$it:ident| $info:expr, { $($fields:tt)* }) => {
        serialize!($type, |$it| {
            id: $info.id(),
            name: $info.name(),
            submitted_at: $info.submitted_at().to_string(),
            attempts: $info.attempts(),
            $($fields)*
        });
    };
}

serialize_task!(TaskInfo, |task| task, {});

serialize_task!(AbandonedTask, |task| task.info(), {
    worker: task.worker(),
    running_for: seconds(task.running_for()),
    note: task.note(),
    cancel_requested_for: maybe_seconds(task.cancel_requested_for()),
    overrun: task.is_overrun(),
    has_token: task.has_token(),
    thread_id: task.thread_id(),
    thread_state: task.thread_state(),
});

serialize_task!(RunningTask, |task| task.info(), {
    worker: task.worker(),
    running_for: seconds(task.running_for()),
    note: task.note(),
    cancel_requested_for: maybe_seconds(task.cancel_requested_for()),
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

/// The counters of a pool that both its statistics and its status have.
macro_rules! serialize_counters {
    ($type:ident, |$it:ident| $stats:expr, { $($fields:tt)* }) => {
        serialize!($type, |$it| {
            accepted: $stats.accepted(),
            queued: $stats.queued(),
            overflow: $stats.overflow(),
            waiting: $stats.waiting(),
            completed: $stats.completed(),
            panicked: $stats.panicked(),
            cancelled: $stats.cancelled(),
            expired: $stats.expired(),
            unstarted: $stats.unstarted(),
            abandoned: $stats.abandoned(),
            stopping_tasks: $stats.stopping_tasks(),
            refused: $stats.refused(),
            workers_alive: $stats.workers_alive(),
            $($fields)*
        });
    };
}

serialize_counters!(PoolStats, |stats| stats, {
    queue_peak: stats.queue_peak(),
    overflow_peak: stats.overflow_peak(),
    due: stats.due(),
    running: stats.running(),
    ended_late: stats.ended_late(),
    overrun: stats.overrun(),
});

// The counters are not in a map of their own; the tasks take the place of their number.
serialize_counters!(PoolStatus, |pool| pool.stats(), { running: pool.running() });
