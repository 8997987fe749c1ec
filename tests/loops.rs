//! Scopes, parallel loops, streams and `start_within`, at random: each against
//! the sequential result, while the pool is stopped, closed or dropped, or the token of
//! the loop is cancelled, at any moment.
//!
//! Every closure, item and result counts itself: none is alive when what borrowed
//! it has returned. `GROUNDCREW_ROUNDS=100000` runs as many rounds of each,
//! `GROUNDCREW_MINUTES=60` runs them for so long; `GROUNDCREW_SEED=7` runs the
//! one round with that seed.

mod common;

use common::{LONG, expected_panic};
use fastrand::Rng;
use groundcrew::parallel::{Scope, ScopedHandle};
use groundcrew::submit::WhenFull;
use groundcrew::{CancelToken, Pool, StopHandle, StopPlan, StopReport, Submitter, TaskError};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const ROUNDS: u64 = 200;

fn rounds(name: &str, round: fn(u64)) {
    Silence::install();
    common::rounds::rounds(name, ROUNDS, round);
}

#[test]
fn scopes_run_each_task_once_whatever_stops_the_pool() {
    rounds("scopes", scope_round);
}

#[test]
fn loops_are_sequential_runs_or_say_that_they_were_stopped() {
    rounds("loops", loop_round);
}

#[test]
fn streams_yield_one_result_for_each_item_in_its_place() {
    rounds("streams", stream_round);
}

#[test]
fn what_expires_never_runs_and_is_counted() {
    rounds("start_within", expiry_round);
}

/// A logger that says nothing: unclean reports would go to stderr.
struct Silence;

impl Silence {
    fn install() {
        let _ = log::set_logger(&Silence);
        log::set_max_level(log::LevelFilter::Error);
    }
}

impl log::Log for Silence {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

/// How many values are alive.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicI64>);

impl Alive {
    fn value(&self, n: u64) -> Value {
        self.0.fetch_add(1, SeqCst);
        Value {
            n: Box::new(n),
            alive: self.clone(),
        }
    }

