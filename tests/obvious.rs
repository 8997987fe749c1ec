//! The code that a new user writes first: it compiles as it stands here, without a type that only
//! the compiler needs, and does what it says. With `anyhow`: `tests/features/tests/anyhow.rs`.

#![allow(
    clippy::needless_borrows_for_generic_args,
    reason = "users write them, and they compile"
)]

mod common;

use common::{LONG, within};
use groundcrew::channel::bounded;
use groundcrew::host::{HostBuildError, ItemOutcome, ServiceNames, ServiceResult};
use groundcrew::schedule::RunContext;
use groundcrew::task::TaskError;
use groundcrew::{
    Batcher, BoxError, Host, HostBuilder, Pool, Schedule, Scheduler, ServiceContext, Submitter,
    TaskContext, WorkQueue,
};
use std::error::Error;
use std::io;
use std::time::Duration;

/// A function of the program, with an error of its own.
fn flush() -> io::Result<()> {
    Ok(())
}

fn full() -> io::Result<()> {
    Err(io::Error::other("disk full"))
}

fn serve(ctx: &ServiceContext) -> Result<(), BoxError> {
    flush()?;
    ctx.wait()
}

fn warm_up(_: &ServiceContext) -> ServiceResult {
    Ok(flush()?)
}

type Run = fn(&ServiceContext) -> Result<(), BoxError>;

