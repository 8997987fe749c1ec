//! A blog with a dozen background services, from a folder of markdown: what this crate is
//! for, all at once.
//!
//! ```text
//! $ cargo run --release --example blog --features cron,watch -- posts --generate 500
//! 500 posts are in posts
//! $ cargo run --release --example blog --features cron,watch -- posts
//! links: 3685 checked, 43 broken
//!   posts/000/post-00017.md links to gone.md
//!   ...
//! ba cor
//! "ba cor": 10 found in 0.2 ms
//!    6.47  posts/003/post-00324.md  stocordan rihucorcor 324
//!   ...
//! :newsletter
//! newsletter: written to 3 readers
//! :sink down
//! ^C
//! signal received, stopping; the next one reports at once what still runs
//! posts: 500 indexed, 0 not
//! emails: 16 made, 10 sent, 0 refused, 6 kept in target/blog/emails.jsonl
//! events: 51 made, 21 sent, 0 refused, 30 kept in target/blog/events.jsonl
//! not sent:
//!   email 78ec388e-000010 to grace@example.com: a comment on stocordan rihucorcor 324
//!   ...
//! not flushed:
//!   event 26678514-000021: view of posts/002/post-00217.md, not cached
//!   ...
//! host blog: NOT CLEAN after 3.601 s (deadline 8 s): 14 services, 36 items unprocessed
//!   ...
//! ```
//!
//! The next start sends the rest. On a terminal there is a table of the services, of the
//! queues and of what each worker does. The README beside the examples draws who needs whom.
//!
//! | typed | what happens |
//! | --- | --- |
//! | words | the ten best posts |
//! | `:links`, `:cache`, `:newsletter` | that job runs now |
//! | `:sink down`, `:sink up` | what emails and events are sent to hangs up, or works |
//! | `:quit` | the stop |
//!
//! `blog.json` in the folder, if there is one, may have `newsletter` (as cron says it: by
//! default `0 17 * * *`), `zone` (`Europe/London`), `links_every_seconds` (180),
//! `cache_every_seconds` (300), `readers` (three) and `reindex` (true): with false there,
//! `--reindex` does nothing.
//!
//! `--once` reads and indexes everything with one worker and with all of them, five times in
//! turn, and exits. `--chaos SERVICE=FAULT` lets a service fail: `chaos.rs` lists what
//! follows from it, for each. `--help` lists the other options.
//!
//! # What becomes of the work
//!
//! An email or an event is in its outbox from when it is made until the sink has acknowledged
//! it, wherever else it is: in a queue, in hand, or waiting for its next attempt. At the end
//! the outbox is written to a file, whatever was abandoned. So nothing is lost, and nothing
//! is sent twice of which the sink has said `ok`. (A kill, and the third Ctrl-C, leave the
//! file as it was.) A post that was not read is read by the next start.
//!
//! # Exit codes
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | everything is indexed and sent, or refused for good |
//! | 1 | a service failed, or there is something wrong with a file; stderr says what |
//! | 2 | the command line is wrong |
//! | 75 | something is left: start it again |
//! | 130 | the third Ctrl-C; `--once` was interrupted |

mod chaos;
mod config;
mod email;
mod event;
mod generate;
mod index;
mod jobs;
mod library;
mod line;
mod once;
mod outbox;
mod post;
mod screen;
mod search;
mod sink;
mod state_file;
mod status;
mod visitors;
mod watcher;

use chaos::{Chaos, Choice};
use clap::Parser;
use config::Config;
use email::{Email, Emails, Sender};
use event::Events;
use groundcrew::{
    CircuitBreaker, FailurePolicy, Host, Pool, Restart, Schedule, Scheduler, ServiceContext, Watch,
};
use index::Index;
use jobs::{Cache, Jobs, Triggers};
use library::Library;
use line::Line;
use log::warn;
use outbox::{Item, Outbox};
use screen::Screen;
use search::Search;
use sink::{Mood, Sink};
use status::Status;
use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use visitors::Visitors;
use watcher::Watcher;

/// A blog, from a folder of markdown.
#[derive(Parser)]
#[command(name = "blog")]
struct Options {
    /// Where the posts are
    folder: PathBuf,

    /// Write so many posts into the folder, and exit
    #[arg(long, value_name = "COUNT")]
    generate: Option<usize>,

    /// Read and index everything, say how fast that was, and exit
    #[arg(long)]
    once: bool,

    /// How many threads read, index, check and render
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,

    /// Read every post anew, and not only those that have changed since the last run
    #[arg(long)]
    reindex: bool,

    /// Where the index, unsent emails and unsent events wait for the next start
    #[arg(long, value_name = "FOLDER", default_value = "target/blog")]
    state: PathBuf,

