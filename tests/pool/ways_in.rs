//! Every way in, and every way to meet a queue that is full: one table.
//!
//! A row is a way in, a column what it does while there is no room. Each cell is tried with
//! room, without, with room that comes while it waits, and with a close, before and meanwhile.

use crate::common::{Gate, LONG, occupy, within};
use groundcrew::batch::BatchReport;
use groundcrew::channel::{Receiver, Sender, bounded};
use groundcrew::host::RunningHost;
use groundcrew::submit::WhenFull;
use groundcrew::task::UnstartedTask;
use groundcrew::{
    Batcher, CancelToken, Host, Pool, Retry, ServiceContext, SubmitError, Submitter, WorkQueue,
};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Entered,
    Full,
    TimedOut,
    Cancelled,
    Closed,
    /// The plain verb has no form for this column.
    NoSuchForm,
}

impl End {
    /// What the error says, and of `submitted` whether it came back unchanged.
    fn of<T, F>(result: Result<T, SubmitError<F>>, is_unchanged: impl FnOnce(F) -> bool) -> End {
        let Err(error) = result else {
            return End::Entered;
        };
        let says = [
            (error.is_full(), End::Full),
            (error.is_timeout(), End::TimedOut),
            (error.is_cancelled(), End::Cancelled),
            (error.is_closed(), End::Closed),
        ];
        let mut ends = says.iter().filter(|(is, _)| *is).map(|(_, end)| *end);
        let end = ends.next().unwrap();
        assert_eq!(ends.next(), None, "{error}");
        assert!(is_unchanged(error.into_inner()), "{end:?}");
        end
    }
}

/// What things are submitted to, with one place.
trait Target: Send + Sync {
    fn submit(&self, when_full: WhenFull) -> End;
    /// Takes the place, if it is free.
    fn fill(&self);
    /// Makes room for one more.
    fn make_room(&self);
    fn close(&self);
    /// What `submit` ends with in a thread on which the room depends, while there is none.
    fn submit_inside(&self, when_full: WhenFull) -> End;
}

// The pool.

type Verb = fn(&Submitter, WhenFull) -> End;

struct InPool {
    pool: Pool,
    /// What the worker is held by.
    gate: Mutex<Option<Gate>>,
    verb: Verb,
}

fn in_pool(verb: Verb) -> Box<dyn Target> {
    let builder = Pool::builder().threads(1).queue_capacity(1);
    let pool = builder.max_retrying(100).build().unwrap();
    let gate = Gate::new();
    drop(occupy(&pool, &gate));
    let gate = Mutex::new(Some(gate));
    Box::new(InPool { pool, gate, verb })
}

impl Target for InPool {
    fn submit(&self, when_full: WhenFull) -> End {
        (self.verb)(&self.pool.submitter(), when_full)
    }

    fn fill(&self) {
        self.pool.try_execute(|| ()).unwrap();
    }

    fn make_room(&self) {
        drop(self.gate.lock().unwrap().take());
    }

    fn close(&self) {
        self.pool.stop_handle().close();
    }

    fn submit_inside(&self, when_full: WhenFull) -> End {
        let verb = self.verb;
        let inside = self.pool.task("inside").when_full(LONG);
        self.make_room();
        let ended = inside.submit_with(move |ctx| {
            let submitter = ctx.submitter();
            while submitter.try_execute(|| ()).is_ok() {}
            verb(&submitter, when_full)
        });
        ended.unwrap().join().unwrap()
    }
}

impl Drop for InPool {
    fn drop(&mut self) {
        self.make_room();
    }
}

fn seven() -> u32 {
    7
}

fn is_seven(closure: impl FnOnce() -> u32) -> bool {
    closure() == 7
}

fn at_once() -> Retry {
    Retry::fixed(Duration::ZERO)
}

fn attempt(number: u32) -> Result<u32, &'static str> {
    Ok(number)
}

fn is_attempt(mut closure: impl FnMut(u32) -> Result<u32, &'static str>) -> bool {
    closure(7) == Ok(7)
}

/// A task that a stop took out.
fn unstarted() -> UnstartedTask {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::new();
    drop(occupy(&pool, &gate));
    pool.task("handed back").execute(seven).unwrap();
    let report = pool.stop(Duration::ZERO);
    gate.open();
    report.take_unstarted().remove(0)
}

