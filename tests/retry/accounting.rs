//! Contracts 1 and 2 at random, as in `accounting`, with tasks that are tried again, that
//! have limits, and whose workers are replaced.
//!
//! Each task is named after its place in a list, where it is written down from outside the
//! library how often it began and how it ended. The report is compared with that list, task
//! by task.
//!
//! `GROUNDCREW_ROUNDS`, `GROUNDCREW_MINUTES` and `GROUNDCREW_SEED` as there.

use crate::common::retry::check_sum;
use crate::common::{Bomb, LONG, expected_panic};
use groundcrew::channel::{Receiver, bounded, select};
use groundcrew::retry::{RetryError, Verdict};
use groundcrew::submit::WhenFull;
use groundcrew::task::TaskInfo;
use groundcrew::{
    Pool, Retry, StopHandle, StopPlan, StopReport, SubmitError, Submitter, TaskContext, TaskError,
    TaskHandle,
};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const ROUNDS: u64 = 1_500;
/// More than a round ever makes; it stops making tasks before.
const MOST_TASKS: usize = 300;

#[test]
fn every_task_that_is_tried_again_ends_exactly_once_whatever_races() {
    crate::common::rounds::rounds("retry_accounting", ROUNDS, round);
}

/// What is known of one task, from outside the library.
#[derive(Default)]
struct Task {
    accepted: AtomicBool,
    began: AtomicU32,
    runs: AtomicBool,
    /// The last attempt panicked, or will not be followed by another one.
    panicked: AtomicBool,
    ended: AtomicBool,
    cancelled: AtomicBool,
    dropped: AtomicUsize,
}

struct World {
    tasks: Vec<Task>,
    made: AtomicUsize,
    handles: Mutex<Vec<(usize, Handle)>>,
    /// Disconnects at the end of the round: tasks that hear nothing else.
    end: Receiver<Infallible>,
    stop: StopHandle,
}

type Attempted = Result<(), Failure>;

enum Handle {
    Plain(TaskHandle<Attempted>),
    Retried(TaskHandle<Result<(), RetryError<Failure>>>),
}

/// Why an attempt failed; now and then its drop panics.
struct Failure {
    number: u32,
    verdict: Verdict,
    _world: Arc<World>,
    _bomb: Option<Bomb>,
}

struct Captured {
    world: Arc<World>,
    index: usize,
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.task().dropped.fetch_add(1, SeqCst);
    }
}

impl Captured {
    fn task(&self) -> &Task {
        &self.world.tasks[self.index]
    }
}

fn round(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut builder = Pool::builder()
        .threads(rng.usize(1..=3))
        .queue_capacity(rng.usize(1..=6))
        .max_retrying(rng.usize(1..=12))
        .max_replacements(rng.usize(0..=2))
        .drop_plan(random_plan(&mut rng));
    if rng.u8(..4) == 0 {
        builder = builder.caller_runs_when_full();
    }
    if rng.u8(..4) == 0 {
        builder = builder.observer(|_, _, _, _| ());
    }
    let pool = builder.build().unwrap();
    let (end, hear_end) = bounded(0);
    let world = Arc::new(World {
        tasks: (0..MOST_TASKS).map(|_| Task::default()).collect(),
        made: AtomicUsize::new(0),
        handles: Mutex::default(),
        end: hear_end,
        stop: pool.stop_handle(),
    });
    let actors: Vec<_> = (0..rng.usize(1..=3))
        .map(|_| {
            let (world, submitter) = (world.clone(), pool.submitter());
            let mut rng = rng.fork();
            thread::spawn(move || {
                for _ in 0..rng.usize(1..30) {
                    act(&world, &submitter, None, &mut rng);
                }
            })
        })
        .collect();
    match rng.u8(..4) {
        0 => thread::sleep(Duration::from_micros(rng.u64(..3_000))),
        1 => drop(pool.wait_idle_timeout(Duration::from_micros(rng.u64(..3_000)))),
        _ => (0..rng.usize(0..200)).for_each(|_| thread::yield_now()),
    }
    let tightening = (rng.u8(..3) == 0).then(|| {
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
            pool.stop(random_plan(&mut rng))
        }
        2 => {
            world.stop.close();
            let report = pool.stop(random_plan(&mut rng));
            let stats = pool.stats();
            assert_eq!((stats.waiting(), stats.due()), (0, 0), "{stats}");
            assert_eq!(stats.accepted(), report.accepted(), "{stats}\n{report}");
            assert_eq!(stats.unstarted(), report.unstarted().len() as u64);
            report
        }
        _ => pool.stop(random_plan(&mut rng)),
    };
    actors.into_iter().for_each(|actor| actor.join().unwrap());
    if let Some(tightening) = tightening {
        assert_eq!(tightening.join().unwrap().to_string(), report.to_string());
    }
    check_sum(&report);
    check_handles(&world, &report);
    drop(end);
    assert_eq!(report.wait_for_abandoned(LONG), 0);
    check_report(&world, &report);
    run_leftovers(&report, &mut rng);
    drop(report);
    check_end(&world);
}

