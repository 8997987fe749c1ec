//! Three services, of which one needs the other two: a guest book on the web.
//!
//! ```text
//! $ cargo run -p services
//! book: 0 guests so far
//! host guests: service "book" is up after 0.001 s
//! pages: 2 pages rendered
//! host guests: service "pages" is up after 0.501 s
//! web: http://127.0.0.1:8080/your-name
//! host guests: service "web" is up after 0.000 s
//! host guests: 3 services are up after 0.502 s
//! web: Ada was here
//! ^C
//! signal received, stopping; the next one reports at once what still runs (within 0.5 s it is the same request)
//! host guests: stopping: signal received
//! web: closed after 1 request
//! book: 1 guest entered
//! host guests: clean after 0.018 s (deadline 8 s): 3 services
//!   why        signal received
//!   phases     start 0.502 s   ran 9.3 s   delay 0.000 s   stop 0.018 s
//!   stopped    "book"  after 0.000 s
//!   stopped    "pages"  after 0.000 s
//!   stopped    "web"  after 0.017 s
//! ```
//!
//! The lines that begin with `host guests` are the host's own, from the log. Meanwhile,
//! in another terminal: `curl http://127.0.0.1:8080/Ada`. `--help` lists the options and exit codes.
//!
//! # How it works
//!
//! ```text
//! start:  book  ──┐              stop:         ┌──> book
//!                 ├──> web              web ───┤
//!         pages ──┘                            └──> pages
//! ```
//!
//! "book" opens a file, "pages" renders what the web shows: neither needs the other, so
//! they start together. "web" needs both, and so it starts after the slower of the two,
//! and its stop is requested before either: everybody who is greeted still gets into the book.

mod book;
mod pages;
mod web;

use book::Book;
use clap::Parser;
use env_logger::{Env, Target};
use groundcrew::{Host, HostReport, channel};
use pages::{Pages, Warmer};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use web::Web;

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

fn main() -> Result<HostReport, Box<dyn Error + Send + Sync>> {
    let log = Env::default().default_filter_or("info");
    env_logger::Builder::from_env(log)
        .format(|line, record| writeln!(line, "{}", record.args()))
        .target(Target::Stdout)
        .init();
    let Options {
        book,
        port,
        warm_up,
    } = Options::parse();
    let (guests, entries) = channel::bounded(1000);
    let rendered = Arc::new(Mutex::new(Pages::new()));
    let shown = rendered.clone();

    let mut host = Host::builder();
    host.name("guests");
    host.service("book", move || Book::new(&book, &entries));
    host.service("pages", move || Warmer {
        pages: rendered.clone(),
        takes: Duration::from_millis(warm_up),
    });
    host.service("web", move || Web::new(port, &guests, &shown))
        .after(["book", "pages"]);
    Ok(host.build()?.run_until_signal()?)
}

/// As in "1 guest" and "2 guests".
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