fn is_handed_back(task: UnstartedTask) -> bool {
    task.info().name() == "handed back"
}

const IN_POOL: [(&str, Verb); 14] = [
    ("plain submit", |to, when_full| match when_full {
        WhenFull::Wait => End::of(to.submit(seven), is_seven),
        WhenFull::Refuse => End::of(to.try_submit(seven), is_seven),
        _ => End::NoSuchForm,
    }),
    ("plain submit_with", |to, when_full| match when_full {
        WhenFull::Wait => End::of(to.submit_with(|_| 7), |_| true),
        _ => End::NoSuchForm,
    }),
    ("plain execute", |to, when_full| match when_full {
        WhenFull::Wait => End::of(to.execute(seven), is_seven),
        WhenFull::Refuse => End::of(to.try_execute(seven), is_seven),
        _ => End::NoSuchForm,
    }),
    ("plain execute_with", |to, when_full| match when_full {
        WhenFull::Wait => End::of(to.execute_with(|_| 7), |_| true),
        _ => End::NoSuchForm,
    }),
    ("named submit", |to, when_full| {
        End::of(to.task("row").when_full(when_full).submit(seven), is_seven)
    }),
    ("named submit_with", |to, when_full| {
        let task = to.task("row").when_full(when_full);
        End::of(task.submit_with(|_| 7), |_| true)
    }),
    ("named execute, limited", |to, when_full| {
        let task = to.task("row").time_limit(LONG).when_full(when_full);
        End::of(task.execute(seven), is_seven)
    }),
    ("named execute_with", |to, when_full| {
        let task = to.task("row").when_full(when_full);
        End::of(task.execute_with(|_| 7), |_| true)
    }),
    ("retried submit", |to, when_full| {
        let task = to.task("row").retry(at_once()).when_full(when_full);
        End::of(task.submit(attempt), is_attempt)
    }),
    ("retried submit_with", |to, when_full| {
        let task = to.task("row").when_full(when_full).retry(at_once());
        let ended = task.submit_with(|_, number| attempt(number));
        End::of(ended, |_| true)
    }),
    ("retried execute", |to, when_full| {
        let task = to.task("row").retry(at_once()).when_full(when_full);
        End::of(task.execute(attempt), is_attempt)
    }),
    ("retried execute_with", |to, when_full| {
        let task = to.task("row").retry(at_once()).when_full(when_full);
        let ended = task.execute_with(|_, number| attempt(number));
        End::of(ended, |_| true)
    }),
    ("resubmit", |to, when_full| match when_full {
        WhenFull::Wait => End::of(to.resubmit(unstarted()), is_handed_back),
        WhenFull::Refuse => End::of(to.try_resubmit(unstarted()), is_handed_back),
        _ => End::NoSuchForm,
    }),
    ("resubmit_until", |to, when_full| {
        End::of(to.resubmit_until(when_full, unstarted()), is_handed_back)
    }),
];

// The permits for tasks that are retried.

struct Permits {
    pool: Pool,
    open: Mutex<Option<Sender<()>>>,
    gate: Receiver<()>,
}

fn permits() -> Box<dyn Target> {
    let builder = Pool::builder().threads(2).queue_capacity(100);
    let pool = builder.max_retrying(1).build().unwrap();
    let (open, gate) = bounded(0);
    let open = Mutex::new(Some(open));
    Box::new(Permits { pool, open, gate })
}

impl Target for Permits {
    fn submit(&self, when_full: WhenFull) -> End {
        let task = self.pool.task("row").retry(at_once()).when_full(when_full);
        End::of(task.submit(attempt), is_attempt)
    }

    fn fill(&self) {
        let gate = self.gate.clone();
        let task = self.pool.task("the only permit").retry(at_once());
        let held = task.execute(move |_| {
            let _ = gate.recv();
            Ok::<_, &str>(())
        });
        held.unwrap();
    }

    fn make_room(&self) {
        drop(self.open.lock().unwrap().take());
    }

    fn close(&self) {
        self.pool.stop_handle().close();
    }

