//! The example `wordcount`, run as its users run it.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{
    example, expect_write_error, finish, interrupt, output, start_telling, text, wait_until_told,
    write_endless,
};
use fastrand::Rng;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use tempfile::TempDir;

fn wordcount(folder: &TempDir) -> Command {
    example("wordcount", folder)
}

fn write(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What is printed, with one space for those that align it.
fn lines(printed: &[u8]) -> Vec<String> {
    let printed = text(printed);
    printed
        .lines()
        .map(|line| line.trim_start().to_owned())
        .collect()
}

/// What is to be printed of this text, all of it.
fn expected(text: &str) -> Vec<String> {
    let mut words: HashMap<String, u64> = HashMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        if !word.is_empty() {
            *words.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let mut words: Vec<(u64, String)> = words.into_iter().map(|(w, n)| (n, w)).collect();
    words.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let lines = words.into_iter().map(|(n, word)| format!("{n} {word}"));
    lines.collect()
}

/// Words of every length, of one to four bytes a character, and what may be
/// between them.
fn prose(length: usize) -> String {
    const LETTERS: [char; 12] = ['a', 'B', 'c', '1', 'é', 'Ü', 'ж', 'Ω', '中', '語', '𝒳', '٣'];
    const BETWEEN: [&str; 8] = [" ", "\n", ", ", "—", "\u{a0}", "\0", "。", " 🦀 "];
    let mut rng = Rng::with_seed(3);
    let mut text = String::new();
    while text.len() < length {
        for _ in 0..rng.usize(1..4) {
            text.push(LETTERS[rng.usize(..LETTERS.len())]);
        }
        text.push_str(BETWEEN[rng.usize(..BETWEEN.len())]);
    }
    text
}

#[test]
fn words_are_unicode_in_lower_case_and_sorted_by_count_then_word() {
    let folder = TempDir::new().unwrap();
    write(&folder, "a", "The cat's 2 tails: ÉCOLE, école! the_end—Ω");
    write(&folder, "d/b", "THE ΩΣ ωσ");
    write(&folder, "d/empty", "");
    let all = output(&mut wordcount(&folder));
    assert_eq!(text(&all.stderr), "");
    assert_eq!(all.status.code(), Some(0));
    let counted = [
        "3 the", "2 école", "1 2", "1 cat", "1 end", "1 s", "1 tails", "1 ω", "1 ως", "1 ωσ",
    ];
    assert_eq!(lines(&all.stdout), counted);
    let two = output(wordcount(&folder).args(["--top", "2", "d", "a"]));
    assert_eq!(lines(&two.stdout), counted[..2]);
    assert_eq!(
        lines(&output(wordcount(&folder).arg("--top=0")).stdout),
        [""; 0]
    );
}

#[test]
fn what_is_no_utf_8_separates_words() {
    let folder = TempDir::new().unwrap();
    write(&folder, "a", b"one\xfftwo \xc3 three\xe4\xb8");
    let output = output(&mut wordcount(&folder));
    assert_eq!(lines(&output.stdout), ["1 one", "1 three", "1 two"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_large_file_is_cut_between_words_only() {
    let folder = TempDir::new().unwrap();
    let text = prose(5 << 20);
    write(&folder, "large", &text);
    let output = output(wordcount(&folder).arg("--top=1000000"));
    assert_eq!(output.status.code(), Some(0));
    assert!(lines(&output.stdout) == expected(&text));
}

/// Also where a piece begins and ends in the same word.
#[test]
fn a_word_on_the_edge_of_a_piece_is_one_word() {
    let folder = TempDir::new().unwrap();
    const PIECE: usize = 1 << 20;
    for before in PIECE - 4..PIECE + 4 {
        let text = format!("{}two語 three", " ".repeat(before));
        write(&folder, "file", &text);
        let output = output(&mut wordcount(&folder));
        assert_eq!(lines(&output.stdout), ["1 three", "1 two語"], "{before}");
    }
}

#[test]
fn a_text_without_separators_ends_and_is_counted_to_its_end() {
    let folder = TempDir::new().unwrap();
    write(&folder, "a", "a".repeat(3 << 20));
    let output = output(wordcount(&folder).arg("--check"));
    let lengths = lines(&output.stdout);
    let lengths = lengths
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap().1.len());
    assert_eq!(lengths.sum::<usize>(), 3 << 20);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_result_is_the_same_with_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    let text = prose(1 << 20);
    let mut at = 0;
    let mut rng = Rng::with_seed(5);
    for number in 0.. {
        let mut end = (at + rng.usize(..20_000)).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        write(&folder, &format!("{}/{number}", number % 7), &text[at..end]);
        at = end;
        if at == text.len() {
            break;
        }
    }
    let by = |threads| {
        let options = ["--check", "--top=1000000", "--threads", threads];
        let output = output(wordcount(&folder).args(options));
        assert!(common::examples::text(&output.stderr).starts_with("wordcount: checked, "));
        assert_eq!(output.status.code(), Some(0));
        output.stdout
    };
    let by_one = by("1");
    for threads in ["2", "3", "7"] {
        assert!(by(threads) == by_one, "{threads} threads");
    }
}

#[test]
fn what_cannot_be_read_is_named_in_order_and_costs_the_exit_code() {
    let folder = TempDir::new().unwrap();
    write(&folder, "good", "good");
    symlink("nowhere", folder.path().join("broken")).unwrap();
    let made = Command::new("mkfifo")
        .arg(folder.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    for given in [
        ["no\nne", "good", "broken", "pipe"],
        ["pipe", "no\nne", "broken", "good"],
    ] {
        let output = output(wordcount(&folder).args(given));
        assert_eq!(lines(&output.stdout), ["1 good"]);
        let told = [
            "wordcount: cannot read 'broken': No such file or directory (os error 2)",
            "wordcount: cannot read $'no\\nne': No such file or directory (os error 2)",
            "wordcount: cannot read 'pipe': not a regular file",
        ];
        assert_eq!(lines(&output.stderr), told);
        assert_eq!(output.status.code(), Some(1));
    }
    let below = output(&mut wordcount(&folder)); // links and pipes are no files
    assert_eq!(text(&below.stderr), "");
    assert_eq!(below.status.code(), Some(0));
}

#[test]
fn a_large_file_that_cannot_be_read_is_named_once() {
    let folder = TempDir::new().unwrap();
    write(&folder, "locked", "word ".repeat(1 << 20));
    let path = folder.path().join("locked");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    if File::open(&path).is_ok() {
        eprintln!("SKIPPED: root reads every file");
        return;
    }
    let output = output(&mut wordcount(&folder));
    let told = ["wordcount: cannot read './locked': Permission denied (os error 13)"];
    assert_eq!(lines(&output.stderr), told);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn wrong_usage_is_an_error() {
    let folder = TempDir::new().unwrap();
    for wrong in ["--threads=0", "--top=x", "--fast"] {
        let output = output(wordcount(&folder).arg(wrong));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let folder = TempDir::new().unwrap();
    write(&folder, "file", "word");
    expect_write_error("wordcount", &mut wordcount(&folder));
}

#[test]
fn ctrl_c_prints_no_words_but_the_report() {
    let folder = TempDir::new().unwrap();
    write(&folder, "first", "word");
    write_endless(&folder);
    let mut command = wordcount(&folder);
    let (child, mut stderr) = start_telling(command.args(["first", "endless"]));
    wait_until_told(&mut stderr, vec!["portion 3 is counted"]);
    interrupt(&child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    let output = finish(child);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert_eq!(text(&output.stdout), "");
    assert!(
        told.contains("wordcount: interrupted: nothing is printed"),
        "{told}"
    );
    assert!(told.contains("\nstop: "), "{told}");
}

/// The second time, on one thread, the pool has nothing to do.
#[test]
fn ctrl_c_ends_the_check() {
    let folder = TempDir::new().unwrap();
    // Long enough to be interrupted while it is counted again.
    write(&folder, "file", prose(1 << 20));
    let files = ["file"; 16];
    let mut command = wordcount(&folder);
    let (child, mut stderr) = start_telling(command.arg("--check").args(files));
    wait_until_told(&mut stderr, vec!["all is counted"]);
    interrupt(&child);
    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    let output = finish(child);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert_eq!(text(&output.stdout), "");
    assert!(!told.contains("check failed"), "{told}");
}