    fn count(&self) -> i64 {
        self.0.load(SeqCst)
    }
}

/// An item, a result, or what a closure captured.
struct Value {
    /// A second drop of it would not go unnoticed.
    n: Box<u64>,
    alive: Alive,
}

impl Drop for Value {
    fn drop(&mut self) {
        assert!(self.alive.0.fetch_sub(1, SeqCst) > 0);
    }
}

fn random_pool(rng: &mut Rng) -> Pool {
    let builder = Pool::builder()
        .threads(rng.usize(1..=4))
        .queue_capacity(rng.usize(1..=5))
        .drop_plan(random_plan(rng));
    match rng.u8(..4) {
        0 => builder.caller_runs_when_full().build().unwrap(),
        _ => builder.build().unwrap(),
    }
}

fn random_plan(rng: &mut Rng) -> StopPlan {
    let limit = Duration::from_micros(match rng.u8(..4) {
        0 => 0,
        1 => rng.u64(..100),
        _ => rng.u64(..3_000),
    });
    match rng.u8(..3) {
        0 => StopPlan::drain(limit),
        1 => StopPlan::finish_running(limit),
        _ => StopPlan::cancel(limit),
    }
}

fn idle_about(rng: &mut Rng, most: usize) {
    for _ in 0..rng.usize(..=most) {
        thread::yield_now();
    }
}

/// Runs `test` on a pool, by some threads, while that is stopped in some way, or
/// is not; returns when all of it is over.
fn on_a_pool(rng: &mut Rng, test: impl Fn(&Submitter, &StopHandle, bool, &mut Rng) + Sync) {
    let pool = random_pool(rng);
    let (submitter, stop) = (pool.submitter(), pool.stop_handle());
    let is_stopped = rng.u8(..4) > 0;
    let mut own = rng.fork();
    let test = &test;
    let report = thread::scope(|threads| {
        let drivers: Vec<_> = (0..rng.usize(1..=2))
            .map(|_| {
                let (submitter, stop, mut rng) = (submitter.clone(), stop.clone(), rng.fork());
                threads.spawn(move || test(&submitter, &stop, is_stopped, &mut rng))
            })
            .collect();
        if is_stopped {
            idle_about(&mut own, 300);
            return stop_somehow(pool, &stop, &mut own);
        }
        for driver in drivers {
            driver.join().unwrap();
        }
        pool.stop(LONG)
    });
    check_sum(&report);
    assert_eq!(report.wait_for_abandoned(LONG), 0);
}

fn stop_somehow(pool: Pool, stop: &StopHandle, rng: &mut Rng) -> StopReport {
    if rng.u8(..4) == 0 {
        stop.close();
        idle_about(rng, 100);
    }
    match rng.u8(..3) {
        0 => {
            drop(pool);
            stop.stop(Duration::ZERO)
        }
        1 => {
            stop.request_stop(random_plan(rng));
            pool.stop(LONG)
        }
        _ => pool.stop(random_plan(rng)),
    }
}

fn check_sum(report: &StopReport) {
    let left = report.unstarted().len() + report.abandoned().len() + report.stopping_tasks().len();
    let ended = report.completed() + report.panicked() + report.cancelled() + report.expired();
    assert_eq!(report.accepted(), ended + left as u64, "{report}");
    let mut unstarted = report.unstarted().iter();
    assert!(
        unstarted.all(|info| info.name() == "outer" || info.name().contains("stream")),
        "a task of a scope was handed back: {report}"
    );
}

/// Calls `test` here or in a task of the pool, if that runs it.
fn here_or_inside<R: Send + 'static>(
    submitter: &Submitter,
    rng: &mut Rng,
    test: impl FnOnce(&Submitter, &mut Rng) -> R + Send + 'static,
) -> Option<R> {
    let mut own = rng.fork();
    if rng.bool() {
        return Some(test(submitter, &mut own));
    }
    let inner = submitter.clone();
    let outer = submitter
        .task("outer")
        .submit(move || test(&inner, &mut own));
    match outer.ok()?.join() {
        Ok(result) => Some(result),
        // It may still run; the round waits for what was abandoned.
        Err(TaskError::Unstarted | TaskError::Abandoned) => None,
        Err(other) => panic!("{other}"),
    }
}

// Scopes.

fn scope_round(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    on_a_pool(&mut rng, |submitter, stop, is_stopped, rng| {
        let stop = stop.clone();
        here_or_inside(submitter, rng, move |submitter, rng| {
            let tree = Tree {
                submitter,
                stop: &stop,
                is_stopped,
            };
            tree.grow(rng, 2);
        });
    });
}

struct Tree<'a> {
    submitter: &'a Submitter,
    stop: &'a StopHandle,
    is_stopped: bool,
}

/// What is known of a task from outside the library.
#[derive(Default)]
struct Fate {
    began: AtomicUsize,
    panicked: AtomicBool,
    cancelled: AtomicBool,
    /// Its handle was joined: its panic is not the scope's.
    heard: AtomicBool,
}

/// What all tasks of one scope borrow.
struct Common {
    alive: Alive,
    fates: Vec<Fate>,
    /// Of tasks that tasks submitted.
    more: AtomicUsize,
    more_ran: AtomicUsize,
}

type Handle<'scope> = (usize, ScopedHandle<'scope, Value>);