    fn submit_inside(&self, when_full: WhenFull) -> End {
        let inside = self.pool.submit_with(move |ctx| {
            let submitter = ctx.submitter();
            let task = submitter.task("row").retry(at_once()).when_full(when_full);
            End::of(task.submit(attempt), is_attempt)
        });
        inside.unwrap().join().unwrap()
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        self.make_room();
    }
}

// The work queue.

struct InWorkQueue {
    queue: WorkQueue<Item>,
    host: Mutex<Option<RunningHost>>,
}

/// An item, or what a handler does.
enum Item {
    Number(u32),
    Call(Box<dyn FnOnce() + Send>),
}

impl Item {
    fn came_back(self) -> bool {
        matches!(self, Item::Number(7))
    }

    fn handle(&mut self) {
        if let Item::Call(call) = std::mem::replace(self, Item::Number(0)) {
            call();
        }
    }
}

fn in_work_queue() -> Box<dyn Target> {
    let (queue, host) = (WorkQueue::new(1), Mutex::default());
    Box::new(InWorkQueue { queue, host })
}

impl Target for InWorkQueue {
    fn submit(&self, when_full: WhenFull) -> End {
        let seven = Item::Number(7);
        let submitted = match when_full {
            WhenFull::Wait => self.queue.submit(seven),
            WhenFull::Refuse => self.queue.try_submit(seven),
            other => self.queue.submit_until(other, seven),
        };
        End::of(submitted, Item::came_back)
    }

    fn fill(&self) {
        assert!(self.queue.try_submit(Item::Number(1)).is_ok());
    }

    fn make_room(&self) {
        let mut host = Host::builder();
        let workers = self.queue.workers(1, || {
            |item: &mut Item, _: &ServiceContext| {
                item.handle();
                Ok(())
            }
        });
        host.add("items", workers);
        let host = host.build().unwrap().start().unwrap();
        *self.host.lock().unwrap() = Some(host);
    }

    fn close(&self) {
        self.queue.close();
    }

    fn submit_inside(&self, when_full: WhenFull) -> End {
        self.make_room();
        let (queue, (tell, told)) = (self.queue.clone(), bounded(1));
        let call = Item::Call(Box::new(move || {
            while queue.try_submit(Item::Number(1)).is_ok() {}
            let ended = queue.submit_until(when_full, Item::Number(7));
            tell.send(End::of(ended, Item::came_back)).unwrap();
        }));
        assert!(self.queue.submit(call).is_ok());
        told.recv().unwrap()
    }
}

// The batcher.

struct InBatcher {
    batcher: Batcher<Item>,
    open: Mutex<Option<Sender<()>>>,
    pool: Pool,
}

fn in_batcher() -> Box<dyn Target> {
    let pool = Pool::new(1).unwrap();
    let (open, gate) = bounded::<()>(0);
    let builder = Batcher::builder("row").capacity(1).max_items(1);
    let batcher = builder.build(pool.submitter(), move |batch: &mut Vec<Item>, _| {
        let _ = gate.recv();
        batch.iter_mut().for_each(Item::handle);
        Ok(())
    });
    Box::new(InBatcher {
        batcher: batcher.unwrap(),
        open: Mutex::new(Some(open)),
        pool,
    })
}

impl Target for InBatcher {
    fn submit(&self, when_full: WhenFull) -> End {
        let seven = Item::Number(7);
        let submitted = match when_full {
            WhenFull::Wait => self.batcher.submit(seven),
            WhenFull::Refuse => self.batcher.try_submit(seven),
            other => self.batcher.submit_until(other, seven),
        };
        End::of(submitted, Item::came_back)
    }

    fn fill(&self) {
        assert!(self.batcher.try_submit(Item::Number(1)).is_ok());
    }

    fn make_room(&self) {
        drop(self.open.lock().unwrap().take());
    }

    fn close(&self) {
        let _: BatchReport<Item> = self.batcher.stop(Duration::ZERO);
    }

    fn submit_inside(&self, when_full: WhenFull) -> End {
        self.make_room();
        let (batcher, (tell, told)) = (self.batcher.clone(), bounded(1));
        // The batch that the worker is at takes the only place.
        let call = Item::Call(Box::new(move || {
            let ended = batcher.submit_until(when_full, Item::Number(7));
            tell.send(End::of(ended, Item::came_back)).unwrap();
        }));
        assert!(self.batcher.submit(call).is_ok());
        told.recv().unwrap()
    }
}

