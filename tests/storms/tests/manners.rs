//! What all examples have in common: `--help`, the refusal of arguments that they do not know, and
//! a quiet end if the reader of stdout has gone.
#![cfg(unix)]

#[path = "../../common/mod.rs"]
mod common;

use common::examples::{example, expect_help, expect_quiet_end, expect_refusal};
use std::fs;
use tempfile::TempDir;

/// All of them, but for `jobs` and `reload`, which are built with other features and have tests of
/// their own.
const EXAMPLES: [&str; 17] = [
    "abandoned",
    "analytics",
    "backpressure",
    "blog",
    "checksum",
    "gzip",
    "mailer",
    "mandelbrot",
    "nightly",
    "queue",
    "recursive",
    "server",
    "services",
    "supervised",
    "thumbnails",
    "watch",
    "wordcount",
];

#[test]
fn every_example_is_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let names = fs::read_dir(folder).unwrap().map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.trim_end_matches(".rs").to_owned()
    });
    let others = ["README.md", "common", "jobs", "reload"];
    let mut names: Vec<String> = names
        .filter(|name| !others.contains(&name.as_str()))
        .collect();
    names.sort_unstable();
    assert_eq!(names, EXAMPLES);
}

#[test]
fn help_says_what_it_does_its_usage_options_and_exit_codes() {
    EXAMPLES.into_iter().for_each(expect_help);
}

#[test]
fn unknown_options_are_refused_with_one_sentence() {
    EXAMPLES.into_iter().for_each(expect_refusal);
}

/// Whether it has printed what it was asked for, or its output is an account of its work.
const ITS_OUTPUT_IS_MISSING: i32 = 141;
const ITS_WORK_IS_DONE: i32 = 0;

#[test]
fn a_closed_pipe_ends_every_example_quietly() {
    let runs: [(&str, &str, i32); 17] = [
        ("abandoned", "", ITS_OUTPUT_IS_MISSING),
        ("analytics", "--events 10 --bad-in 0", ITS_WORK_IS_DONE),
        ("backpressure", "", ITS_OUTPUT_IS_MISSING),
        ("blog", "posts --generate 3", ITS_OUTPUT_IS_MISSING),
        (
            "blog",
            "posts --visitors 0 --run-for 1000",
            ITS_WORK_IS_DONE,
        ),
        ("checksum", "posts", ITS_OUTPUT_IS_MISSING),
        ("gzip", "posts/post.md", ITS_OUTPUT_IS_MISSING),
        ("mailer", "--mails 3", ITS_WORK_IS_DONE),
        ("mandelbrot", "set.png --size 16x16", ITS_WORK_IS_DONE),
        ("nightly", "", ITS_OUTPUT_IS_MISSING),
        ("queue", "--emails 3 --takes 1", ITS_WORK_IS_DONE),
        ("recursive", "du posts", ITS_OUTPUT_IS_MISSING),
        ("services", "--port 0 --warm-up 1", ITS_WORK_IS_DONE),
        ("supervised", "", ITS_WORK_IS_DONE),
        ("thumbnails", "posts --make 1 --size 16", ITS_WORK_IS_DONE),
        ("watch", "posts", ITS_WORK_IS_DONE),
        ("wordcount", "posts", ITS_OUTPUT_IS_MISSING),
        // `server` prints nothing on stdout.
    ];
    for (name, arguments, code) in runs {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("posts")).unwrap();
        fs::write(folder.path().join("posts/post.md"), "# One\n\nword\n").unwrap();
        let mut command = example(name, &folder);
        command.args(arguments.split_whitespace());
        expect_quiet_end(&mut command, code);
    }
}
