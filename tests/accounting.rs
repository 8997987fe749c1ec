//! Contract 1 and 2, at random: every accepted task ends exactly once, whatever
//! races, and no wait outlives the stop.
//!
//! Each round builds a pool, lets threads and tasks do everything that can be
//! done to it while it is stopped in some way, and compares what the report
//! says with a count of its own: of the verbs that returned `Ok`, of the tasks
//! that began, and of the captured values that were dropped.
//!
//! `GROUNDCREW_ROUNDS=100000` runs as many rounds, `GROUNDCREW_MINUTES=60` runs
//! them for so long; `GROUNDCREW_SEED=7` runs the one round with that seed.

mod common;

use common::{Bomb, LONG, expected_panic};
use groundcrew::channel::{Receiver, bounded, select};
use groundcrew::submit::WhenFull;
use groundcrew::{
    Pool, StopHandle, StopPlan, StopReport, SubmitError, Submitter, TaskContext, TaskError,
    TaskHandle,
};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: u64 = 3_000;
/// More than a round ever makes; it stops making tasks before.
const MOST_TASKS: usize = 400;

#[test]
fn every_accepted_task_ends_exactly_once_whatever_races() {
    common::rounds::rounds("accounting", ROUNDS, round);
}

/// What is known of one task, from outside the library.
#[derive(Default)]
struct Task {
    accepted: AtomicBool,
    /// How often it began.
    began: AtomicUsize,
    /// How often what it captured was dropped.
    dropped: AtomicUsize,
    cancelled: AtomicBool,
}

struct World {
    tasks: Vec<Task>,
    made: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
    handles: Mutex<Vec<(usize, TaskHandle<Output>)>>,
    /// Reports that tasks got from a stop of their own.
    reports: Mutex<Vec<StopReport>>,
    /// Disconnects at the end of the round: tasks that hear nothing else.
    end: Receiver<Infallible>,
    stop: StopHandle,
}

/// Captured by a task: tells of its drop, which panics if it was armed.
struct Captured {
    world: Arc<World>,
    index: usize,
    armed: AtomicBool,
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.world.tasks[self.index].dropped.fetch_add(1, SeqCst);
        if self.armed.load(SeqCst) && !thread::panicking() {
            expected_panic();
        }
    }
}

/// What a task returns; now and then its drop panics.
struct Output {
    index: usize,
    bomb: Option<Bomb>,
}

fn round(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut builder = Pool::builder()
        .threads(rng.usize(1..=4))
        .queue_capacity(rng.usize(1..=6))
        .drop_plan(random_plan(&mut rng));
    if rng.u8(..4) == 0 {
        builder = builder.caller_runs_when_full();
    }
    let pool = builder.build().unwrap();
    let (end, hear_end) = bounded(0);
    let world = Arc::new(World {
        tasks: (0..MOST_TASKS).map(|_| Task::default()).collect(),
        made: AtomicUsize::new(0),
        accepted: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        handles: Mutex::default(),
        reports: Mutex::default(),
        end: hear_end,
        stop: pool.stop_handle(),
    });

    let actors: Vec<_> = (0..rng.usize(1..=3))
        .map(|_| {
            let (world, submitter) = (world.clone(), pool.submitter());
            let mut rng = rng.fork();
            thread::spawn(move || {
                for _ in 0..rng.usize(1..40) {
                    act(&world, &submitter, None, &mut rng);
                }
            })
        })
        .collect();
    for _ in 0..rng.usize(0..200) {
        thread::yield_now();
    }
    if rng.u8(..4) == 0 {
        pool.wait_idle_timeout(Duration::from_micros(rng.u64(..300)));
        let running = pool.running().len();
        assert!(running <= MOST_TASKS && pool.stats().running() <= MOST_TASKS);
    }
    let tightening = (rng.u8(..4) == 0).then(|| {
        let (stop, plan) = (pool.stop_handle(), random_plan(&mut rng));
        thread::spawn(move || stop.stop(plan))
    });
    let report = match rng.u8(..8) {
        0 => {
            drop(pool);
            world.stop.stop(Duration::ZERO)
        }
        1 => {
            world.stop.request_stop(random_plan(&mut rng));
            let report = pool.stop(random_plan(&mut rng));
            assert_eq!(pool.stats().accepted(), report.accepted());
            report
        }
        _ => pool.stop(random_plan(&mut rng)),
    };
    for actor in actors {
        actor.join().unwrap();
    }
    if let Some(tightening) = tightening {
        let other = tightening.join().unwrap();
        assert_eq!(other.to_string(), report.to_string());
    }
    check_sum(&report);
    check_handles_after_report(&world, &report);
    drop(end);
    let run_by_hand = check_leftovers(&report, &mut rng);
    check_end(world, report, run_by_hand);
}

