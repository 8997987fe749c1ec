//! The example `mandelbrot`, run as its users run it.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, finish, in_folder, interrupt, output, start_telling, text, wait_until_told,
};
use png::Decoder;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::symlink;
use std::process::Command;
use tempfile::TempDir;

fn mandelbrot(folder: &TempDir) -> Command {
    example("mandelbrot", folder)
}

/// What is in the folder.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The width, the height, and the colours' numbers, row by row.
fn picture(folder: &TempDir, name: &str) -> (u32, u32, Vec<u8>) {
    let file = File::open(folder.path().join(name)).unwrap();
    let mut reader = Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut colors = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut colors).unwrap();
    reader.finish().unwrap();
    (frame.width, frame.height, colors)
}

#[test]
fn the_file_is_the_same_with_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    let drawn_by = |threads: &str| {
        let options = [
            "--size=61x401",
            "--steps=100",
            "--threads",
            threads,
            "set.png",
        ];
        let output = output(mandelbrot(&folder).args(options));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with("mandelbrot: 61x401 in "));
        assert_eq!(text(&output.stdout), "");
        fs::read(folder.path().join("set.png")).unwrap()
    };
    let by_one = drawn_by("1");
    for threads in ["2", "3", "7"] {
        assert!(drawn_by(threads) == by_one, "{threads} threads");
    }
    assert_eq!(names(&folder), ["set.png"]);

    let (width, height, colors) = picture(&folder, "set.png");
    assert_eq!((width, height), (61, 401));
    assert_eq!(colors[200 * 61 + 30], 0, "the middle is in the set");
    let edge = &colors[..61];
    assert!(
        edge.iter()
            .all(|color| ![INSIDE, UNFINISHED].contains(color))
    );
    let turned: Vec<&[u8]> = colors.chunks(61).rev().collect();
    assert_eq!(turned.concat(), colors, "what is above is as what is below");
}

const INSIDE: u8 = 0;
const UNFINISHED: u8 = 255;

#[test]
fn every_size_that_is_allowed_can_be_drawn() {
    let folder = TempDir::new().unwrap();
    for (width, height) in [(1, 1), (1, 1000), (1000, 1), (32_768, 1)] {
        let size = format!("--size={width}x{height}");
        let output = output(mandelbrot(&folder).args([&size, "--steps=10", "set.png"]));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let (w, h, colors) = picture(&folder, "set.png");
        assert_eq!((w, h), (width, height));
        assert!(!colors.contains(&UNFINISHED));
    }
}

#[test]
fn wrong_usage_is_one_error() {
    let folder = TempDir::new().unwrap();
    for size in [
        "0x5",
        "5x0",
        "5",
        "x",
        "",
        "5x5x5",
        "-1x5",
        "32769x1",
        "99999999x99999999",
    ] {
        let size = format!("--size={size}");
        let output = output(mandelbrot(&folder).args([&size, "set.png"]));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{size}");
        assert_eq!(told.matches("error: ").count(), 1, "{told}");
        assert!(told.contains("--size"), "{told}");
    }
    for wrong in [&["--threads=0", "a.png"][..], &["--steps=0", "a.png"], &[]] {
        let output = output(mandelbrot(&folder).args(wrong));
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert!(names(&folder).is_empty());
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_before_anything_is_drawn() {
    let folder = TempDir::new().unwrap();
    for (path, why) in [
        ("no folder/set.png", "No such file or directory"),
        ("/dev/null", "not a regular file"),
        (".", "not a regular file"),
    ] {
        // Drawn, this would never end.
        let options = ["--size=32768x32768", "--steps=1000000", path];
        let output = output(mandelbrot(&folder).args(options));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let begins = format!("mandelbrot: cannot write {path:?}: {why}");
        assert!(told.starts_with(&begins), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    assert!(names(&folder).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("set.png"), "old").unwrap();
    // A file takes 512 bytes, and a write beyond that is an error (25: SIGXFSZ).
    let script = "trap '' 25; ulimit -f 1; exec \"$0\" --size=64x64 set.png";
    let example = mandelbrot(&folder);
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(example.get_program());
    let output = output(&mut in_folder(command, &folder));
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("mandelbrot: cannot write \"set.png\": "),
        "{told}"
    );
    assert_eq!(names(&folder), ["set.png"]);
    assert_eq!(fs::read(folder.path().join("set.png")).unwrap(), b"old");
}

#[test]
fn a_file_that_is_there_is_replaced_also_behind_a_link() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("set.png"), "old").unwrap();
    symlink("set.png", folder.path().join("link.png")).unwrap();
    let output = output(mandelbrot(&folder).args(["--size=3x2", "link.png"]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(folder.path().join("link.png").is_symlink());
    assert_eq!(names(&folder), ["link.png", "set.png"]);
    assert_eq!(picture(&folder, "set.png").0, 3);
}

#[test]
fn ctrl_c_writes_the_rows_that_are_done_and_the_report() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("set.png"), "old").unwrap();
    // The rows in the middle take minutes.
    let options = [
        "--size=600x400",
        "--steps=1000000",
        "--threads=2",
        "set.png",
    ];
    let (child, mut stderr) = start_telling(mandelbrot(&folder).args(options));
    wait_until_told(&mut stderr, vec!["row 0 is done", "row 1 is done"]);
    assert_eq!(fs::read(folder.path().join("set.png")).unwrap(), b"old");
    interrupt(&child);

    let output = finish(child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("\nstop: "), "{told}");

    let (width, height, colors) = picture(&folder, "set.png");
    assert_eq!((width, height), (600, 400));
    let rows: Vec<&[u8]> = colors.chunks(600).collect();
    for row in &rows[..2] {
        assert!(!row.contains(&UNFINISHED), "a row that is done is there");
    }
    let is_grey = |row: &&[u8]| row.iter().all(|color| *color == UNFINISHED);
    assert!(is_grey(&rows[399]));
    let grey = rows.iter().copied().filter(is_grey).count();
    assert!(
        told.contains(&format!("\nmandelbrot: {grey} of 400 rows are grey\n")),
        "{told}"
    );
    assert_eq!(names(&folder), ["set.png"]);
}