fn random_plan(rng: &mut fastrand::Rng) -> StopPlan {
    let limit = Duration::from_micros(match rng.u8(..4) {
        0 => 0,
        1 => rng.u64(..100),
        _ => rng.u64(..4_000),
    });
    let plan = match rng.u8(..3) {
        0 => StopPlan::drain(limit),
        1 => StopPlan::finish_running(limit),
        _ => StopPlan::cancel(limit),
    };
    match rng.bool() {
        true => plan.grace(Duration::from_micros(rng.u64(..4_000))),
        false => plan,
    }
}

/// One thing that somebody outside may do, or the task with the index `own`, which joins
/// younger tasks only.
fn act(world: &Arc<World>, submitter: &Submitter, own: Option<usize>, rng: &mut fastrand::Rng) {
    let taken = {
        let mut handles = world.handles.lock().unwrap();
        match handles.len() {
            0 => None,
            count => Some(handles.swap_remove(rng.usize(..count))),
        }
    };
    let Some((index, handle)) = taken else {
        return submit(world, submitter, rng);
    };
    match rng.u8(..10) {
        0 => {
            let cancelled = handle.cancel();
            world.tasks[index].cancelled.fetch_or(cancelled, SeqCst);
        }
        1 | 2 if own.is_none_or(|own| own < index) => {
            return check_outcome(world, index, handle.join());
        }
        3 => drop(handle.wait_timeout(Duration::from_micros(50))),
        4 => return drop(handle),
        _ => submit(world, submitter, rng),
    }
    world.handles.lock().unwrap().push((index, handle));
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
    };
    let mut task = submitter.task(index.to_string());
    match rng.u8(..8) {
        0 => task = task.start_within(Duration::ZERO),
        1 => task = task.start_within(Duration::from_micros(rng.u64(..500))),
        2 | 3 => task = task.time_limit(Duration::from_micros(rng.u64(..300))),
        _ => {}
    }
    let (mut own, submitter) = (rng.fork(), submitter.clone());
    let short = Duration::from_micros(rng.u64(..200));
    if rng.u8(..4) == 0 {
        let run = move |ctx: &TaskContext| {
            let attempted = attempt(&captured, &submitter, Some(ctx), &mut own, 1);
            captured.task().ended.store(true, SeqCst);
            attempted
        };
        return count(world, index, task.submit_with(run).map(Handle::Plain));
    }
    let judge = |failure: &Failure| failure.verdict;
    let task = task.retry(random_retry(rng).on_error(judge));
    if rng.bool() {
        let run = move |ctx: &TaskContext, number| {
            attempt(&captured, &submitter, Some(ctx), &mut own, number)
        };
        return count(world, index, task.submit_with(run).map(Handle::Retried));
    }
    let run = move |number| attempt(&captured, &submitter, None, &mut own, number);
    match rng.u8(..6) {
        0 => count(
            world,
            index,
            task.when_full(WhenFull::Refuse)
                .submit(run)
                .map(Handle::Retried),
        ),
        1 => {
            let submitted = task.when_full(short).submit(run);
            count(world, index, submitted.map(Handle::Retried));
        }
        2 => count_plain(world, index, task.execute(run)),
        3 => count_plain(world, index, task.when_full(WhenFull::Refuse).execute(run)),
        _ => count(world, index, task.submit(run).map(Handle::Retried)),
    }
}

fn random_retry(rng: &mut fastrand::Rng) -> Retry {
    let delay = Duration::from_micros(match rng.u8(..4) {
        0 => 0,
        1 => rng.u64(..100),
        2 => rng.u64(..2_000),
        _ => 1 << 40, // never in a round
    });
    let retry = Retry::fixed(delay).attempts(rng.u32(1..=5));
    match rng.u8(..8) {
        0 => retry.deadline(Duration::from_micros(rng.u64(..1_000))),
        _ => retry,
    }
}