impl Tree<'_> {
    /// A scope with some tasks, and scopes in these.
    fn grow(&self, rng: &mut Rng, depth: u32) {
        let count = rng.usize(..8);
        let common = Common {
            alive: Alive::default(),
            fates: (0..count).map(|_| Fate::default()).collect(),
            more: AtomicUsize::new(0),
            more_ran: AtomicUsize::new(0),
        };
        let mut numbers = vec![0; count];
        let body_panics = rng.u8(..12) == 0;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            self.submitter
                .scope(|s| self.body(s, &common, &mut numbers, body_panics, rng, depth));
        }));
        assert_eq!(common.alive.count(), 0, "nothing outlives its scope");
        let mut unheard = false;
        // The body may have panicked before it submitted them all.
        for (fate, number) in common.fates.iter().zip(&numbers) {
            let began = fate.began.load(SeqCst);
            let submitted = began > 0 || fate.cancelled.load(SeqCst);
            assert!(submitted || body_panics, "each is run");
            assert_eq!(began == 1, submitted && !fate.cancelled.load(SeqCst));
            assert!(began <= 1);
            assert_eq!(*number, began as u64, "what was borrowed is written once");
            unheard |= fate.panicked.load(SeqCst) && !fate.heard.load(SeqCst);
        }
        assert_eq!(common.more.load(SeqCst), common.more_ran.load(SeqCst));
        assert_eq!(ended.is_err(), body_panics || unheard);
    }

    fn body<'scope, 'env: 'scope>(
        &'env self,
        s: &'scope Scope<'scope, 'env>,
        common: &'env Common,
        numbers: &'env mut [u64],
        panics: bool,
        rng: &mut Rng,
        depth: u32,
    ) {
        let mut handles: Vec<Handle<'scope>> = Vec::new();
        let panics_at = panics.then(|| rng.usize(..=numbers.len()));
        for (index, number) in numbers.iter_mut().enumerate() {
            if panics_at == Some(index) {
                expected_panic();
            }
            let captured = common.alive.value(index as u64);
            let mut own = rng.fork();
            // A task joins older ones only, or joins might form a cycle.
            let older = match handles.is_empty() {
                false if rng.u8(..4) == 0 => Some(handles.swap_remove(rng.usize(..handles.len()))),
                _ => None,
            };
            let task = move || {
                let fate = &common.fates[index];
                fate.began.fetch_add(1, SeqCst);
                *number += 1;
                if let Some(older) = older {
                    use_handle(common, older, &mut own);
                }
                self.act(s, common, &mut own, depth);
                if own.u8(..8) == 0 {
                    fate.panicked.store(true, SeqCst);
                    expected_panic();
                }
                drop(captured);
                common.alive.value(index as u64)
            };
            match rng.u8(..6) {
                0 => s.execute(task),
                1 => s.execute_with(move |ctx| (task(), ctx.is_cancelled()).0),
                2 => handles.push((index, s.submit_with(move |_| task()))),
                _ => handles.push((index, s.submit(task))),
            }
            if !handles.is_empty() && rng.u8(..4) == 0 {
                let handle = handles.swap_remove(rng.usize(..handles.len()));
                handles.extend(use_handle(common, handle, rng));
            }
        }
        if panics {
            expected_panic();
        }
        while !handles.is_empty() && rng.u8(..8) > 0 {
            let handle = handles.swap_remove(rng.usize(..handles.len()));
            handles.extend(use_handle(common, handle, rng));
        }
    }

    /// What a task may do.
    fn act<'scope, 'env: 'scope>(
        &'env self,
        s: &'scope Scope<'scope, 'env>,
        common: &'env Common,
        rng: &mut Rng,
        depth: u32,
    ) {
        match rng.u8(..16) {
            0..=3 => {
                let captured = common.alive.value(0);
                common.more.fetch_add(1, SeqCst);
                s.execute(move || {
                    common.more_ran.fetch_add(1, SeqCst);
                    captured
                });
            }
            4..=6 if depth > 0 => self.grow(rng, depth - 1),
            7 if self.is_stopped => drop(self.stop.stop(random_plan(rng))),
            8 if self.is_stopped => self.stop.request_stop(random_plan(rng)),
            9 if self.is_stopped => self.stop.close(),
            10 => idle_about(rng, 50),
            _ => {}
        }
    }
}

/// Joins, cancels or drops a handle, or gives it back.
fn use_handle<'scope>(
    common: &Common,
    (index, handle): Handle<'scope>,
    rng: &mut Rng,
) -> Option<Handle<'scope>> {
    let fate = &common.fates[index];
    match rng.u8(..8) {
        0 => drop(handle),
        1 => {
            if handle.cancel() {
                assert!(handle.is_finished());
                fate.cancelled.store(true, SeqCst);
            }
            return Some((index, handle));
        }
        2 => {
            handle.is_finished();
            assert!(!format!("{handle:?}").is_empty());
            return Some((index, handle));
        }
        _ => {
            fate.heard.store(true, SeqCst);
            match handle.join() {
                Ok(value) => assert_eq!(*value.n, index as u64),
                Err(TaskError::Panicked(_)) => assert!(fate.panicked.load(SeqCst)),
                Err(TaskError::Cancelled) => assert!(fate.cancelled.load(SeqCst)),
                Err(other) => panic!("{other}"),
            }
        }
    }
    None
}