fn random_plan(rng: &mut fastrand::Rng) -> StopPlan {
    let limit = Duration::from_micros(match rng.u8(..4) {
        0 => 0,
        1 => rng.u64(..100),
        _ => rng.u64(..3_000),
    });
    let plan = match rng.u8(..3) {
        0 => StopPlan::drain(limit),
        1 => StopPlan::finish_running(limit),
        _ => StopPlan::cancel(limit),
    };
    match rng.bool() {
        true => plan.grace(Duration::from_micros(rng.u64(..3_000))),
        false => plan,
    }
}

/// One thing that somebody outside may do, or the task with the index `own`.
///
/// A task joins younger tasks only: joins in a cycle would wait for each other
/// for ever, and after the stop nobody ends the wait for a `caller`.
fn act(world: &Arc<World>, submitter: &Submitter, own: Option<usize>, rng: &mut fastrand::Rng) {
    match rng.u8(..12) {
        0 => with_some_handle(world, rng, |index, handle| {
            if handle.cancel() {
                world.tasks[index].cancelled.store(true, SeqCst);
            }
            Some(handle)
        }),
        1 => with_some_handle(world, rng, |index, handle| {
            if own.is_some_and(|own| own >= index) {
                return Some(handle);
            }
            check_outcome(world, index, handle.join());
            None
        }),
        2 => with_some_handle(world, rng, |_, handle| {
            handle.wait_timeout(Duration::from_micros(50));
            Some(handle)
        }),
        3 => with_some_handle(world, rng, |index, handle| match handle.try_join() {
            Ok(outcome) => {
                check_outcome(world, index, outcome);
                None
            }
            Err(handle) => Some(handle),
        }),
        4 => with_some_handle(world, rng, |_, handle| {
            drop(handle);
            None
        }),
        _ => submit(world, submitter, rng),
    }
}

fn with_some_handle(
    world: &World,
    rng: &mut fastrand::Rng,
    act: impl FnOnce(usize, TaskHandle<Output>) -> Option<TaskHandle<Output>>,
) {
    let taken = {
        let mut handles = world.handles.lock().unwrap();
        match handles.len() {
            0 => return,
            count => handles.swap_remove(rng.usize(..count)),
        }
    };
    let (index, handle) = taken;
    if let Some(handle) = act(index, handle) {
        world.handles.lock().unwrap().push((index, handle));
    }
}

/// Submits some task with some verb.
fn submit(world: &Arc<World>, submitter: &Submitter, rng: &mut fastrand::Rng) {
    let index = world.made.fetch_add(1, SeqCst);
    if index >= MOST_TASKS {
        return;
    }
    let captured = Captured {
        world: world.clone(),
        index,
        armed: AtomicBool::new(false),
    };
    let mut own = rng.fork();
    let verb = rng.u8(..9);
    if verb < 2 {
        let task = move |context: &TaskContext| {
            let submitter = context.submitter();
            run(&captured, &submitter, Some(context), &mut own)
        };
        match verb {
            0 => count(world, index, submitter.submit_with(task)),
            _ => count_plain(world, index, submitter.task("named").execute_with(task)),
        }
        return;
    }
    let own_submitter = submitter.clone();
    let task = move || run(&captured, &own_submitter, None, &mut own);
    let short = Duration::from_micros(rng.u64(..200));
    match verb {
        2 => count(
            world,
            index,
            submitter.task("timed").when_full(short).submit(task),
        ),
        3 => count(world, index, submitter.try_submit(task)),
        4 => count_plain(world, index, submitter.execute(task)),
        6 => {
            let timed = submitter.task("timed").when_full(Instant::now() + short);
            count(world, index, timed.submit(task));
        }
        7 => {
            let named = submitter.task("named").when_full(WhenFull::Refuse);
            count(world, index, named.submit(task));
        }
        5 => count_plain(world, index, submitter.try_execute(task)),
        _ => count(world, index, submitter.submit(task)),
    }
}