    /// Where to send emails and events; without it the blog has a sink of its own
    #[arg(long, value_name = "ADDRESS")]
    sink: Option<SocketAddr>,

    /// How often the blog's own sink fails
    #[arg(long, value_name = "PERCENT", default_value = "0")]
    sink_failures: u32,

    /// The blog's own sink is down, until `:sink up` is typed
    #[arg(long)]
    sink_down: bool,

    /// The time between two visitors; 0 is none at all
    #[arg(long, value_name = "MILLISECONDS", default_value = "200", value_parser = milliseconds)]
    visitors: Duration,

    /// What goes wrong, as in search=panic
    #[arg(long, value_name = "SERVICE=FAULT")]
    chaos: Option<Choice>,

    /// Stop after so long
    #[arg(long, value_name = "MILLISECONDS", value_parser = milliseconds)]
    run_for: Option<Duration>,

    /// How long each service may take to start
    #[arg(long, value_name = "MILLISECONDS", default_value = "30000", value_parser = milliseconds)]
    start_timeout: Duration,

    /// How long a stop may take
    #[arg(long, value_name = "MILLISECONDS", default_value = "8000", value_parser = milliseconds)]
    stop_timeout: Duration,
}

fn milliseconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::from_millis(text.parse()?))
}

const TRY_AGAIN: u8 = 75;

fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    env_logger::init();
    let options = Options::parse();
    let threads = match options.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?.get(),
    };
    if let Some(count) = options.generate {
        generate::generate(&options.folder, count)?;
        println!("{count} posts are in {}", options.folder.display());
        return Ok(ExitCode::SUCCESS);
    }
    if options.once {
        return once::index_once(&options.folder, threads, options.stop_timeout);
    }
    run(options, threads)
}

