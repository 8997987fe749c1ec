//! The file on which a scheduler remembers its runs: what it may be, who may have it, and what is
//! on it whenever a process is killed. What is made up for is in `tests/features`, by a clock that
//! the tests move.
#![cfg(unix)]

mod common;

use common::scenario::{SCENARIO, play};
use common::{Gate, LONG, within};
use groundcrew::channel::{Receiver, Sender, unbounded};
use groundcrew::schedule::{MisfirePolicy, OverlapPolicy, RememberError};
use groundcrew::{BoxError, Host, Pool, Schedule, Scheduler};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const HOUR: Duration = Duration::from_secs(3600);

fn scheduler() -> (Pool, Scheduler) {
    let pool = Pool::new(1).unwrap();
    let scheduler = Scheduler::new(pool.submitter());
    (pool, scheduler)
}

fn remember(file: &Path) -> Result<Scheduler, RememberError> {
    let (_, scheduler) = scheduler();
    scheduler.remember(file).map(|()| scheduler)
}

fn refused(file: &Path) -> String {
    let error = remember(file).unwrap_err();
    assert!(!format!("{error:?}").is_empty());
    format!("{error:?}")
}

/// A file as a scheduler leaves it that has had one run of an appointment.
fn sample(file: &Path) -> String {
    let (pool, scheduler) = scheduler();
    scheduler.remember(file).unwrap();
    let entry = scheduler.entry("it", Schedule::at(UNIX_EPOCH));
    entry.run(|_| Ok(())).unwrap();
    let entry = scheduler.entry("hourly", Schedule::every(HOUR));
    entry.run(|_| Ok(())).unwrap();
    scheduler.start().unwrap();
    pool.wait_idle();
    scheduler.stop();
    fs::read_to_string(file).unwrap()
}

#[test]
fn a_file_that_is_no_whole_one_of_this_version_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedules");
    let whole = sample(&file);
    let mut cases = vec![
        (
            "#!/bin/sh\nexit 0\n".to_owned(),
            "was not written by a scheduler",
        ),
        (
            whole.replacen(" 1\n", " 2\n", 1),
            "has format 2, of a newer groundcrew",
        ),
        (
            whole.replacen("every", "\u{0}very\n", 1),
            "is damaged: line ",
        ),
        (
            whole.clone() + "end\n",
            "is damaged: line 5 is not the last one",
        ),
        (
            whole.replace('\n', "\r\n"),
            "is damaged: line 1 has no version",
        ),
    ];
    for end in 0..whole.len() {
        cases.push((whole[..end].to_owned(), "is damaged: line "));
    }
    for (text, message) in cases {
        fs::write(&file, &text).unwrap();
        let error = refused(&file);
        assert!(error.contains(message), "{text:?}: {error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    let foreign = folder.path().join("foreign");
    fs::write(&foreign, [0xff, 0xfe]).unwrap();
    assert!(refused(&foreign).contains("was not written by a scheduler"));
    assert_eq!(fs::read(&foreign).unwrap(), [0xff, 0xfe]);
    assert!(!folder.path().join("foreign.lock").exists());
    fs::write(&file, &whole).unwrap();
    remember(&file).unwrap();
}

#[test]
fn a_path_that_cannot_be_a_file_is_refused_with_what_the_system_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("folder")).unwrap();
    assert!(refused(&path("folder")).contains("it is not a regular file"));
    assert!(refused(Path::new("/dev/full")).contains("it is not a regular file"));
    assert!(refused(&path("none/schedules")).contains("No such file or directory"));
    assert!(refused(Path::new("")).contains("cannot be read"));
    assert!(refused(&path("folder").join("..")).contains("it is not a regular file"));
    // A disk that does not take the first write.
    fs::create_dir(path("schedules.new")).unwrap();
    let error = refused(&path("schedules"));
    assert!(error.contains("cannot be written: "), "{error}");
    assert!(!path("schedules").exists());
}