fn count<F>(world: &World, index: usize, end: Result<TaskHandle<Output>, SubmitError<F>>) {
    match end {
        Ok(handle) => {
            accept(world, index);
            world.handles.lock().unwrap().push((index, handle));
        }
        Err(error) => refuse(world, index, error),
    }
}

fn count_plain<F>(world: &World, index: usize, end: Result<(), SubmitError<F>>) {
    match end {
        Ok(()) => accept(world, index),
        Err(error) => refuse(world, index, error),
    }
}

fn accept(world: &World, index: usize) {
    world.accepted.fetch_add(1, SeqCst);
    world.tasks[index].accepted.store(true, SeqCst);
}

/// A refusal gives the closure back, unrun and undropped.
fn refuse<F>(world: &World, index: usize, error: SubmitError<F>) {
    world.refused.fetch_add(1, SeqCst);
    assert_eq!(world.tasks[index].began.load(SeqCst), 0);
    assert_eq!(world.tasks[index].dropped.load(SeqCst), 0);
    drop(error.into_inner());
    assert_eq!(world.tasks[index].dropped.load(SeqCst), 1);
}

/// The body of every task.
fn run(
    captured: &Captured,
    submitter: &Submitter,
    context: Option<&TaskContext>,
    rng: &mut fastrand::Rng,
) -> Output {
    let world = &captured.world;
    world.tasks[captured.index].began.fetch_add(1, SeqCst);
    let mut bomb = None;
    match rng.u8(..24) {
        0 => expected_panic(),
        1 => bomb = Some(Bomb),
        17 => captured.armed.store(true, SeqCst),
        // Hears nothing but the end of the round.
        2 => drop(world.end.recv()),
        3 => {
            if let Some(context) = context {
                context.note("waits for its token");
                select! {
                    recv(context.token().receiver()) -> _ => assert!(context.is_cancelled()),
                    recv(world.end) -> _ => {}
                }
            }
        }
        4 => {
            let report = world.stop.stop(random_plan(rng));
            world.reports.lock().unwrap().push(report);
        }
        5 => world.stop.request_stop(random_plan(rng)),
        6 => world.stop.close(),
        7..=16 => {
            for _ in 0..rng.usize(1..=3) {
                act(world, submitter, Some(captured.index), rng);
            }
        }
        _ => {}
    }
    Output {
        index: captured.index,
        bomb,
    }
}

fn check_outcome(world: &World, index: usize, outcome: Result<Output, TaskError>) {
    let task = &world.tasks[index];
    match outcome {
        Ok(mut output) => {
            std::mem::forget(output.bomb.take());
            assert_eq!(output.index, index);
            assert_eq!(task.began.load(SeqCst), 1);
            assert_eq!(task.dropped.load(SeqCst), 1, "dropped before it resolves");
        }
        Err(TaskError::Panicked(panic)) => {
            assert!(panic.message().contains("expected"), "{panic}");
            assert_eq!(task.began.load(SeqCst), 1);
            assert_eq!(task.dropped.load(SeqCst), 1, "dropped before it resolves");
        }
        Err(TaskError::Cancelled) => assert_eq!(task.began.load(SeqCst), 0),
        Err(TaskError::Unstarted) => assert_eq!(task.began.load(SeqCst), 0),
        // Its worker may not have come to its first instruction.
        Err(TaskError::Abandoned) => assert!(task.began.load(SeqCst) <= 1),
        Err(other) => panic!("{other}"),
    }
}

