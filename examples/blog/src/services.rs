//! The services, and who needs whom.

use crate::archive::Archive;
use crate::blog::Blog;
use crate::chaos::Chaos;
use crate::config::Config;
use crate::email::{Email, Emails, Sender};
use crate::event::Events;
use crate::index::Index;
use crate::jobs::{self, Cache, Triggers};
use crate::line::Line;
use crate::outbox::Outbox;
use crate::screen::Screen;
use crate::search::{self, Search};
use crate::sink::{Mood, Sink};
use crate::{Options, status, visitors, watcher};
use groundcrew::host::{FailurePolicy, Restart};
use groundcrew::retry::CircuitBreaker;
use groundcrew::watch::FolderWatch;
use groundcrew::{Host, HostBuilder, Pool, Schedule, Scheduler, ServiceContext};
use log::warn;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

type AnyError = Box<dyn Error + Send + Sync>;

/// The host with all of them, not started yet.
pub(crate) fn assemble(options: &Options, config: &Config) -> Result<(Blog, Host), AnyError> {
    let chaos = Chaos::new(options.chaos.clone());
    let reindexes = options.reindex && config.may_reindex;
    if options.reindex && !reindexes {
        warn!("not indexed anew: \"reindex\" is false in blog.json");
    }
    let absent = [
        (
            "reindex",
            !reindexes,
            "give --reindex, which blog.json allows",
        ),
        ("sink", options.sink.is_some(), "leave --sink out"),
        (
            "visitors",
            options.visitors.is_zero(),
            "let there be --visitors",
        ),
    ];
    for (service, is_absent, hint) in absent {
        if is_absent && chaos.is_for(service) {
            return Err(format!("there is no {service} to fail: {hint}").into());
        }
    }
    let mood = Arc::new(Mood {
        is_down: options.sink_down.into(),
        failures: AtomicU32::new(options.sink_failures),
    });
    let mut host = Host::builder();
    host.name("blog")
        .start_timeout(options.start_timeout)
        .stop_timeout(options.stop_timeout);
    let (sink, way_to_sink) = match options.sink {
        Some(address) => (address, vec![]),
        None => {
            let notes = options.state.join("sink.log");
            let sink = Sink::new(&notes, mood.clone(), chaos.clone())?;
            let address = sink.address()?;
            host.service("sink", move || sink.clone());
            (address, vec!["sink"])
        }
    };
    let threads = options.threads()?;
    let workers = Pool::builder().threads(threads).name("worker").build()?;
    let network = Pool::builder().threads(1).name("network").build()?;
    let line = Line { sink };
    let blog = Blog {
        archive: Arc::new(Archive::new(options.state.join("index.jsonl"))),
        cache: Arc::new(Cache::default()),
        // With what was not sent in an earlier run.
        emails: Emails::new(Outbox::open(options.state.join("emails.jsonl"))?)?,
        events: Events::new(
            Outbox::open(options.state.join("events.jsonl"))?,
            line,
            network.submitter(),
            chaos.clone(),
        )?,
        readers: config.readers.clone().into(),
        workers: workers.submitter(),
        triggers: Arc::new(Triggers::default()),
        mood,
        line,
        screen: Screen::new(),
        chaos,
    };

    host.add("workers", workers);
    host.add("network", network).after(way_to_sink.clone());
    add_emails(&mut host, &blog, way_to_sink)?;
    add_events(&mut host, &blog);
    add_posts(&mut host, &blog, options, reindexes);
    add_search(&mut host, &blog)?;
    let scheduler = Scheduler::new(blog.workers.clone());
    jobs::add(&mut host, &blog, config, &scheduler);
    host.add("schedules", &scheduler)
        .after(["links", "cache", "newsletter", "emails"]);
    if !options.visitors.is_zero() {
        let (shared, pause) = (blog.clone(), options.visitors);
        let run = move |ctx: &ServiceContext| visitors::visit(&shared, pause, ctx);
        host.service("visitors", blog.chaos.service("visitors", run))
            .after(["posts", "emails", "analytics"])
            .on_failure(Restart::new());
    }
    let (screen, entries) = (blog.screen.clone(), scheduler.clone());
    let run = move |ctx: &ServiceContext| status::show(&screen, &entries, ctx);
    host.service("status", blog.chaos.service("status", run))
        .on_failure(FailurePolicy::Ignore);
    let host = host.build()?;
    if let Some(time) = options.run_for {
        let handle = host.handle();
        let end = scheduler.entry("end", Schedule::after(time));
        end.run(move |_| {
            handle.request_stop("its time is over");
            Ok(())
        })?;
    }
    Ok((blog, host))
}

fn add_emails(host: &mut HostBuilder, blog: &Blog, after: Vec<&str>) -> Result<(), AnyError> {
    let breaker = CircuitBreaker::builder("sink")
        .consecutive_failures(3)
        .open_for(Duration::from_millis(500))
        .build()?;
    let (queue, blog) = (blog.emails.queue.clone(), blog.clone());
    let make = move || {
        blog.chaos.at_start("emails")?;
        let sender = Sender::new(&blog, &breaker);
        Ok(move |email: &mut Email, ctx: &ServiceContext| sender.send(email, ctx))
    };
    host.add("emails", queue.fallible_workers(2, make))
        .after(after);
    Ok(())
}

fn add_events(host: &mut HostBuilder, blog: &Blog) {
    host.add("events", &blog.events.batcher);
    let blog = blog.clone();
    let resume = move |_: &ServiceContext| {
        blog.chaos.at_start("analytics")?;
        blog.events.resume();
        Ok(())
    };
    host.startup_task("analytics", resume).after("events");
}

fn add_posts(host: &mut HostBuilder, blog: &Blog, options: &Options, reindexes: bool) {
    let mut after = vec!["workers"];
    if reindexes {
        let blog = blog.clone();
        host.startup_task("reindex", move |_| {
            blog.chaos.at_start("reindex")?;
            blog.chaos.at_work("reindex")?;
            blog.archive.forget_saved();
            Ok(())
        });
        after.push("reindex");
    }
    let is_post = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
    let watch = FolderWatch::new(&options.folder).only(is_post);
    let blog = blog.clone();
    host.add(
        "posts",
        watch.on_change(move |changes, ctx| watcher::read(&blog, changes, ctx)),
    )
    .after(after);
}

fn add_search(host: &mut HostBuilder, blog: &Blog) -> Result<(), AnyError> {
    let search = Search {
        blog: blog.clone(),
        index: Arc::new(Index::new()),
        lines: search::typed()?,
    };
    host.service("search", move || search.clone()).after([
        "posts",
        "analytics",
        "links",
        "cache",
        "newsletter",
    ]);
    Ok(())
}