// Loops.

fn loop_round(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    on_a_pool(&mut rng, |submitter, _, is_stopped, rng| {
        here_or_inside(submitter, rng, move |submitter, rng| {
            for _ in 0..rng.usize(1..4) {
                some_loop(submitter, is_stopped, rng);
            }
        });
    });
}

/// Some loop over some kind of items.
fn some_loop(submitter: &Submitter, is_stopped: bool, rng: &mut Rng) {
    let count = match rng.u8(..4) {
        0 => rng.u64(..3),
        1 => rng.u64(..2_000),
        _ => rng.u64(..40),
    };
    let panics_at = (rng.u8(..4) == 0).then(|| rng.u64(..count.max(1)));
    let slow_at = rng.u64(..count.max(1));
    let alive = Alive::default();
    let begun = AtomicUsize::new(0);
    // One item cancels the token of the loop, or another thread does, or it has none.
    let token = (rng.u8(..3) == 0).then(CancelToken::new);
    let cancelled_at = rng.u64(..2 * count.max(1));
    let mut loops = submitter.parallel("loop");
    if let Some(token) = &token {
        loops = match rng.bool() {
            true => loops.cancel_token(token),
            false => loops.own_token(token),
        };
        if rng.u8(..4) == 0 {
            let (token, mut rng) = (token.clone(), rng.fork());
            thread::spawn(move || {
                idle_about(&mut rng, 100);
                token.cancel();
            });
        }
    }
    // The same function of the same number, whatever the item is.
    let f = |n: u64| {
        begun.fetch_add(1, SeqCst);
        if n == cancelled_at {
            token.iter().for_each(CancelToken::cancel);
        }
        if n == slow_at {
            thread::yield_now();
        }
        if Some(n) == panics_at {
            expected_panic();
        }
        alive.value(n * n)
    };
    let expected: Vec<u64> = (0..count).map(|n| n * n).collect();
    let mut numbers: Vec<u64> = (0..count).collect();
    let kind = rng.u8(..12);
    let ended = catch_unwind(AssertUnwindSafe(|| match kind {
        0 => loops.map(0..count, f),
        1 => loops.map(&numbers, |n| f(*n)),
        2 => loops.map(&mut numbers, |n| {
            *n += 1;
            f(*n - 1)
        }),
        3 => {
            let items: Vec<_> = numbers.iter().map(|n| alive.value(*n)).collect();
            loops.map(items, |item| f(*item.n))
        }
        4 => loops.map(numbers.iter().enumerate(), |(n, same)| {
            assert_eq!(n as u64, *same);
            f(*same)
        }),
        5 => {
            let items: BTreeMap<_, _> = numbers.iter().map(|n| (*n, alive.value(*n))).collect();
            loops.map(items, |(_, item)| f(*item.n))
        }
        6 => loops.map(numbers.chunks(1).zip(0..count), |(chunk, n)| {
            assert_eq!(chunk, [n]);
            f(n)
        }),
        7 => loops.map(numbers.iter().rev().copied().rev(), f),
        8 => {
            let results = Mutex::new(BTreeMap::new());
            let note = |n| drop(results.lock().unwrap().insert(n, f(n)));
            let ended = loops.for_each(numbers.iter().copied(), note);
            ended.map(|()| results.into_inner().unwrap().into_values().collect())
        }
        _ => {
            let in_one = |n| vec![f(n)];
            let append = |mut earlier: Vec<Value>, mut later: Vec<Value>| {
                earlier.append(&mut later);
                earlier
            };
            let reduced = loops.map_reduce(0..count, in_one, append);
            reduced.map(|all| {
                assert_eq!(all.is_none(), count == 0);
                all.unwrap_or_default()
            })
        }
    }));
    let begun = begun.load(SeqCst) as u64;
    assert!(begun <= count, "none twice");
    match ended {
        Ok(Ok(results)) => {
            assert_eq!(begun, count);
            assert!(count == 0 || panics_at.is_none());
            assert_eq!(alive.count(), count as i64);
            let results: Vec<u64> = results.iter().map(|result| *result.n).collect();
            assert_eq!(results, expected, "kind {kind}");
        }
        Ok(Err(error)) => {
            match error {
                TaskError::Cancelled => {
                    assert!(token.as_ref().is_some_and(CancelToken::is_cancelled));
                }
                TaskError::Unstarted => assert!(is_stopped),
                other => panic!("{other}"),
            }
            assert!(begun < count);
        }
        Err(_) => assert!(panics_at.is_some()),
    }
    assert_eq!(alive.count(), 0, "kind {kind}");
    if kind == 2 {
        let touched = (0..).zip(&numbers).filter(|(n, number)| n != *number);
        assert_eq!(touched.count() as u64, begun);
    }
}