fn count<F>(world: &World, index: usize, end: Result<Handle, SubmitError<F>>) {
    let end = end.map(|handle| world.handles.lock().unwrap().push((index, handle)));
    count_plain(world, index, end);
}

fn count_plain<F>(world: &World, index: usize, end: Result<(), SubmitError<F>>) {
    let task = &world.tasks[index];
    match end {
        Ok(()) => task.accepted.store(true, SeqCst),
        // A refusal gives the closure back, unrun and undropped.
        Err(error) => {
            let state = || (task.began.load(SeqCst), task.dropped.load(SeqCst));
            assert_eq!(state(), (0, 0));
            drop(error.into_inner());
            assert_eq!(state(), (0, 1));
        }
    }
}

/// The body of every task.
fn attempt(
    captured: &Captured,
    submitter: &Submitter,
    context: Option<&TaskContext>,
    rng: &mut fastrand::Rng,
    number: u32,
) -> Attempted {
    let (world, task) = (&captured.world, captured.task());
    assert!(!task.runs.swap(true, SeqCst), "two attempts at a time");
    // One that was cut short does not count, and its number comes again.
    let began = task.began.fetch_add(1, SeqCst) + 1;
    assert!(
        number == began || number + 1 == began,
        "{number} of {began}"
    );
    match rng.u8(..32) {
        0 => {
            task.panicked.store(true, SeqCst);
            task.ended.store(true, SeqCst);
            expected_panic()
        }
        // Hears nothing but the end of the round.
        1 => drop(world.end.recv()),
        2..=4 => {
            if let Some(context) = context {
                select! {
                    recv(context.token().receiver()) -> _ => assert!(context.is_cancelled()),
                    recv(world.end) -> _ => {}
                }
            }
        }
        5 => drop(world.stop.stop(random_plan(rng))),
        6 => world.stop.request_stop(random_plan(rng)),
        7 => world.stop.close(),
        8..=18 => {
            for _ in 0..rng.usize(1..=3) {
                act(world, submitter, Some(captured.index), rng);
            }
        }
        _ => {}
    }
    task.runs.store(false, SeqCst);
    if rng.u8(..4) == 0 {
        task.ended.store(true, SeqCst);
        return Ok(());
    }
    Err(Failure {
        number,
        verdict: match rng.u8(..12) {
            0 => Verdict::GiveUp,
            1 => Verdict::RetryAfter(Duration::from_micros(rng.u64(..500))),
            _ => Verdict::Retry,
        },
        _world: world.clone(),
        _bomb: (rng.u8(..16) == 0).then(|| Bomb),
    })
}

impl Handle {
    fn cancel(&self) -> bool {
        match self {
            Handle::Plain(handle) => handle.cancel(),
            Handle::Retried(handle) => handle.cancel(),
        }
    }

    fn wait_timeout(&self, timeout: Duration) -> bool {
        match self {
            Handle::Plain(handle) => handle.wait_timeout(timeout),
            Handle::Retried(handle) => handle.wait_timeout(timeout),
        }
    }

    fn info(&self) -> TaskInfo {
        match self {
            Handle::Plain(handle) => handle.info(),
            Handle::Retried(handle) => handle.info(),
        }
    }

    /// The number of attempts, if the task knows it.
    fn join(self) -> Result<Option<u32>, TaskError> {
        match self {
            Handle::Plain(handle) => handle.join().map(|attempted| {
                // Its drop may panic.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(attempted)));
                None
            }),
            Handle::Retried(handle) => handle.join().map(|ended| {
                let error = ended.err()?;
                assert_eq!(error.error().number, error.attempts());
                let numbers = error.history().iter().map(|it| it.number());
                assert!(numbers.eq(1..=error.attempts()));
                Some(error.attempts())
            }),
        }
    }
}