fn tasks(world: &World) -> impl Iterator<Item = &Task> {
    let made = world.made.load(SeqCst).min(MOST_TASKS);
    world.tasks[..made].iter()
}

/// What the report says has to add up.
fn check_sum(report: &StopReport) {
    let left = report.unstarted().len() + report.abandoned().len() + report.stopping_tasks().len();
    let ended = report.completed() + report.panicked() + report.cancelled() + report.expired();
    assert_eq!(report.accepted(), ended + left as u64, "{report}");
}

/// The report against the count of its own, when every task has ended: a task
/// may have been on its way from a verb to its count when the report was made.
fn check_report(world: &World, report: &StopReport, run_by_hand: usize) {
    assert_eq!(
        report.accepted(),
        world.accepted.load(SeqCst),
        "accepted by the report and by the verbs: {report}"
    );
    let accepted = || tasks(world).filter(|task| task.accepted.load(SeqCst));
    let cancelled = accepted()
        .filter(|task| task.cancelled.load(SeqCst))
        .count();
    assert_eq!(report.cancelled(), cancelled as u64, "{report}");
    let began = accepted()
        .filter(|task| task.began.load(SeqCst) > 0)
        .count();
    assert_eq!(
        began - run_by_hand + report.unstarted().len() + cancelled,
        report.accepted() as usize,
        "began, unstarted and cancelled are all: {report}"
    );
}

/// No wait outlives the stop: every handle that is left has an outcome.
fn check_handles_after_report(world: &World, report: &StopReport) {
    let handles = std::mem::take(&mut *world.handles.lock().unwrap());
    let callers: Vec<_> = handles
        .into_iter()
        .filter_map(|(index, handle)| match handle.try_join() {
            Ok(outcome) => {
                check_outcome(world, index, outcome);
                None
            }
            Err(handle) => Some((index, handle)),
        })
        .collect();
    // Only tasks that were inside `stop`, or below one that was, are waited
    // for until they end.
    for (_, handle) in &callers {
        let id = handle.info().id();
        assert!(
            report.stopping_tasks().iter().any(|info| info.id() == id),
            "{handle:?} outlives {report}"
        );
    }
    world.handles.lock().unwrap().extend(callers);
}

/// Runs some of the unstarted tasks after all; returns how many.
fn check_leftovers(report: &StopReport, rng: &mut fastrand::Rng) -> usize {
    let leftovers = report.take_unstarted();
    // None where the pool was dropped, and its report with it.
    if !leftovers.is_empty() {
        assert_eq!(leftovers.len(), report.unstarted().len());
    }
    let mut run = 0;
    for task in leftovers {
        if rng.bool() {
            task.run();
            run += 1;
        }
    }
    assert!(report.take_unstarted().is_empty());
    run
}

/// What was abandoned ends, late; nothing is left of any task.
fn check_end(world: Arc<World>, report: StopReport, run_by_hand: usize) {
    assert_eq!(report.wait_for_abandoned(LONG), 0);
    let handles = std::mem::take(&mut *world.handles.lock().unwrap());
    for (index, handle) in handles {
        assert!(handle.wait_timeout(LONG), "a caller's end is waited for");
        check_outcome(&world, index, handle.join());
    }
    for other in world.reports.lock().unwrap().drain(..) {
        assert_eq!(other.to_string(), report.to_string());
    }
    // A worker drops the last clone of what its task captured just before it
    // counts the task, and a caller's after the report.
    while Arc::strong_count(&world) > 1 {
        thread::yield_now();
    }
    check_report(&world, &report, run_by_hand);
    for task in tasks(&world) {
        assert!(task.began.load(SeqCst) <= 1);
        assert_eq!(task.dropped.load(SeqCst), 1);
    }
}
