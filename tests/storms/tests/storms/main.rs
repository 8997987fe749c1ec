//! Storms: the examples `queue`, `mailer`, `analytics` and `blog`, started again and again,
//! stopped by one signal or two, killed, frozen, and with a disk that is full or read-only.
//! After each start every item is accounted for, from outside: none is lost, and none is
//! handed over twice but where the example's documentation says so.
//!
//! `GROUNDCREW_STARTS=1000` starts each of them at least as often, `GROUNDCREW_MINUTES=10` goes
//! on for as long, `GROUNDCREW_SEED=7` draws the same faults again. `.ci/storms` does it at
//! length.
#![cfg(target_os = "linux")]

#[path = "../../../common/mod.rs"]
mod common;

mod chain;
mod disk;
mod fault;
mod items;
mod mails;
mod sink;
mod tally;

use common::examples::example;
use disk::can_mount;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use tally::Tally;
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Queue,
    Mailer,
    Analytics,
    Blog,
}

const PROGRAMS: [Program; 4] = [
    Program::Queue,
    Program::Mailer,
    Program::Analytics,
    Program::Blog,
];

/// What all chains share.
pub(crate) struct Storm {
    seed: u64,
    can_mount: bool,
    /// The posts of all blogs, which none of them changes.
    posts: PathBuf,
}

/// Each chain is so many starts in one folder, and one more that is left alone.
const LINKS: usize = 9;

/// They sleep most of the time.
const AT_ONCE: usize = 12;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text}: a whole number is wanted")))
}

#[test]
fn whatever_comes_nothing_is_lost_and_nothing_is_handed_over_twice() {
    let starts = number("GROUNDCREW_STARTS").unwrap_or(20) as usize;
    let time = Duration::from_secs(60 * number("GROUNDCREW_MINUTES").unwrap_or(0));
    let seed = number("GROUNDCREW_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("storms: GROUNDCREW_SEED={seed} GROUNDCREW_STARTS={starts}");
    let folder = TempDir::new().unwrap();
    let mut generate = example("blog", &folder);
    let made = generate.args(["posts", "--generate", "20"]).output();
    assert!(made.unwrap().status.success());
    let storm = Storm {
        seed,
        can_mount: can_mount(folder.path()),
        posts: folder.path().join("posts"),
    };
    if !storm.can_mount {
        println!("SKIPPED: full and read-only disks, since no tmpfs can be mounted here");
    }

    let chains = PROGRAMS.len() * starts.div_ceil(LINKS + 1);
    let (next, began) = (AtomicUsize::new(0), Instant::now());
    let tallies = Mutex::new(PROGRAMS.map(Tally::new));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= chains && began.elapsed() >= time {
                        return;
                    }
                    let which = number % PROGRAMS.len();
                    let program = PROGRAMS[which];
                    let mut tally = Tally::new(program);
                    let chain = AssertUnwindSafe(|| {
                        chain::run(&storm, program, number as u64, &mut tally);
                    });
                    if catch_unwind(chain).is_err() {
                        println!("storms: {program:?}, chain {number} of seed {seed}, failed");
                        tally.failed += 1;
                    }
                    tallies.lock().unwrap()[which].add(&tally);
                }
            });
        }
    });
    let tallies = tallies.into_inner().unwrap();
    println!("{}", tally::table(&tallies));
    println!("storms: seed {seed}, {:.0?}", began.elapsed());
    let failed: usize = tallies.iter().map(|tally| tally.failed).sum();
    assert_eq!(failed, 0, "chains failed, see above");
}
