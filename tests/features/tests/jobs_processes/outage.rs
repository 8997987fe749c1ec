//! A host whose file cannot be used for a while.

use super::{Nap, completed, naps, new_file, wait_until};
use crate::common::{LONG, within};
use groundcrew::Host;
use groundcrew::host::RunningHost;
use groundcrew::jobs::{JobContext, Jobs};
use groundcrew::store::sqlite::SqliteStore;
use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

fn start(jobs: &Jobs) -> RunningHost {
    let mut host = Host::builder();
    host.stop_timeout(LONG);
    host.jobs("naps", jobs).on(|_: Nap, _: &JobContext| ());
    let host = host.build().unwrap().start().unwrap();
    wait_until(|| host.handle().is_ready());
    host
}

#[test]
fn while_its_file_is_moved_away_a_host_is_not_ready_and_then_it_goes_on() {
    within(LONG, "a file that is moved", || {
        let (_folder, path) = new_file();
        let jobs = Jobs::open(SqliteStore::open(&path).unwrap()).unwrap();
        let host = start(&jobs);
        let away = path.with_extension("away");
        fs::rename(&path, &away).unwrap();
        wait_until(|| !host.handle().is_ready());
        jobs.enqueue(&Nap { ms: 0 }).unwrap_err();
        assert!(!path.exists(), "a new file was made");

        fs::rename(&away, &path).unwrap();
        wait_until(|| host.handle().is_ready());
        jobs.enqueue_many(&naps(10, 0)).unwrap();
        wait_until(|| completed(&jobs) == 10);
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.jobs("naps").unwrap().completed(), 10);
    });
}

#[test]
fn while_the_disk_is_full_a_host_is_not_ready_and_then_it_completes_what_it_ran() {
    let (folder, _) = new_file();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    }
    within(LONG, "a full disk", || {
        let jobs = Jobs::open(SqliteStore::open(folder.path().join("jobs.db")).unwrap()).unwrap();
        let host = start(&jobs);
        let filler = folder.path().join("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length - (200 << 10)).unwrap();
        drop(file);
        // The log takes what there is room for.
        let mut taken = 0;
        while jobs.enqueue(&Nap { ms: 0 }).is_ok() {
            taken += 1;
        }
        assert!(taken > 0);
        wait_until(|| !host.handle().is_ready());

        fs::remove_file(&filler).unwrap();
        wait_until(|| host.handle().is_ready() && completed(&jobs) == taken);
        let report = host.stop();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.jobs("naps").unwrap().completed(), taken);
    });
    let unmounted = Command::new("umount").arg("-l").arg(folder.path()).status();
    assert!(unmounted.unwrap().success());
}
