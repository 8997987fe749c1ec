//! Four services that need each other: a guest book on the web.
//!
//! ```text
//! $ cargo run -p services
//! pool guests: open, 4 workers, 100 places
//! book: 0 guests so far
//! host guests: service "book" is up after 0.001 s
//! pages: 2 pages rendered
//! host guests: service "pages" is up after 0.501 s
//! host guests: service "workers" is up after 0.000 s
//! web: http://127.0.0.1:8080/your-name
//! host guests: service "web" is up after 0.000 s
//! host guests: 4 services are up after 0.502 s
//! web: Ada was here
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! host guests: stopping: signal received
//! web: closed after 1 request
//! pool guests: closed, 0 queued
//! pool guests: stop: clean after 0.000 s (deadline 5.2 s): 1 accepted
//!   completed 1   panicked 0   cancelled 0   expired 0
//! book: 1 guest entered
//! host guests: clean after 0.018 s (deadline 8 s): 4 services
//!   why        signal received
//!   phases     start 0.502 s   ran 9.3 s   delay 0.000 s   stop 0.018 s
//!   stopped    "book"  after 0.017 s
//!   stopped    "pages"  after 0.000 s
//!   stopped    "workers"  after 0.001 s
//!   stopped    "web"  after 0.000 s
//!   pool "guests": stop: clean after 0.000 s (deadline 5.2 s): 1 accepted
//!     completed 1   panicked 0   cancelled 0   expired 0
//! ```
//!
//! The lines that begin with `host` and `pool` are the crate's own, from the log. Meanwhile,
//! in another terminal: `curl http://127.0.0.1:8080/Ada`. `--help` lists the options and exit codes.
//!
//! # How it works
//!
//! ```text
//! start:  book  ──┐                         stop:                    ┌──> book
//!                 ├──> workers ──> web              web ──> workers ─┤
//!         pages ──┘                                                  └──> pages
//! ```
//!
//! "book" opens a file, "pages" renders what the web shows: neither needs the other, so
//! they start together. "workers", a pool, needs both, and "web" needs that. The stop goes the
//! other way, so that every guest who is greeted still gets into the book.
//!
//! "web" only accepts connections, and a worker serves each: a client that says nothing
//! delays no other one. When "workers" stops, the connection of such a client is closed, and the
//! stop takes no time.

mod book;
#[path = "../../common/log_to_stdout.rs"]
mod log_to_stdout;
mod pages;
mod web;

use book::Book;
use clap::Parser;
use groundcrew::{Host, HostReport, Pool, channel};
use pages::{Pages, Warmer};
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use web::{Desk, Web};

const EXIT_CODES: &str = "\
Exit codes:
    0  it was stopped, and everything ended well
    1  a service failed: the port is taken, the file cannot be written
    2  the command line is wrong
   75  a task or a service did not end in time; the report names it
  130  the third Ctrl-C";

/// A guest book on the web, until Ctrl-C.
#[derive(Parser)]
#[command(name = "services", after_help = EXIT_CODES)]
struct Options {
    /// Where the guests are written down
    #[arg(long, value_name = "FILE", default_value = "target/guests")]
    book: PathBuf,

    /// 0 for any that is free
    #[arg(long, default_value = "8080")]
    port: u16,

    /// How long it takes to render the pages
    #[arg(long, value_name = "MILLISECONDS", default_value = "500")]
    warm_up: u64,
}

/// How many clients are served at once, and how many wait for that.
const WORKERS: usize = 4;
const PLACES: usize = 100;

fn main() -> Result<HostReport, Box<dyn Error + Send + Sync>> {
    log_to_stdout::init("info");
    let Options {
        book,
        port,
        warm_up,
    } = Options::parse();
    let (guests, entries) = channel::bounded(1000);
    let rendered = Arc::new(Mutex::new(Pages::new()));
    let pages = rendered.clone();
    let pool = Pool::builder().name("guests").threads(WORKERS);
    let pool = pool.queue_capacity(PLACES).build()?;
    let (workers, desk) = (pool.submitter(), Desk { guests, pages });

    let mut host = Host::builder();
    host.name("guests");
    host.service("book", move || Book::new(&book, &entries));
    host.service("pages", move || Warmer {
        pages: rendered.clone(),
        takes: Duration::from_millis(warm_up),
    });
    host.add("workers", pool).after(["book", "pages"]);
    host.service("web", move || Web::new(port, &workers, &desk))
        .after("workers");
    let host = host.build()?;
    log_to_stdout::stop_when_unread(host.handle());
    Ok(host.run_until_signal()?)
}

/// As in "1 guest" and "2 guests".
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
