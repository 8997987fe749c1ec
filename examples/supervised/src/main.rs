//! A service that fails in every way there is, and what becomes of its host.
//!
//! Three services: "index" needs "db", and "web" needs "index". It is "index" that
//! fails; if nothing stops the host before, "web" does, after two seconds.
//!
//! ```text
//! $ cargo run -p supervised -- --fail run --policy restart
//! host supervised: service "index" failed in run: no storage space
//! host supervised: service "index" is started again in 0.100 s
//! host supervised: service "index" failed in run: no storage space
//! host supervised: service "index" is started again in 0.100 s
//! host supervised: service "index" failed in run: no storage space
//! host supervised: service "index" failed too often
//! host supervised: NOT CLEAN after 0.000 s (deadline 1 s): 1 failed of 3 services
//!   why        service "index" failed in run: no storage space
//!   phases     start 0.001 s   ran 0.5 s   delay 0.000 s   stop 0.000 s
//!   failed     "index"  run: no storage space  restarts 2
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//!   also       service "index" failed in run: no storage space
//!   also       service "index" failed in run: no storage space
//! ```
//!
//! Up to the report this is the log, on stderr; `RUST_LOG=info` logs more. A report
//! that is clean is printed on stdout. `--help` lists the ways to fail and the exit codes.
//!
//! # The last lines
//!
//! A start that fails stops the host, whatever the policy. A restart mends a failure,
//! which is then only told of; an ignored one still decides the exit code. Nothing
//! helps where the code does not end: it is left behind.
//!
//! ```text
//! $ supervised --policy stop
//!   stopped    "db"  after 0.000 s
//!   stopped    "index"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//! exit code 0
//!
//! $ supervised --fail start
//!   failed     "index"  start: no such table
//!   not started  "web"
//!   stopped    "db"  after 0.000 s
//! exit code 1
//!
//! $ supervised --fail start-panic --policy restart
//!   panicked   "index"  start: no such column
//!   not started  "web"
//!   stopped    "db"  after 0.000 s
//! exit code 1
//!
//! $ supervised --fail start-hang --policy ignore
//!   failed     "index"  start: did not start within 0.5 s
//!   not started  "web"
//!   stopped    "db"  after 0.000 s
//! exit code 1
//!
//! $ supervised --fail run
//!   failed     "index"  run: no storage space
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//! exit code 1
//!
//! $ supervised --fail run --policy restart
//!   failed     "index"  run: no storage space  restarts 2
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//!   also       service "index" failed in run: no storage space
//!   also       service "index" failed in run: no storage space
//! exit code 1
//!
//! $ supervised --fail run --policy restart --times 1
//!   stopped    "db"  after 0.000 s
//!   stopped    "index"  after 0.000 s  restarts 1
//!   stopped    "web"  after 0.000 s
//!   also       service "index" failed in run: no storage space
//! exit code 0
//!
//! $ supervised --fail run --policy ignore
//!   failed     "index"  run: no storage space
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//! exit code 1
//!
//! $ supervised --fail permanent --policy restart
//!   failed     "index"  run: the index is of another version
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//! exit code 1
//!
//! $ supervised --fail panic
//!   panicked   "index"  run: no such row
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//! exit code 1
//!
//! $ supervised --fail return
//!   failed     "index"  run: it returned, though its stop was not requested; declare it with `one_shot` if it may
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//! exit code 1
//!
//! $ supervised --fail heartbeat --policy restart --times 1
//!   stopped    "db"  after 0.000 s
//!   stopped    "index"  after 0.000 s  restarts 1
//!   stopped    "web"  after 0.000 s
//!   also       service "index" timed out in run: no heartbeat for 0.5 s
//! exit code 0
//!
//! $ supervised --fail hang
//!   abandoned  "index"  stop requested 0.7 s ago  last heartbeat 0.1 s ago
//!              index   last note: "indexing"   thread 18824: sleeping in clock_nanosleep
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//! exit code 75
//!
//! $ supervised --fail stuck --policy restart
//!   abandoned  "index"  stop requested 0.7 s ago
//!              index   last note: "indexing"   thread 18833: sleeping in futex
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//!   also       service "index" timed out in run: no heartbeat for 0.5 s
//!   also       service "index" timed out in stop: did not end within 1 s
//! exit code 1
//!
//! $ supervised --fail stop --policy ignore
//!   failed     "index"  stop: cannot rename the index
//!   stopped    "db"  after 0.000 s
//!   stopped    "web"  after 0.000 s
//! exit code 1
//! ```

mod index;
#[path = "../../common/program.rs"]
mod program;

use clap::{Parser, ValueEnum};
use env_logger::Env;
use groundcrew::host::{FailurePolicy, Restart};
use groundcrew::retry::Backoff;
use groundcrew::{Host, HostReport};
use index::{Fail, Index, wait_for_the_stop};
use std::io::{self, Write};
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  nothing failed, or a restart mended it
    1  \"index\" failed, and that was its end
    2  the command line is wrong
   75  \"index\" did not end in time, and had not failed before
  130  the third Ctrl-C";

/// A service that fails, and what becomes of its host.
#[derive(Parser)]
#[command(name = "supervised", after_help = EXIT_CODES)]
struct Options {
    /// How "index" fails; without this it does not
    #[arg(long, value_name = "HOW")]
    fail: Option<Fail>,

    /// How often it fails; without this each time
    #[arg(long, value_name = "COUNT", default_value_t = u32::MAX, hide_default_value = true)]
    times: u32,

    /// What the host does about it
    #[arg(long, default_value = "stop")]
    policy: Policy,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    Stop,
    Restart,
    Ignore,
}

impl From<Policy> for FailurePolicy {
    fn from(policy: Policy) -> FailurePolicy {
        match policy {
            Policy::Stop => FailurePolicy::StopHost,
            Policy::Ignore => FailurePolicy::Ignore,
            Policy::Restart => Restart::new()
                .backoff(Backoff::fixed(Duration::from_millis(100)))
                .limit(2, Duration::from_secs(60))
                .into(),
        }
    }
}

fn main() -> program::Result<HostReport> {
    env_logger::Builder::from_env(Env::default().default_filter_or("warn"))
        .format(|line, record| writeln!(line, "{}", record.args()))
        .init();
    let options = Options::parse();

    let mut host = Host::builder();
    host.name("supervised")
        .start_timeout(Duration::from_millis(500))
        .stop_timeout(Duration::from_secs(1));
    host.background("db", wait_for_the_stop);
    let mut incarnation = 0;
    host.service("index", move || {
        incarnation += 1;
        Index {
            fail: options.fail.filter(|_| incarnation <= options.times),
        }
    })
    .after("db")
    .heartbeat_timeout(Duration::from_millis(500))
    .fail_on_missed_heartbeat()
    .on_failure(options.policy);
    host.background("web", |ctx| {
        ctx.sleep(Duration::from_secs(2))?;
        ctx.request_stop("the example is over");
        wait_for_the_stop(ctx)
    })
    .after("index");

    let report = host.build()?.run_until_signal()?;
    if report.is_clean() {
        // Returned from `main` it is printed if it is not clean.
        let text = report.to_string();
        let _ = program::finish(|| true, move || writeln!(io::stdout(), "{text}"));
    }
    Ok(report)
}
