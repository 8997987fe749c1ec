//! A process that is frozen for longer than a lease lasts.

use super::{Nap, Player, completed, new_file, say, signal, wait_until};
use crate::common::{LONG, within};
use groundcrew::jobs::{JobContext, Jobs};
use groundcrew::store::JobState;
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::testing::ManualClock;
use groundcrew::{Host, Retry};
use std::fs::{self, File};
use std::path::Path;
use std::process::exit;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Runs a job until there is a certain file, and says how many leases were lost.
pub(super) fn hold(path: &Path) {
    let jobs = Jobs::open(SqliteStore::open(path).unwrap()).unwrap();
    let go = path.with_extension("go");
    let mut host = Host::builder();
    host.stop_timeout(LONG);
    host.jobs("naps", &jobs)
        .threads(1)
        .on(move |_: Nap, ctx: &JobContext| {
            say(&format!("begun {}", ctx.id()));
            wait_until(|| go.exists());
        });
    let host = host.build().unwrap();
    let _signals = host.handle().stop_on_signal().unwrap();
    let report = host.run();
    let lost = report.jobs("naps").unwrap().lease_lost();
    say(&format!("lost {lost}"));
    exit(report.exit_code().into());
}

#[test]
fn a_process_frozen_for_thirty_seconds_loses_its_lease_and_what_it_says_then_is_refused() {
    within(LONG, "a frozen process", || {
        let (_folder, path) = new_file();
        let jobs = Jobs::open(SqliteStore::open(&path).unwrap()).unwrap();
        let id = jobs.enqueue(&Nap { ms: 0 }).unwrap();
        let mut player = Player::new("hold", &path);
        player.next("begun ").unwrap();
        let pid = player.child.id().to_string();
        signal("-STOP", &pid);

        // For another process 30 s pass in less.
        let clock = ManualClock::new();
        let (begin, begun) = mpsc::channel();
        let mut host = Host::builder();
        host.clock(&clock);
        host.jobs("naps", &jobs)
            .on(move |_: Nap, ctx: &JobContext| begin.send((ctx.attempt(), ctx.fence())).unwrap())
            .retry::<Nap>(Retry::fixed(Duration::from_millis(1)).attempts(3));
        let host = host.build().unwrap().start().unwrap();
        wait_until(|| host.handle().is_ready());
        let (mut since, mut second) = (Instant::now(), Duration::from_millis(40));
        let (attempt, fence) = loop {
            if let Ok(begun) = begun.recv_timeout(second) {
                break begun;
            }
            clock.advance(Duration::from_secs(1));
            // It was frozen while it wrote, and so nobody else can; or seconds are too short for
            // this machine: a look after 10 of them does not count.
            if since.elapsed() > Duration::from_secs(10) {
                second *= 2;
                signal("-CONT", &pid);
                thread::sleep(Duration::from_millis(100));
                signal("-STOP", &pid);
                since = Instant::now();
            }
        };
        assert_eq!(attempt, 2);
        assert!(clock.elapsed() >= Duration::from_secs(30));
        wait_until(|| completed(&jobs) == 1);

        signal("-CONT", &pid);
        File::create(path.with_extension("go")).unwrap();
        signal("-TERM", &pid);
        assert_eq!(player.all("lost "), ["1"]);
        assert_eq!(player.child.wait().unwrap().code(), Some(75));
        let job = jobs.get(id).unwrap().unwrap().info;
        assert_eq!(
            (job.state, job.fence),
            (JobState::Completed, Some(fence)),
            "the outcome of the second attempt stands"
        );
        fs::remove_file(path.with_extension("go")).unwrap();
        let report = host.stop();
        assert_eq!(report.jobs("naps").unwrap().completed(), 1);
    });
}