#[test]
fn a_file_that_may_not_be_read_or_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedules");
    sample(&file);
    for (mode, message) in [
        (0o200, "cannot be read: Permission denied"),
        (0o400, "cannot be written: Permission denied"),
    ] {
        fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        if File::options().append(true).read(true).open(&file).is_ok() {
            eprintln!("SKIPPED: root may read and write all files");
            return;
        }
        let error = refused(&file);
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn what_the_owner_has_set_stays_the_permissions_and_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedules");
    sample(&file);
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let link = folder.path().join("link");
    symlink(&file, &link).unwrap();
    // It is held open, so that its number is not given to the new one.
    let before = File::open(&file).unwrap();
    sample(&link);
    let after = fs::metadata(&file).unwrap();
    let before = before.metadata().unwrap();
    assert_ne!(after.ino(), before.ino(), "it was replaced");
    assert_eq!(after.mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    // The link and the file have one lock.
    let _first = remember(&link).unwrap();
    assert!(refused(&file).contains("another scheduler"));
}

#[test]
fn a_file_has_one_scheduler_at_a_time_and_a_scheduler_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedules");
    let (pool, first) = scheduler();
    first.remember(&file).unwrap();
    assert!(refused(&file).contains("another scheduler, of this process or of another one"));
    let twice = first.remember(folder.path().join("other")).unwrap_err();
    assert!(twice.to_string().contains("already; call `remember` once"));
    assert!(!folder.path().join("other").exists());
    let entry = first.entry("it", Schedule::every(HOUR));
    drop(entry.run(|_| Ok(())).unwrap());
    first.start().unwrap();
    drop(first);
    drop(remember(&file).unwrap());

    // It is too late once it is started.
    let second = Scheduler::new(pool.submitter());
    second.start().unwrap();
    let late = second.remember(&file).unwrap_err();
    assert!(late.to_string().contains("call `remember` before `start`"));
}

/// The warnings and the news of this process, as its logger gets them.
fn records() -> &'static Receiver<String> {
    struct Tell(Sender<String>);
    impl log::Log for Tell {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            if record.target() == "groundcrew::schedule" {
                self.0.send(record.args().to_string()).unwrap();
            }
        }
        fn flush(&self) {}
    }
    static RECORDS: OnceLock<Receiver<String>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let (tell, told) = unbounded();
        log::set_logger(Box::leak(Box::new(Tell(tell)))).unwrap();
        log::set_max_level(log::LevelFilter::Info);
        told
    })
}

/// Who looks at the records.
static TURN: Mutex<()> = Mutex::new(());

/// The first record with this text.
fn record(path: &Path, text: &str) -> String {
    let path = format!("{path:?}");
    let mut of_path = records().iter().filter(|record| record.contains(&path));
    of_path.find(|record| record.contains(text)).unwrap()
}

#[test]
fn a_write_that_fails_is_a_warning_and_the_schedules_go_on_until_it_succeeds_again() {
    within(LONG, "a failing write", || {
        let _turn = TURN.lock();
        records();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("schedules");
        let (pool, scheduler) = scheduler();
        scheduler.remember(&file).unwrap();
        let before = fs::read_to_string(&file).unwrap();
        let in_the_way = folder.path().join("schedules.new");
        fs::create_dir(&in_the_way).unwrap();

        let (tell, told) = unbounded();
        let entry = scheduler.entry("it", Schedule::every(Duration::from_millis(1)));
        entry.run(move |_| Ok(tell.send(())?)).unwrap();
        scheduler.start().unwrap();
        let warning = record(&file, "cannot be written");
        assert!(
            warning.contains("may be repeated after a restart"),
            "{warning}"
        );
        told.iter().take(told.len() + 3).for_each(drop);
        assert_eq!(fs::read_to_string(&file).unwrap(), before);

        fs::remove_dir(&in_the_way).unwrap();
        record(&file, "are remembered again");
        assert_ne!(fs::read_to_string(&file).unwrap(), before);
        scheduler.stop();
        assert!(pool.stop(LONG).is_clean());
    });
}

/// A file system of 64 KiB, until it is dropped; `None`, with a line that says so, where none can
/// be mounted.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
        let output = mount.arg(folder.path()).output();
        if !output.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: no small file system can be mounted here");
            return None;
        }
        Some(SmallDisk(folder))
    }

    /// Nothing more goes onto it while this file is there.
    fn fill(&self) -> PathBuf {
        let file = self.0.path().join("ballast");
        let mut ballast = File::create(&file).unwrap();
        while ballast.write_all(&[1; 512]).is_ok() {}
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_costs_the_start_or_what_was_remembered_last_and_never_the_file() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    within(LONG, "a full disk", || {
        let _turn = TURN.lock();
        records();
        let file = disk.0.path().canonicalize().unwrap().join("schedules");
        let whole = sample(&file);
        let ballast = disk.fill();
        let error = refused(&file);
        assert!(error.contains("No space left on device"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), whole);
        fs::remove_file(&ballast).unwrap();

        let (pool, scheduler) = scheduler();
        scheduler.remember(&file).unwrap();
        let ballast = disk.fill();
        let entry = scheduler.entry("other", Schedule::every(HOUR));
        entry.run(|_| Ok(())).unwrap();
        scheduler.start().unwrap();
        record(&file, "No space left on device");
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 5);
        fs::remove_file(&ballast).unwrap();
        scheduler.stop();
        assert!(fs::read_to_string(&file).unwrap().contains("\tother\t"));
        assert!(pool.stop(LONG).is_clean());
    });
}

