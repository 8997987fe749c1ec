//! The daemon that SIGHUP does not stop.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, expect_help, expect_quiet_end, expect_refusal, finish, output, send, text,
};
use common::{LONG, within};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};
use tempfile::TempDir;

struct Daemon {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Daemon {
    fn start(folder: &TempDir) -> Daemon {
        let mut command = example("reload", folder);
        let mut child = command.args(["greeting", "10"]).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Daemon { child, lines }
    }

    fn wait_for(&mut self, what: &str) -> String {
        within(LONG, "the example", || {
            let mut lines = self.lines.by_ref().lines().map(Result::unwrap);
            let found = lines.find(|line| line.contains(what));
            found.unwrap_or_else(|| panic!("never said: {what}"))
        })
    }
}

#[test]
fn at_sighup_it_takes_the_new_configuration_or_keeps_the_old_one() {
    let folder = TempDir::new().unwrap();
    let greeting = folder.path().join("greeting");
    fs::write(&greeting, "hello\n").unwrap();
    let mut daemon = Daemon::start(&folder);
    daemon.wait_for("greeting: hello");
    daemon.wait_for("hello");

    fs::write(&greeting, "goodbye\n").unwrap();
    send(&daemon.child, &["HUP"]);
    daemon.wait_for("greeting: goodbye");
    assert_eq!(daemon.wait_for("o"), "goodbye");

    fs::write(&greeting, "\n").unwrap();
    send(&daemon.child, &["HUP"]);
    daemon.wait_for("greeting: the file is empty; goodbye stays");

    send(&daemon.child, &["USR1"]);
    daemon.wait_for(" greetings, read 2 times");

    send(&daemon.child, &["TERM"]);
    let output = within(LONG, "the example", || {
        std::io::copy(&mut daemon.lines, &mut std::io::sink()).unwrap();
        finish(daemon.child)
    });
    let told = text(&output.stderr);
    assert!(
        told.starts_with("signal received (SIGTERM), stopping"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(0), "{told}");
}

#[test]
fn without_a_configuration_it_does_not_start() {
    let folder = TempDir::new().unwrap();
    let output = output(example("reload", &folder).arg("greeting"));
    let told = text(&output.stderr);
    assert!(told.contains("  failed     \"greeter\""), "{told}");
    assert_eq!(output.status.code(), Some(1), "{told}");
}

#[test]
fn it_takes_help_refuses_unknown_options_and_ends_quietly_on_a_closed_pipe() {
    expect_help("reload");
    expect_refusal("reload");
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("greeting"), "hello\n").unwrap();
    expect_quiet_end(example("reload", &folder).args(["greeting", "10"]), 0);
}