impl Drop for InBatcher {
    fn drop(&mut self) {
        self.make_room();
        let _: BatchReport<Item> = self.batcher.stop(LONG);
        assert!(self.pool.stop(LONG).is_clean());
    }
}

// The table.

/// Calls `test` with each row: its name, and what makes its target.
fn each_way(test: impl Fn(&str, &dyn Fn() -> Arc<dyn Target>)) {
    for (name, verb) in IN_POOL {
        test(name, &|| Arc::from(in_pool(verb)));
    }
    for (name, make) in OTHERS {
        test(name, &|| Arc::from(make()));
    }
}

const PERMITS: &str = "retried, without a permit";
type Make = fn() -> Box<dyn Target>;

const OTHERS: [(&str, Make); 3] = [
    (PERMITS, permits),
    ("queue item", in_work_queue),
    ("batch item", in_batcher),
];

fn past() -> Instant {
    Instant::now()
}

fn cancelled() -> CancelToken {
    let token = CancelToken::new();
    token.cancel();
    token
}

fn check(way: &str, column: &str, end: End, expected: End) {
    let is_it = end == expected || end == End::NoSuchForm;
    assert!(is_it, "{way}, {column}: {end:?}, not {expected:?}");
}

#[test]
fn where_there_is_room_every_way_in_is_open_whatever_the_option() {
    within(LONG, "ways with room", || {
        each_way(|way, make| {
            for (column, when_full) in [
                ("wait", WhenFull::Wait),
                ("refuse", WhenFull::Refuse),
                ("no time", Duration::ZERO.into()),
                ("a past moment", past().into()),
                ("a cancelled token", cancelled().into()),
            ] {
                check(way, column, make().submit(when_full), End::Entered);
            }
        });
    });
}

#[test]
fn where_there_is_none_every_way_in_ends_as_the_option_says_and_gives_back_what_it_was_given() {
    within(LONG, "ways without room", || {
        each_way(|way, make| {
            let target = make();
            target.fill();
            let token = cancelled();
            for (column, when_full, expected) in [
                ("refuse", WhenFull::Refuse, End::Full),
                ("no time", Duration::ZERO.into(), End::TimedOut),
                ("a time", Duration::from_millis(1).into(), End::TimedOut),
                ("a past moment", past().into(), End::TimedOut),
                ("a cancelled token", (&token).into(), End::Cancelled),
                ("its child", token.child().into(), End::Cancelled),
            ] {
                check(way, column, target.submit(when_full), expected);
            }
        });
    });
}

/// Submits, with the option, in a thread that may have to wait, and meanwhile does something.
fn meanwhile(target: &Arc<dyn Target>, when_full: WhenFull, act: impl FnOnce()) -> End {
    let submitting = target.clone();
    let (begin, begins) = bounded(0);
    let waiting = thread::spawn(move || {
        begin.send(()).unwrap();
        submitting.submit(when_full)
    });
    begins.recv().unwrap();
    act();
    waiting.join().unwrap()
}

#[test]
fn every_way_in_waits_until_there_is_room() {
    within(LONG, "ways that wait for room", || {
        each_way(|way, make| {
            for (column, when_full) in [
                ("wait", WhenFull::Wait),
                ("without limit", Duration::MAX.into()),
                ("a time", LONG.into()),
                ("a moment", (Instant::now() + LONG).into()),
                ("a token", CancelToken::new().into()),
            ] {
                let target = make();
                target.fill();
                let end = meanwhile(&target, when_full, || target.make_room());
                check(way, column, end, End::Entered);
            }
        });
    });
}

#[test]
fn every_way_in_that_waits_is_woken_by_the_cancel_of_its_token() {
    within(LONG, "ways that wait for a token", || {
        each_way(|way, make| {
            for is_child in [false, true] {
                let (target, token) = (make(), CancelToken::new());
                target.fill();
                let waiting = match is_child {
                    true => token.child(),
                    false => token.clone(),
                };
                let end = meanwhile(&target, waiting.into(), || token.cancel());
                check(way, "a token", end, End::Cancelled);
            }
        });
    });
}

