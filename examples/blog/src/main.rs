//! A blog with a dozen background services, from a folder of markdown: what this crate is
//! for, all at once.
//!
//! ```text
//! $ cargo run --release -p blog -- posts --generate 500
//! 500 posts are in posts
//! $ cargo run --release -p blog -- posts
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
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! posts: 500 indexed, 0 not
//! emails: 0 found, 16 made, 10 sent, 0 refused, 6 kept in target/blog/emails.jsonl
//! events: 0 found, 51 made, 21 sent, 0 refused, 30 kept in target/blog/events.jsonl
//! not sent:
//!   email 78ec388e-000010 to grace@example.com: a comment on stocordan rihucorcor 324
//!   ...
//! not flushed:
//!   event 26678514-000021: view of posts/002/post-00217.md, not cached
//!   ...
//! host blog: NOT CLEAN after 3.601 s (deadline 8 s): 14 services, 36 items unstarted
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
//! `--once` reads and indexes everything with one worker and with all of them, seven times in
//! turn, and exits. `--chaos SERVICE=FAULT` lets a service fail: `chaos.rs` lists what
//! follows from it, for each. `--help` lists the other options and the exit codes.
//!
//! # What becomes of the work
//!
//! An email or an event is in its outbox from when it is made until the sink has acknowledged
//! it, wherever else it is: in a queue, in hand, or waiting for its next attempt. At the end
//! the outbox is written to a file, whatever was abandoned. So nothing is lost. The end waits
//! a second for the answer to what was already sent to the sink, also after the second Ctrl-C
//! or when the process was frozen for longer than the stop may take; only what gets no answer
//! by then may be sent twice, and is named. That holds for every stop that makes its report. A
//! SIGKILL and the third Ctrl-C leave the file as it was when the blog started: what this run
//! made is lost then, and what it sent of that file is sent again. So it is for a file that
//! cannot be written, since the disk is full, say; but then everything is named that should be
//! in it. A post that was not read is read by the next start.

mod account;
mod archive;
mod blog;
mod chaos;
mod config;
mod email;
mod event;
mod generate;
mod index;
mod jobs;
mod line;
#[path = "../../common/lock.rs"]
mod lock;
mod once;
#[path = "../../common/outbox.rs"]
mod outbox;
mod post;
#[path = "../../common/program.rs"]
mod program;
mod screen;
mod search;
mod services;
mod sink;
#[path = "../../common/spool.rs"]
mod spool;
mod status;
mod visitors;
mod watcher;

use chaos::Choice;
use clap::Parser;
use clap::builder::RangedU64ValueParser;
use config::Config;
use env_logger::Env;
use program::milliseconds;
use std::fmt::Display;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  everything is indexed and sent, or refused for good
    1  a service failed, or there is something wrong with a file; stderr says what
    2  the command line is wrong
   75  something is left: start it again
  130  the third Ctrl-C; `--once` was interrupted";

/// A blog, from a folder of markdown.
#[derive(Parser)]
#[command(name = "blog", after_help = EXIT_CODES)]
struct Options {
    /// Where the posts are
    folder: PathBuf,

    /// Write this number of posts into the folder, and exit
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
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent())]
    sink_failures: u32,

    /// The blog's own sink is down, until `:sink up` is typed
    #[arg(long)]
    sink_down: bool,

    /// The time between two visitors; 0 is none at all
    #[arg(long, value_name = "MILLISECONDS", default_value = "200", value_parser = milliseconds)]
    visitors: Duration,

    /// What goes wrong, as in search=panic
    #[arg(long, value_name = "SERVICE=FAULT", conflicts_with = "once")]
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

fn percent() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(..=100)
}

impl Options {
    fn threads(&self) -> io::Result<usize> {
        match self.threads {
            Some(threads) => Ok(threads),
            None => Ok(thread::available_parallelism()?.get()),
        }
    }
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(Env::default().default_filter_or("warn")).init();
    program::run(|| run(&Options::parse()))
}

fn run(options: &Options) -> program::Result<ExitCode> {
    if let Some(count) = options.generate {
        generate::generate(&options.folder, count)?;
        let folder = options.folder.display();
        program::print(format!("{count} posts are in {folder}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let about = |what: &dyn Display| format!("{}: {what}", options.folder.display());
    fs::read_dir(&options.folder).map_err(|error| about(&error))?;
    if options.once {
        return once::index_once(&options.folder, options.threads()?, options.stop_timeout);
    }
    let config = Config::read(&options.folder)?;
    let mut lock = lock::open(&options.state.join("lock"))?;
    let state = options.state.display();
    let _lock = lock::take(&mut lock, "blog", state, "--state another folder")?;
    let (blog, host) = services::assemble(options, &config)?;
    program::bounded_by(host.handle().stop_on_signal()?);
    let report = host.run();
    Ok(account::settle(&blog, &report))
}