#[test]
fn a_run_that_ends_after_the_stop_of_its_scheduler_is_on_the_file_before_it_is_over() {
    within(LONG, "a late run", || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schedules");
        let (pool, scheduler) = scheduler();
        scheduler.remember(&file).unwrap();
        let gate = Gate::new();
        let (entrance, (tell, told)) = (gate.entrance(), unbounded());
        let entry = scheduler.entry("it", Schedule::at(UNIX_EPOCH));
        entry
            .run(move |_| {
                tell.send(())?;
                entrance.pass();
                Ok(())
            })
            .unwrap();
        scheduler.start().unwrap();
        told.recv().unwrap();
        scheduler.stop();
        let line = |next: &str| format!("{next}\t-\tit\tat 1970-01-01T00:00:00Z\n");
        let text = || fs::read_to_string(&file).unwrap();
        assert!(text().contains(&line("0.000000000")), "{}", text());
        drop(gate);
        assert!(pool.stop(LONG).is_clean());
        assert!(text().contains(&line("-")), "{}", text());
    });
}

// Processes.

#[test]
fn scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    let (scenario, file) = scenario.split_once(' ').unwrap();
    let file = Path::new(file);
    match scenario {
        "runs" => runs(file).unwrap(),
        "exits" => exits(file).unwrap(),
        other => panic!("no scenario {other}"),
    }
}

const PERIOD: Duration = Duration::from_millis(20);

/// Runs every 20 ms, makes up for all, and writes what each run was for, until it is killed.
fn runs(file: &Path) -> Result<(), BoxError> {
    let (pool, scheduler) = scheduler();
    scheduler.remember(file)?;
    let entry = scheduler.entry("it", Schedule::every(PERIOD));
    let entry = entry.misfire(MisfirePolicy::All(10_000));
    entry
        .overlap(OverlapPolicy::Concurrent(10_000))
        .run(|ctx| {
            let due = ctx.due().duration_since(UNIX_EPOCH)?;
            // In one piece, so that a kill does not cut it.
            let line = format!("due {}\n", due.as_nanos());
            if std::io::stdout().write_all(line.as_bytes()).is_err() {
                std::process::exit(3); // the test has failed
            }
            Ok(())
        })?;
    scheduler.start()?;
    pool.stop_handle().token().wait();
    Ok(())
}

/// Ends by `exit` right after a stop, as programs do.
fn exits(file: &Path) -> Result<(), BoxError> {
    let (pool, scheduler) = scheduler();
    scheduler.remember(file)?;
    let entry = scheduler.entry("it", Schedule::at(UNIX_EPOCH));
    entry.run(|_| {
        println!("it has run");
        Ok(())
    })?;
    let mut host = Host::builder();
    host.add("workers", pool);
    host.add("schedules", &scheduler);
    let report = host.build()?.start()?.stop();
    std::process::exit(i32::from(!report.is_clean()));
}