#[test]
fn after_a_close_every_way_in_is_closed_whatever_the_option() {
    within(LONG, "closed ways", || {
        each_way(|way, make| {
            let target = make();
            target.close();
            for (column, when_full, expected) in [
                ("wait", WhenFull::Wait, End::Closed),
                ("refuse", WhenFull::Refuse, End::Closed),
                ("no time", Duration::ZERO.into(), End::Closed),
                ("a time", LONG.into(), End::Closed),
                ("a moment", past().into(), End::Closed),
                ("a token", CancelToken::new().into(), End::Closed),
                ("a cancelled token", cancelled().into(), End::Cancelled),
            ] {
                check(way, column, target.submit(when_full), expected);
            }
        });
    });
}

#[test]
fn every_way_in_that_waits_is_woken_by_the_close() {
    within(LONG, "ways that wait at a close", || {
        each_way(|way, make| {
            for (column, when_full) in [
                ("wait", WhenFull::Wait),
                ("a time", LONG.into()),
                ("without limit", Duration::MAX.into()),
                ("a token", CancelToken::new().into()),
            ] {
                let target = make();
                target.fill();
                let end = meanwhile(&target, when_full, || target.close());
                check(way, column, end, End::Closed);
            }
        });
    });
}

#[test]
fn a_thread_on_which_the_room_depends_waits_only_up_to_a_time() {
    within(LONG, "ways inside", || {
        each_way(|way, make| {
            for (column, when_full, expected) in [
                ("wait", WhenFull::Wait, End::Entered),
                ("a token", CancelToken::new().into(), End::Entered),
                ("a cancelled token", cancelled().into(), End::Entered),
                ("refuse", WhenFull::Refuse, End::Full),
                ("a time", Duration::from_millis(1).into(), End::TimedOut),
                ("a past moment", past().into(), End::TimedOut),
            ] {
                let target = make();
                if way == PERMITS {
                    target.fill();
                }
                check(way, column, target.submit_inside(when_full), expected);
            }
        });
    });
}

// Scopes: what is not accepted stays with the scope, whose own thread runs it.

#[test]
fn what_a_full_queue_does_not_take_from_a_scope_is_run_by_the_scopes_own_thread() {
    within(LONG, "scopes without room", || {
        for when_full in [
            WhenFull::Refuse,
            Duration::ZERO.into(),
            Duration::from_millis(1).into(),
            past().into(),
            cancelled().into(),
        ] {
            let pool = Pool::builder()
                .threads(1)
                .queue_capacity(1)
                .build()
                .unwrap();
            let gate = Gate::new();
            drop(occupy(&pool, &gate));
            pool.try_execute(|| ()).unwrap();
            let mut ran_on = [None; 4];
            pool.scope(|s| {
                let [submit, submit_with, execute, execute_with] = &mut ran_on;
                let task = s.task("row").when_full(when_full.clone());
                let joined = task.submit(|| *submit = Some(thread::current().id()));
                joined.join().unwrap();
                let joined = task.submit_with(|_| *submit_with = Some(thread::current().id()));
                joined.join().unwrap();
                task.execute(|| *execute = Some(thread::current().id()));
                task.execute_with(|_| *execute_with = Some(thread::current().id()));
            });
            assert_eq!(ran_on, [Some(thread::current().id()); 4], "{when_full:?}");
            assert_eq!(pool.stats().accepted(), 2);
            gate.open();
        }
    });
}

#[test]
fn a_scope_waits_for_room_as_the_option_says() {
    within(LONG, "scopes that wait", || {
        for when_full in [
            WhenFull::Wait,
            Duration::MAX.into(),
            (Instant::now() + LONG).into(),
            CancelToken::new().into(),
        ] {
            let pool = Pool::builder()
                .threads(1)
                .queue_capacity(1)
                .build()
                .unwrap();
            let gate = Gate::new();
            drop(occupy(&pool, &gate));
            pool.try_execute(|| ()).unwrap();
            let (begin, begins) = bounded(0);
            let opener = thread::spawn(move || {
                begins.recv().unwrap();
                gate.open();
            });
            pool.scope(|s| {
                let task = s.task("row").when_full(when_full.clone());
                begin.send(()).unwrap();
                let ran_on = task.submit(|| thread::current().id()).join().unwrap();
                assert_ne!(ran_on, thread::current().id(), "{when_full:?}");
            });
            opener.join().unwrap();
        }
    });
}