fn run(options: Options, threads: usize) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let config = Config::read(&options.folder)?;
    fs::create_dir_all(&options.state)?;
    let (chaos, screen) = (Chaos::new(options.chaos), Screen::new());
    if chaos.is_for("reindex") && !options.reindex {
        return Err("that chaos needs --reindex, or there is no such service".into());
    }
    let mood = Arc::new(Mood {
        is_down: options.sink_down.into(),
        failures: AtomicU32::new(options.sink_failures),
    });
    let own_sink = match options.sink {
        Some(_) => None,
        None => {
            let notes = options.state.join("sink.log");
            Some(Sink::new(&notes, mood.clone(), chaos.clone())?)
        }
    };
    let sink = match (&own_sink, options.sink) {
        (Some(sink), _) => sink.address()?,
        (None, Some(address)) => address,
        (None, None) => unreachable!("without an address there is a sink of our own"),
    };
    let line = Line { sink };

    let workers = Pool::builder().threads(threads).name("worker").build()?;
    let network = Pool::builder().threads(1).name("network").build()?;
    let scheduler = Scheduler::new(workers.submitter());
    let (library, index) = (Arc::new(Library::new()), Arc::new(Index::new()));
    let saved = options.state.join("index.jsonl");
    if let Err(error) = library.load(&saved) {
        warn!("every post is read anew: {error}");
    }
    // What was not sent in an earlier run.
    let emails = Emails::new(Outbox::open(options.state.join("emails.jsonl"))?)?;
    let events = Events::new(
        Outbox::open(options.state.join("events.jsonl"))?,
        line,
        network.submitter(),
        chaos.clone(),
    )?;
    let triggers = Arc::new(Triggers::default());
    let jobs = Jobs {
        library: library.clone(),
        workers: workers.submitter(),
        cache: Arc::new(Cache::default()),
        emails: emails.clone(),
        readers: config.readers.clone(),
        screen: screen.clone(),
        chaos: chaos.clone(),
    };

    let mut host = Host::builder();
    host.name("blog")
        .start_timeout(options.start_timeout)
        .stop_timeout(options.stop_timeout);

    // The sink, and what is sent to it.
    let mut way_to_sink = Vec::new();
    if let Some(sink) = own_sink {
        host.service("sink", move || sink.clone());
        way_to_sink.push("sink");
    }
    host.pool("network", network).after(way_to_sink.clone());
    host.queue("emails", &emails.queue, 2, {
        let breaker = CircuitBreaker::builder("sink")
            .consecutive_failures(3)
            .open_for(Duration::from_millis(500))
            .build()?;
        let (emails, chaos) = (emails.clone(), chaos.clone());
        move || {
            if let Err(error) = chaos.at_start("emails") {
                panic!("{error}"); // a factory of handlers cannot fail
            }
            let sender = Sender {
                emails: emails.clone(),
                line,
                breaker: breaker.clone(),
                chaos: chaos.clone(),
            };
            move |email: Email, ctx: &ServiceContext| sender.send(email, ctx)
        }
    })
    .after(way_to_sink);
    host.batcher("events", &events.batcher);
    host.startup_task("analytics", {
        let (events, chaos) = (events.clone(), chaos.clone());
        move |_| {
            chaos.at_start("analytics")?;
            Ok(events.resume()?)
        }
    })
    .after(["events"]);

    // The posts.
    host.pool("workers", workers);
    let mut first = vec!["workers"];
    match (options.reindex, config.may_reindex) {
        (true, true) => {
            let (library, chaos) = (library.clone(), chaos.clone());
            host.startup_task("reindex", move |_| {
                chaos.at_start("reindex")?;
                chaos.at_work("reindex")?;
                library.forget_saved();
                Ok(())
            });
            first.push("reindex");
        }
        (true, false) => warn!("not indexed anew: \"reindex\" is false in blog.json"),
        (false, _) => {}
    }
    let watcher = Watcher {
        library: library.clone(),
        workers: jobs.workers.clone(),
        chaos: chaos.clone(),
    };
    let is_post = |path: &std::path::Path| path.extension().is_some_and(|it| it == "md");
    let watch = Watch::new(&options.folder).only(is_post);
    host.watch("posts", watch, move |changes, ctx| {
        watcher.read(changes, ctx)
    })
    .after(first);
    let search = Search {
        library: library.clone(),
        index,
        workers: jobs.workers.clone(),
        events: events.clone(),
        triggers: triggers.clone(),
        mood,
        screen: screen.clone(),
        lines: search::typed()?,
        chaos: chaos.clone(),
    };
    host.service("search", move || search.clone())
        .after(["posts", "analytics"]);

    // What goes by the clock.
    jobs.add(&config, &mut host, &scheduler, &triggers);
    host.scheduler("schedules", &scheduler)
        .after(["links", "cache", "newsletter", "emails"]);

    if !options.visitors.is_zero() {
        let visitors = Visitors {
            library: library.clone(),
            cache: jobs.cache.clone(),
            events: events.clone(),
            emails: emails.clone(),
            readers: config.readers,
            pause: options.visitors,
        };
        let visit = move |ctx: &ServiceContext| visitors.visit(ctx);
        host.service("visitors", chaos.service("visitors", visit))
            .after(["posts", "emails", "analytics"])
            .on_failure(Restart::new());
    }
    let status = Status {
        screen: screen.clone(),
        scheduler: scheduler.clone(),
    };
    let show = move |ctx: &ServiceContext| status.show(ctx);
    host.service("status", chaos.service("status", show))
        .on_failure(FailurePolicy::Ignore);

    let host = host.build()?;
    if let Some(time) = options.run_for {
        let handle = host.handle();
        scheduler
            .entry("end", Schedule::after(time))
            .run(move |_| {
                handle.request_stop("its time is over");
                Ok(())
            })?;
    }

    // To the end of this function: another Ctrl-C must not get between the report and the
    // files.
    let _signals = host.handle().stop_on_signal()?;
    let report = host.run();
    screen.clear();
    let (unsent, unflushed) = (emails.outbox.save()?, events.outbox.save()?);
    library.save(&saved)?;

    let unread = library.unread();
    println!(
        "posts: {} indexed, {} not",
        library.posts().len(),
        unread.len()
    );
    tell_account("emails", &emails.outbox, unsent.len());
    tell_account("events", &events.outbox, unflushed.len());
    let unread: Vec<String> = unread
        .iter()
        .map(|(path, why)| format!("{}: {why}", path.display()))
        .collect();
    list("not indexed", &unread);
    list("not sent", &unsent);
    list("not flushed", &unflushed);
    if !report.is_clean() {
        let _ = writeln!(io::stderr(), "{report}");
    }
    let is_done = unsent.is_empty() && unflushed.is_empty() && unread.is_empty();
    Ok(match (report.exit_code(), is_done) {
        (0, false) => ExitCode::from(TRY_AGAIN),
        (code, _) => ExitCode::from(code),
    })
}

fn tell_account<T: Item>(what: &str, outbox: &Outbox<T>, kept: usize) {
    let (account, path) = (outbox.account(), outbox.path());
    println!(
        "{what}: {} made, {} sent, {} refused, {kept} kept in {path}",
        account.made, account.sent, account.refused
    );
}

/// So many are named.
const NAMED: usize = 10;

/// The first of them, a line each.
fn listed(items: &[impl Display]) -> String {
    let named = items.iter().take(NAMED).map(|item| format!("\n  {item}"));
    let more = match items.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    named.collect::<String>() + &more
}

fn list(what: &str, items: &[impl Display]) {
    if !items.is_empty() {
        println!("{what}:{}", listed(items));
    }
}