// Streams.

fn stream_round(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let alive = Alive::default();
    let everywhere = alive.clone();
    on_a_pool(&mut rng, move |submitter, _, is_stopped, rng| {
        let alive = everywhere.clone();
        here_or_inside(submitter, rng, move |submitter, rng| {
            some_stream(submitter, is_stopped, &alive, rng);
        });
    });
    // What a worker still held of a stream that was dropped, it drops before it
    // is counted; what was unstarted went with the report.
    assert_eq!(alive.count(), 0);
}

fn some_stream(submitter: &Submitter, is_stopped: bool, alive: &Alive, rng: &mut Rng) {
    let count = match rng.u8(..3) {
        0 => rng.u64(..3),
        1 => rng.u64(..1_000),
        _ => rng.u64(..30),
    };
    // One in so many items panics.
    let panicking = [1, 3, 50, u64::MAX][rng.usize(..4)];
    let panics = move |n: u64| n % panicking == panicking - 1;
    let pulled = Arc::new(AtomicUsize::new(0));
    let (source_alive, result_alive) = (alive.clone(), alive.clone());
    let counter = pulled.clone();
    let source = (0..count).map(move |n| {
        counter.fetch_add(1, SeqCst);
        source_alive.value(n)
    });
    let mut stream = submitter.stream(source, move |item: Value| {
        if panics(*item.n) {
            expected_panic();
        }
        result_alive.value(*item.n)
    });
    let limit = rng.bool().then(|| rng.usize(1..20));
    if let Some(limit) = limit {
        stream = stream.in_flight(limit);
    }
    let mut is_unordered = rng.bool();
    if is_unordered {
        stream = stream.unordered();
    }
    let unordered_from = rng.usize(..20);
    let takes = match rng.u8(..3) {
        0 => rng.usize(..20),
        _ => usize::MAX,
    };
    let mut seen = vec![false; count as usize];
    let (mut yielded, mut lost, mut panicked, mut ended) = (0, 0, 0, false);
    while yielded < takes {
        if yielded == unordered_from {
            is_unordered = true;
            stream = stream.unordered();
        }
        let (least, most) = stream.size_hint();
        let Some(result) = stream.next() else {
            ended = true;
            assert_eq!(least, 0);
            break;
        };
        assert!(most.is_some_and(|most| most > 0));
        let place = yielded;
        yielded += 1;
        let ahead = pulled.load(SeqCst) - yielded;
        assert!(limit.is_none_or(|limit| ahead < limit), "{ahead} ahead");
        match result {
            Ok(value) => {
                let n = *value.n as usize;
                assert!(is_unordered || n == place);
                assert!(!std::mem::replace(&mut seen[n], true), "{n} twice");
            }
            Err(error) => {
                let index = error.index();
                assert!(is_unordered || index == place, "not in its place");
                assert!(!std::mem::replace(&mut seen[index], true), "{index} twice");
                match error.into_error() {
                    TaskError::Panicked(_) => {
                        panicked += 1;
                        assert!(panics(index as u64));
                    }
                    TaskError::Unstarted | TaskError::Abandoned => {
                        assert!(is_stopped);
                        lost += 1;
                    }
                    other => panic!("{other}"),
                }
            }
        }
    }
    if ended {
        assert_eq!(yielded, pulled.load(SeqCst), "one for each that was pulled");
        assert!(stream.next().is_none());
        if lost == 0 {
            assert_eq!(yielded as u64, count, "the whole source");
            let expected = (0..count).filter(|n| panics(*n)).count();
            assert_eq!(panicked, expected);
        }
    }
}