/// The dependency of a service that is declared after `names`, none of which exists.
fn dependency(names: impl ServiceNames) -> String {
    let mut host = Host::builder();
    host.background("web", serve).after(names);
    match host.build() {
        Err(HostBuildError::UnknownDependency { dependency, .. }) => dependency,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_service_is_after_one_name_or_several_in_any_form() {
    let (name, names) = ("db".to_owned(), vec!["db".to_owned(), "cache".to_owned()]);
    let of_parts: Vec<&str> = "db,cache".split(',').collect();
    let found = [
        dependency("db"),
        dependency(&name),
        dependency(name.clone()),
        dependency(name.as_str()),
        dependency(["db"]),
        dependency(["db", "cache"]),
        dependency(&["db", "cache"]),
        dependency([name.clone()]),
        dependency(&names),
        dependency(names.as_slice()),
        dependency(&names[..1]),
        dependency(names.clone()),
        dependency(of_parts),
        dependency(Some("db")),
    ];
    assert_eq!(found, ["db"; 14]);
    let mut host = Host::builder();
    let none: Option<&str> = None;
    host.background("web", serve)
        .after(none)
        .after(Vec::<String>::new());
    assert!(host.build().is_ok());
}

#[test]
fn several_names_in_one_call_are_all_dependencies() {
    let mut host = Host::builder();
    host.background("a", serve).after("c");
    host.background("b", serve).after(["a", "c"]);
    host.background("c", serve).after("b".to_owned());
    let error = host.build().unwrap_err().to_string();
    assert!(error.contains("\"c\" after \"b\""), "{error}");
}

/// Services whose closures end as closures do.
fn add_services(host: &mut HostBuilder) {
    host.startup_task("nothing", |_| Ok(()));
    host.startup_task("one call", |_| Ok(flush()?));
    host.startup_task("function", warm_up);
    host.background("question mark", |ctx| {
        flush()?;
        let number: u32 = "7".parse()?;
        assert_eq!(number, 7);
        ctx.sleep(Duration::from_secs(3600))?;
        Ok(())
    })
    .after("nothing");
    host.background("loop", |ctx| {
        loop {
            ctx.sleep(Duration::from_secs(3600))?;
        }
    });
    host.background("function of its own", serve);
    host.background("wait", |ctx| ctx.wait());
    host.background("one shot", |_| Ok(())).one_shot();
}

#[test]
fn closures_and_functions_are_services_without_further_types() {
    within(LONG, "a host of small services", || {
        let mut host = Host::builder();
        add_services(&mut host);
        let report = host.build().unwrap().start().unwrap().stop();
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn an_error_of_any_type_fails_a_service_with_its_text() {
    let failing: [(&str, Run); 4] = [
        ("disk full", |_| Ok(full()?)),
        ("disk full", |_| {
            full()?;
            Ok(())
        }),
        ("no such row", |_| Err("no such row")?),
        ("row 7 is missing", |_| {
            Err(format!("row {} is missing", 7).into())
        }),
    ];
    for (text, run) in failing {
        let mut host = Host::builder();
        host.background("db", run);
        let report = host.build().unwrap().run();
        assert_eq!(report.failures()[0].message(), text);
    }
}

#[test]
fn a_handler_of_a_queue_needs_no_types() {
    within(LONG, "a queue with handlers of each kind", || {
        let (words, others, last) = (WorkQueue::new(8), WorkQueue::new(8), WorkQueue::new(8));
        let (sender, received) = bounded(8);
        let mut host = Host::builder();
        host.add(
            "words",
            words.workers(1, || {
                |word, _| {
                    println!("{word}");
                    Ok(())
                }
            }),
        );
        host.add(
            "others",
            others.workers(1, || {
                let mut count = 0;
                move |item, ctx| {
                    flush()?;
                    count += 1;
                    ctx.note(format!("{count}: {item}"));
                    match item {
                        0 => Err("there is no item 0")?,
                        1 => Ok(ItemOutcome::Handled),
                        _ => Ok(ItemOutcome::HandBack),
                    }
                }
            }),
        );
        host.add(
            "last",
            last.workers(2, move || {
                let sender = sender.clone();
                move |item, _| Ok(sender.send(std::mem::take(item))?)
            }),
        );
        let host = host.build().unwrap().start().unwrap();
        words.submit("hello").unwrap();
        (0..3).for_each(|item| others.submit(item).unwrap());
        last.submit("bye".to_owned()).unwrap();
        let report = host.stop();
        assert_eq!(report.queue("words").unwrap().handled(), 1);
        let others = report.queue("others").unwrap();
        assert_eq!(
            (others.handled(), others.failed(), others.unstarted()),
            (1, 1, 1)
        );
        assert_eq!(received.iter().collect::<Vec<_>>(), ["bye"]);
    });
}

#[test]
fn runs_of_a_schedule_and_batches_end_as_services_do() {
    fn run(_: &RunContext<'_>) -> Result<(), BoxError> {
        Ok(flush()?)
    }
    fn save(items: &mut Vec<u32>, _: &TaskContext) -> Result<(), BoxError> {
        items.clear();
        Ok(flush()?)
    }
    within(LONG, "a schedule and batches", || {
        let pool = Pool::new(1).unwrap();
        let scheduler = Scheduler::new(pool.submitter());
        let hourly = Schedule::every(Duration::from_secs(3600));
        let add = |name: &str| scheduler.entry(name, hourly.clone()).run_at_start();
        add("nothing").run(|_| Ok(())).unwrap();
        add("call").run(|_| Ok(flush()?)).unwrap();
        add("function").run(run).unwrap();
        let submits = |ctx: &RunContext<'_>| {
            ctx.submitter().execute(|| ())?;
            Ok(())
        };
        add("submits").run(submits).unwrap();
        scheduler.start().unwrap();
        pool.wait_idle();
        let runs = scheduler.status();
        let outcomes = runs
            .iter()
            .map(|entry| entry.last().unwrap().outcome().to_string());
        assert_eq!(outcomes.collect::<Vec<_>>(), ["completed"; 4]);

        let named = Batcher::builder("named")
            .build(pool.submitter(), save)
            .unwrap();
        let closure = Batcher::builder("closure")
            .build(pool.submitter(), |items: &mut Vec<u32>, _| {
                items.clear();
                flush()?;
                Ok(())
            })
            .unwrap();
        for batcher in [&named, &closure] {
            batcher.submit(1).unwrap();
            batcher.flush();
            assert_eq!(batcher.stats().handled(), 1);
        }
    });
}

// What submits and joins.

/// Half of `number`, by a task.
fn half(pool: &Submitter, number: u32) -> Result<u32, TaskError> {
    pool.submit(move || number / 2)?.join()
}

fn quarter(pool: &Submitter, number: u32) -> Result<u32, BoxError> {
    let half = pool.submit(move || number / 2)?.join()?;
    Ok(half / 2)
}

#[test]
fn a_function_that_submits_and_joins_returns_one_error() {
    let pool = Pool::new(1).unwrap();
    let submitter = pool.submitter();
    assert_eq!(half(&submitter, 8).unwrap(), 4);
    assert_eq!(quarter(&submitter, 8).unwrap(), 2);
    // Inside a task as well.
    let inside = submitter.submit_with(|ctx| half(&ctx.submitter(), 8));
    assert_eq!(inside.unwrap().join().unwrap().unwrap(), 4);

    assert!(pool.stop(LONG).is_clean());
    let error = half(&submitter, 8).unwrap_err();
    assert!(matches!(error, TaskError::Refused(_)), "{error}");
    assert_eq!(error.to_string(), "refused: the pool is closed");
    assert_eq!(format!("{error:?}"), error.to_string());
    let error = quarter(&submitter, 8).unwrap_err();
    assert_eq!(error.to_string(), "the pool is closed");
}

#[test]
fn a_refusal_by_the_stop_of_the_host_is_no_failure_as_a_task_error_either() {
    within(LONG, "a service that joins on a stopped pool", || {
        let pool = Pool::new(1).unwrap();
        let submitter = pool.submitter();
        let mut host = Host::builder();
        host.add("render", pool);
        // It is not after the pool, and so submits to it when that has stopped.
        host.background("web", move |ctx| {
            ctx.host().token().wait();
            while half(&submitter, 8).is_ok() {}
            half(&submitter, 8)?;
            Ok(())
        });
        let report = host.build().unwrap().start().unwrap().stop();
        assert!(report.is_clean(), "{report}");
    });
}

#[test]
fn an_item_in_a_refusal_that_becomes_a_task_error_stays_with_its_queue() {
    let queue = WorkQueue::new(1);
    queue.close();
    let submit = || -> Result<(), TaskError> { Ok(queue.submit("a letter")?) };
    let error = submit().unwrap_err();
    assert_eq!(error.to_string(), "refused: the work queue is closed");
    assert!(error.source().is_none());
    assert_eq!(queue.take_unstarted(), ["a letter"]);
}
