//! The example `jobs`, run as its users run it.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, expect_help, expect_quiet_end, expect_refusal, expect_write_error, finish, interrupt,
    output, text,
};
use common::{LONG, within};
use groundcrew::store::sqlite::rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A folder with this number of files in `files`, some of them equal.
fn files(count: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    for n in 0..count {
        fs::write(files.join(format!("{n:03}")), format!("{}\n", n % 7)).unwrap();
    }
    folder
}

fn jobs(folder: &TempDir, arguments: &str) -> Command {
    let mut command = example("jobs", folder);
    command.args(arguments.split_whitespace());
    command
}

/// What it prints, if its exit code is this.
fn run(folder: &TempDir, arguments: &str, code: i32) -> String {
    let output = output(&mut jobs(folder, arguments));
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments}: {printed}{said}"
    );
    printed + &said
}

fn start(folder: &TempDir, arguments: &str) -> Child {
    jobs(folder, arguments).spawn().unwrap()
}

fn connect(folder: &TempDir) -> Connection {
    let conn = Connection::open(folder.path().join("app.db")).unwrap();
    conn.busy_timeout(LONG).unwrap();
    conn
}

/// How often each sum was written whose job is completed.
fn completed(folder: &TempDir) -> BTreeMap<String, i64> {
    let conn = connect(folder);
    // In one transaction, so that both tables are of one moment.
    let query = "SELECT path, written FROM groundcrew_job
        JOIN groundcrew_payload ON groundcrew_payload.job = groundcrew_job.id
        JOIN sum ON path = json_extract(CAST(payload AS TEXT), '$.path')
        WHERE state = 5";
    let mut statement = conn.prepare(query).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn wait_until_completed(folder: &TempDir, count: usize) {
    within(LONG, "the jobs", || {
        // The tables are made by the start.
        let is_there = || {
            let query = "SELECT count(*) FROM sqlite_schema WHERE name = 'sum'";
            folder.path().join("app.db").exists()
                && connect(folder).query_row(query, [], |row| row.get(0)) == Ok(1)
        };
        while !is_there() || completed(folder).len() < count {
            thread::sleep(Duration::from_millis(5));
        }
    });
}

#[test]
fn the_sums_are_those_of_sha256sum() {
    let folder = files(20);
    fs::write(folder.path().join("files/two\nlines"), "x").unwrap();
    fs::create_dir(folder.path().join("files/folder")).unwrap();
    fs::write(folder.path().join("files/folder/empty"), "").unwrap();
    let printed = run(&folder, "work app.db files", 0);
    assert!(printed.starts_with("22 new jobs, 0 known\n"), "{printed}");
    assert!(
        printed.contains("22 completed, 0 dead, 0 cancelled; this process: claimed 22"),
        "{printed}"
    );
    let sums = run(&folder, "sums app.db", 0);
    assert_eq!(sums.lines().count(), 22);
    fs::write(folder.path().join("sums"), &sums).unwrap();
    let check = Command::new("sha256sum")
        .args(["--check", "--quiet", "sums"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", text(&check.stdout));
}

#[test]
fn after_kills_in_the_middle_nothing_completed_is_done_again_and_nothing_is_forgotten() {
    const FILES: usize = 60;
    let folder = files(FILES);
    let mut arguments = "work app.db files --takes 20 --threads 2";
    let mut before = BTreeMap::new();
    for kill in 1..=3 {
        let mut child = start(&folder, arguments);
        wait_until_completed(&folder, kill * 10);
        child.kill().unwrap();
        child.wait().unwrap();
        for (path, written) in &before {
            assert_eq!(completed(&folder).get(path), Some(written), "{path}");
        }
        before = completed(&folder);
        arguments = "work app.db --takes 20 --threads 2";
    }
    // A second process helps. They take so long that it can.
    let arguments = "work app.db --takes 200 --threads 2";
    let (one, other) = (start(&folder, arguments), start(&folder, arguments));
    let ends = [finish(one), finish(other)].map(|output| {
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            printed.starts_with("60 completed, 0 dead, 0 cancelled"),
            "{printed}"
        );
        printed
    });
    let own = |printed: &str| {
        let (_, own) = printed.split_once("  completed ").unwrap();
        own.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let [one, other] = ends.map(|printed| own(&printed));
    assert!(one > 0 && other > 0, "{one} and {other}");
    assert_eq!(one + other, FILES - before.len());
    let after = completed(&folder);
    assert_eq!(after.len(), FILES);
    for (path, written) in &before {
        assert_eq!(after[path], *written, "{path}");
    }
    assert_eq!(
        run(&folder, "enqueue app.db files", 0),
        "0 new jobs, 60 known\n"
    );
}

#[test]
fn ctrl_c_leaves_jobs_for_the_next_start_and_says_so() {
    let folder = files(40);
    let child = start(&folder, "work app.db files --takes 200 --threads 1");
    wait_until_completed(&folder, 2);
    interrupt(&child);
    let output = finish(child);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    assert!(
        printed.contains(" left; this process: claimed "),
        "{printed}"
    );
    let printed = run(&folder, "work app.db", 0);
    assert!(
        printed.starts_with("40 completed, 0 dead, 0 cancelled;"),
        "{printed}"
    );
}

#[test]
fn an_operator_lists_shows_cancels_and_retries_jobs() {
    let folder = files(3);
    assert_eq!(
        run(&folder, "enqueue app.db files", 0),
        "3 new jobs, 0 known\n"
    );
    let listed = run(&folder, "list app.db", 0);
    assert_eq!(listed.lines().count(), 3);
    assert!(listed.contains("1  available  /"), "{listed}");
    assert_eq!(run(&folder, "cancel app.db 2", 0), "job 2: cancelled\n");
    fs::remove_file(folder.path().join("files/002")).unwrap();
    let printed = run(&folder, "work app.db", 1);
    assert!(printed.contains("job 3 is dead: "), "{printed}");
    assert!(
        printed.contains("1 completed, 1 dead, 1 cancelled;"),
        "{printed}"
    );
    let dead = run(&folder, "dead app.db", 0);
    assert!(dead.contains("3  dead       attempt 1 of 5  /"), "{dead}");
    assert!(dead.contains("No such file"), "{dead}");
    let shown = run(&folder, "show app.db 3", 0);
    for part in ["client id", "attempt 1    failed after ", "No such file"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let counts = run(&folder, "counts app.db", 0);
    for line in [
        "available        0",
        "completed        1",
        "dead             1",
        "cancelled        1",
    ] {
        assert!(counts.contains(line), "{line}: {counts}");
    }
    // A refused one does not keep the others from it.
    fs::write(folder.path().join("files/002"), "here again").unwrap();
    let retried = run(&folder, "retry app.db 1 2 3", 1);
    assert!(
        retried.contains("job 2: available again\njob 3: available again\n"),
        "{retried}"
    );
    assert!(retried.contains("jobs: job 1 "), "{retried}");
    let printed = run(&folder, "work app.db", 0);
    assert!(
        printed.starts_with("3 completed, 0 dead, 0 cancelled;"),
        "{printed}"
    );
}

#[test]
fn a_paused_queue_waits_for_its_resume_also_across_processes() {
    let folder = files(2);
    let paused = "queue 'default' is paused";
    assert_eq!(run(&folder, "pause app.db", 0), format!("{paused}\n"));
    let again = run(&folder, "pause app.db default", 0);
    assert_eq!(again, "queue 'default' was paused already\n");
    let counts = run(&folder, "counts app.db", 0);
    assert!(counts.contains(&format!("{paused}, since ")), "{counts}");

    let child = start(&folder, "work app.db files");
    within(LONG, "the jobs", || {
        while !run(&folder, "counts app.db", 0).contains("available        2\n") {
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(
        run(&folder, "resume app.db", 0),
        "queue 'default' goes on\n"
    );
    let output = finish(child);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(paused), "{said}");
    let printed = text(&output.stdout);
    assert!(printed.contains("\n2 completed, 0 dead, "), "{printed}");
    let again = run(&folder, "resume app.db", 0);
    assert_eq!(again, "queue 'default' was not paused\n");
}

#[test]
fn a_job_after_another_waits_for_it_and_is_cancelled_with_it() {
    let folder = files(2);
    fs::write(folder.path().join("last"), "x").unwrap();
    run(&folder, "enqueue app.db files", 0);
    assert_eq!(
        run(&folder, "after app.db 2 last", 0),
        "1 new jobs, 0 known\n"
    );
    let listed = run(&folder, "list app.db --state waiting", 0);
    assert!(listed.contains("3  waiting    /"), "{listed}");
    let shown = run(&folder, "show app.db 3", 0);
    assert!(shown.contains("waits for    job 2"), "{shown}");
    run(&folder, "cancel app.db 2", 0);
    let shown = run(&folder, "show app.db 3", 0);
    let reason = "(job 2, for which it waited, was cancelled)";
    assert!(shown.contains(reason), "{shown}");
    let said = run(&folder, "after app.db 2 last", 0);
    assert_eq!(said, "0 new jobs, 1 known\n"); // its client id is that of the job
    run(&folder, "retry app.db 2 3", 0);
    let printed = run(&folder, "work app.db", 0);
    assert!(printed.starts_with("3 completed, 0 dead, "), "{printed}");
}

#[test]
fn what_is_not_there_is_named_and_no_database_is_made_of_it() {
    let folder = files(0);
    for command in ["list", "dead", "counts", "sums"] {
        let said = run(&folder, &format!("{command} no.db"), 1);
        assert!(said.starts_with("jobs: there is no 'no.db'; "), "{said}");
    }
    assert!(!folder.path().join("no.db").exists());
    let said = run(&folder, "enqueue app.db nowhere", 1);
    assert!(said.starts_with("jobs: 'nowhere': No such file"), "{said}");
    let said = run(&folder, "show app.db 7", 1);
    assert_eq!(said, "jobs: there is no job 7\n");
    fs::write(
        folder.path().join("letter"),
        "Dear reader, this is a letter",
    )
    .unwrap();
    let said = run(&folder, "counts letter", 1);
    assert!(said.contains("is not a database"), "{said}");
}

#[test]
fn its_help_its_refusals_and_its_end_without_a_reader_are_those_of_all_examples() {
    expect_help("jobs");
    expect_refusal("jobs");
    let folder = files(3);
    // Its work is done; the others print what they were asked for.
    expect_quiet_end(&mut jobs(&folder, "work app.db files"), 141);
    expect_quiet_end(&mut jobs(&folder, "work app.db"), 0);
    for command in ["list", "counts", "sums"] {
        expect_quiet_end(&mut jobs(&folder, &format!("{command} app.db")), 141);
    }
    expect_write_error("jobs", &mut jobs(&folder, "list app.db"));
}

#[test]
fn a_folder_is_enqueued_again_by_a_recurring_job_which_can_be_triggered() {
    let folder = files(3);
    let mut work = start(&folder, "work app.db files --every 86400000");
    wait_until_completed(&folder, 3);
    within(LONG, "the recurring job", || {
        while !run(&folder, "recurring app.db", 0).starts_with("sums/rescan (every 1d): next at ") {
            thread::sleep(Duration::from_millis(10));
        }
    });
    fs::write(folder.path().join("files/new"), "new").unwrap();
    let enqueued = run(&folder, "trigger app.db", 0);
    assert!(enqueued.ends_with(": enqueued\n"), "{enqueued}");
    wait_until_completed(&folder, 4);
    interrupt(&work);
    assert!(work.wait().unwrap().success());
    // What another process finds in the file.
    let refused = run(&folder, "trigger app.db nightly", 1);
    assert!(
        refused.contains("no recurring job \"nightly\" of \"sums\""),
        "{refused}"
    );
}