// Tasks with a limit for their start.

fn expiry_round(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let pool = random_pool(&mut rng);
    let alive = Alive::default();
    let began: Arc<Vec<_>> = Arc::new((0..60).map(|_| AtomicUsize::new(0)).collect());
    let (mut handles, mut plain, mut accepted) = (Vec::new(), Vec::new(), 0);
    let stop = pool.stop_handle();
    let stopping = (rng.u8(..3) == 0).then(|| {
        let mut rng = rng.fork();
        let stop = stop.clone();
        thread::spawn(move || {
            idle_about(&mut rng, 200);
            stop.stop(random_plan(&mut rng))
        })
    });
    for index in 0..rng.usize(..began.len()) {
        let (captured, own) = (alive.value(0), began.clone());
        let pause = rng.usize(..20);
        let task = move || {
            own[index].fetch_add(1, SeqCst);
            (0..pause).for_each(|_| thread::yield_now());
            drop(captured);
        };
        let limit = match rng.u8(..4) {
            0 => Duration::ZERO,
            1 => Duration::MAX,
            _ => Duration::from_micros(rng.u64(..300)),
        };
        let limited = pool.task("limited").start_within(limit);
        match rng.u8(..4) {
            0 => {
                if limited.execute(task).is_ok() {
                    accepted += 1;
                    plain.push(index);
                }
            }
            verb => {
                let handle = match verb {
                    1 => limited.when_full(WhenFull::Refuse).submit(task).ok(),
                    _ => limited.submit(task).ok(),
                };
                if let Some(handle) = handle {
                    accepted += 1;
                    handles.push((index, limit, handle));
                }
            }
        }
        if !handles.is_empty() && rng.u8(..4) == 0 {
            handles[rng.usize(..handles.len())].2.is_finished();
        }
    }
    let joins_first = rng.bool();
    let mut report = (!joins_first).then(|| stop.stop(StopPlan::drain(LONG)));
    let mut expired = 0;
    for (index, limit, handle) in handles {
        let outcome = handle.join();
        let began = began[index].load(SeqCst);
        match outcome {
            Ok(()) => assert!(began == 1 && limit > Duration::ZERO),
            Err(TaskError::Expired) => {
                assert!(began == 0 && limit < Duration::MAX);
                expired += 1;
            }
            Err(TaskError::Unstarted) => assert!(stopping.is_some() && began == 0),
            Err(TaskError::Abandoned) => assert!(stopping.is_some()),
            Err(other) => panic!("{other}"),
        }
    }
    let report = report.take().unwrap_or_else(|| pool.stop(LONG));
    if let Some(stopping) = stopping {
        assert_eq!(stopping.join().unwrap().to_string(), report.to_string());
    }
    assert_eq!(report.wait_for_abandoned(LONG), 0);
    let left = report.unstarted().len() + report.abandoned().len();
    let ended = report.completed() + report.expired();
    assert_eq!(report.accepted(), accepted, "{report}");
    assert_eq!(report.accepted(), ended + left as u64, "{report}");
    let idle = plain
        .iter()
        .filter(|index| began[**index].load(SeqCst) == 0);
    let idle = idle.count() as u64;
    assert!(
        (expired..=expired + idle).contains(&report.expired()),
        "{report}"
    );
    let ran = began.iter().map(|began| began.load(SeqCst)).sum::<usize>();
    let may_have = report.completed() + report.abandoned().len() as u64;
    assert_eq!(ran as u64, may_have, "{report}");
    report.drop_unstarted();
    assert_eq!(alive.count(), 0);
}