fn check_outcome(world: &World, index: usize, outcome: Result<Option<u32>, TaskError>) {
    let task = &world.tasks[index];
    let began = task.began.load(SeqCst);
    match outcome {
        Ok(attempts) => {
            if let Some(attempts) = attempts {
                assert!(attempts == began || attempts + 1 == began);
            }
            assert_eq!(task.dropped.load(SeqCst), 1, "dropped before it resolves");
        }
        Err(TaskError::Panicked(panic)) => {
            assert!(panic.message().contains("expected"), "{panic}");
            assert!(task.panicked.load(SeqCst));
            assert_eq!(task.dropped.load(SeqCst), 1, "dropped before it resolves");
        }
        Err(TaskError::Expired) => assert_eq!(began, 0),
        Err(TaskError::Cancelled) => assert_eq!(task.dropped.load(SeqCst), 1),
        Err(TaskError::Unstarted | TaskError::Abandoned) => {}
        Err(other) => panic!("{other}"),
    }
}

/// No wait outlives the stop but that for a `caller`.
fn check_handles(world: &World, report: &StopReport) {
    let handles = std::mem::take(&mut *world.handles.lock().unwrap());
    for (index, handle) in handles {
        if handle.wait_timeout(Duration::ZERO) {
            check_outcome(world, index, handle.join());
            continue;
        }
        let id = handle.info().id();
        let callers = report.stopping_tasks();
        assert!(
            callers.iter().any(|info| info.id() == id),
            "{index}: {report}"
        );
        world.handles.lock().unwrap().push((index, handle));
    }
}

fn index(info: &TaskInfo) -> usize {
    info.name().parse().unwrap()
}

/// The report against the list, task by task, when all that ran has ended but what is a
/// caller.
fn check_report(world: &World, report: &StopReport) {
    let made = world.made.load(SeqCst).min(MOST_TASKS);
    let mut left = vec![false; made];
    let mut leave = |info: &TaskInfo| {
        assert!(!std::mem::replace(&mut left[index(info)], true), "{report}");
    };
    for info in report.unstarted() {
        leave(info);
        let task = &world.tasks[index(info)];
        let (began, attempts) = (task.began.load(SeqCst), info.attempts());
        assert!(attempts == began || attempts + 1 == began, "{report}");
        assert!(!task.ended.load(SeqCst) && !task.cancelled.load(SeqCst));
    }
    report
        .abandoned()
        .iter()
        .for_each(|task| leave(task.info()));
    report.stopping_tasks().iter().for_each(leave);
    let mut counts = (0, 0, 0, 0);
    for (task, _) in world.tasks[..made]
        .iter()
        .zip(left)
        .filter(|(task, left)| task.accepted.load(SeqCst) && !left)
    {
        match (task.began.load(SeqCst), task.panicked.load(SeqCst)) {
            _ if task.cancelled.load(SeqCst) => counts.2 += 1,
            (0, _) => counts.3 += 1,
            (_, true) => counts.1 += 1,
            (_, false) => counts.0 += 1,
        }
    }
    let reported = (
        report.completed(),
        report.panicked(),
        report.cancelled(),
        report.expired(),
    );
    assert_eq!(
        reported, counts,
        "completed, panicked, cancelled, expired: {report}"
    );
}

/// Does with the unstarted tasks what may be done with them.
fn run_leftovers(report: &StopReport, rng: &mut fastrand::Rng) {
    let leftovers = report.take_unstarted();
    if rng.u8(..8) == 0 {
        let other = Pool::new(1).unwrap();
        let count = leftovers.len() as u64;
        for task in leftovers {
            other.resubmit(task).unwrap();
        }
        let report = other.stop(random_plan(rng));
        check_sum(&report);
        assert_eq!(report.accepted(), count, "{report}");
        assert_eq!(report.wait_for_abandoned(LONG), 0);
        return;
    }
    for task in leftovers {
        // Others would wait for long.
        if rng.u8(..4) == 0 && task.info().attempts() == 0 && rng.bool() {
            drop(task);
        }
    }
}

/// Nothing is left of any task.
fn check_end(world: &Arc<World>) {
    loop {
        // A caller may still have one in its hands.
        let handles = std::mem::take(&mut *world.handles.lock().unwrap());
        for (index, handle) in handles {
            assert!(handle.wait_timeout(LONG), "a caller's end is waited for");
            check_outcome(world, index, handle.join());
        }
        if Arc::strong_count(world) == 1 {
            break;
        }
        thread::yield_now();
    }
    let made = world.made.load(SeqCst).min(MOST_TASKS);
    for task in &world.tasks[..made] {
        assert_eq!(task.dropped.load(SeqCst), 1);
    }
}