/// A child, killed when this is dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        Running(command.spawn().unwrap())
    }

    /// What its runs are for, until its end.
    fn dues(&mut self) -> impl Iterator<Item = u128> + use<> {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        // The harness may begin the line.
        lines.map_while(Result::ok).filter_map(|line| {
            let due = line.split("due ").nth(1)?;
            due.parse().ok()
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn runs_on(file: &Path) -> Command {
    play(&format!("runs {}", file.display()))
}

/// What the file says of the next run.
fn next_in(file: &Path) -> Option<u128> {
    let text = fs::read_to_string(file).ok()?;
    let line = text
        .lines()
        .find(|line| line.ends_with("\tit\tevery 20ms"))?;
    let (seconds, nanos) = line.split('\t').next()?.split_once('.')?;
    Some(seconds.parse::<u128>().unwrap() * 1_000_000_000 + nanos.parse::<u128>().unwrap())
}

/// The runs of all children so far, which are numbered from the first one.
#[derive(Default)]
struct Seen {
    /// The time of the last one, and its number.
    last: Option<(u128, i128)>,
    /// The first number that was not seen.
    next: i128,
}

impl Seen {
    /// They follow one another, from what the file said before, and leave out none.
    fn add(&mut self, dues: impl Iterator<Item = u128>, noted: Option<u128>) {
        let mut before = None;
        for due in dues {
            let this = self.number(due);
            match (before, noted) {
                (Some(before), _) => assert_eq!(this, before + 1),
                (None, Some(noted)) => assert_eq!(this, self.number(noted)),
                (None, None) => {}
            }
            assert!(this <= self.next, "{this} comes, {} was lost", self.next);
            self.next = self.next.max(this + 1);
            self.last = Some((due, this));
            before = Some(this);
        }
    }

    /// Rounded, since the clock of the machine may be slewed.
    fn number(&self, due: u128) -> i128 {
        let period = PERIOD.as_nanos() as i128;
        let (last, number) = self.last.unwrap_or((due, 0));
        number + (due as i128 - last as i128 + period / 2).div_euclid(period)
    }
}

#[test]
fn a_process_that_is_killed_at_any_moment_loses_no_run_and_the_file_is_whole() {
    within(LONG * 4, "kills", || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schedules");
        let mut seen = Seen::default();
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..24 {
            let noted = next_in(&file);
            let mut child = Running::start(&mut runs_on(&file));
            let mut dues = child.dues();
            // The first write comes with the start; the next one a second later.
            let count = if round % 6 == 5 { 60..90 } else { 1..4 };
            let some: Vec<u128> = dues.by_ref().take(random.usize(count)).collect();
            child.0.kill().unwrap();
            child.0.wait().unwrap();
            assert!(!some.is_empty());
            seen.add(some.into_iter().chain(dues), noted);
        }
        assert!(seen.next > 60, "{}", seen.next);
    });
}

/// The same with kills at the system calls of a write: around the flush of the new text, the
/// rename, and the flush of the folder; of the write at the start and of those that follow.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_killed_in_the_middle_of_a_write_leaves_a_whole_file() {
    let probe = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: strace cannot be had");
        return;
    }
    within(LONG * 4, "kills in a write", || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schedules");
        let mut seen = Seen::default();
        let mut killed = 0;
        for call in ["fsync", "/^rename", "/^unlink"] {
            for nth in 1..=3 {
                let noted = next_in(&file);
                let runs = runs_on(&file);
                let mut command = Command::new("strace");
                let inject = format!("inject={call}:signal=KILL:when={nth}");
                command.args(["-f", "-qq", "-o", "/dev/null", "-e"]);
                command.args([&format!("trace={call}"), "-e", &inject]);
                command.arg(runs.get_program()).args(runs.get_args());
                command.envs(
                    runs.get_envs()
                        .filter_map(|(key, value)| Some((key, value?))),
                );
                let mut child = Running::start(&mut command);
                let dues: Vec<u128> = child.dues().collect();
                assert!(!child.0.wait().unwrap().success());
                killed += 1;
                seen.add(dues.into_iter(), noted);
                drop(remember(&file).expect("it is whole, and free"));
            }
        }
        assert_eq!(killed, 9);
        assert!(seen.next > 10, "{}", seen.next);
    });
}

#[test]
fn a_second_process_is_refused_until_the_first_one_is_killed() {
    within(LONG, "two processes", || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schedules");
        let mut first = Running::start(&mut runs_on(&file));
        assert!(first.dues().next().is_some());
        assert!(refused(&file).contains("another scheduler"));
        let second = runs_on(&file).output().unwrap();
        let told = String::from_utf8_lossy(&second.stderr);
        assert!(
            !second.status.success() && told.contains("another scheduler"),
            "{told}"
        );
        drop(first);
        remember(&file).unwrap();
    });
}

#[test]
fn a_program_that_exits_after_its_stop_has_forgotten_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedules");
    for is_first in [true, false] {
        let scenario = format!("exits {}", file.display());
        let output = play(&scenario).output().unwrap();
        let told = common::examples::text(&output.stdout);
        assert!(output.status.success(), "{told}");
        assert_eq!(told.contains("it has run"), is_first, "{told}");
    }
}

#[test]
fn the_time_of_the_file_is_that_of_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedules");
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let text = sample(&file);
    let saved = text
        .lines()
        .nth(1)
        .unwrap()
        .strip_prefix("saved\t")
        .unwrap();
    let saved: u64 = saved.split('.').next().unwrap().parse().unwrap();
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!((before.as_secs()..=after.as_secs()).contains(&saved));
}
