#!/usr/bin/env bash
# notify 8.2.1 (the crate), on Linux: a recursive watch of a tree with one folder that may not be
# read fails as a whole, and leaves a part of the tree watched; which part depends on the order in
# which the file system lists it. One would expect either all that can be watched, with the one
# folder named, or nothing.
#
# And a tree that is moved into a folder that is watched already: there the same error is dropped
# without a word (neither an event nor an error), and part of the new tree is never watched.
#
# Exits with 0 if that is still so, with 1 if it has changed, with 77 if it cannot be tried here.
set -euo pipefail

run_unprivileged=()
probe=$(mktemp -d); chmod 0 "$probe"
if ls "$probe" >/dev/null 2>&1; then
    # As root, but without the right to read everything.
    run_unprivileged=(setpriv --bounding-set -dac_override,-dac_read_search)
    "${run_unprivileged[@]}" true 2>/dev/null || { echo "SKIPPED: no setpriv"; exit 77; }
fi
rmdir "$probe"

work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "unreadable"
version = "0.0.0"
edition = "2021"

[dependencies]
notify = "=8.2.1"
TOML
cat >src/main.rs <<'RUST'
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

const FOLDERS: usize = 20;

/// Twenty folders, and one among them that may not be read.
fn make(tree: &Path) {
    for number in 0..FOLDERS {
        fs::create_dir_all(tree.join(format!("{number}"))).unwrap();
        if number == FOLDERS / 2 {
            fs::create_dir(tree.join("secret")).unwrap();
            fs::set_permissions(tree.join("secret"), Permissions::from_mode(0)).unwrap();
        }
    }
}

/// In how many of the folders a new file is heard of.
fn heard(tree: &Path, told: &mpsc::Receiver<notify::Result<notify::Event>>) -> usize {
    while let Ok(event) = told.recv_timeout(Duration::from_millis(500)) {
        event.expect("no error is told");
    }
    for number in 0..FOLDERS {
        fs::write(tree.join(format!("{number}/new")), "x").unwrap();
    }
    let mut names = BTreeSet::new();
    while let Ok(event) = told.recv_timeout(Duration::from_millis(500)) {
        for path in event.expect("no error is told").paths {
            if path.ends_with("new") {
                names.insert(path);
            }
        }
    }
    names.len()
}

fn main() {
    let place = std::env::current_dir().unwrap().join("place");
    make(&place.join("there"));
    let (tell, told) = mpsc::channel();
    let mut watcher = RecommendedWatcher::new(tell, notify::Config::default()).unwrap();
    let result = watcher.watch(&place.join("there"), RecursiveMode::Recursive);
    println!("watch: {:?}", result.as_ref().map_err(|error| &error.kind));
    let there = heard(&place.join("there"), &told);
    println!("a new file is heard of in {there} of {FOLDERS} folders");

    fs::create_dir(place.join("watched")).unwrap();
    let (tell, told) = mpsc::channel();
    let mut watcher = RecommendedWatcher::new(tell, notify::Config::default()).unwrap();
    watcher.watch(&place.join("watched"), RecursiveMode::Recursive).unwrap();
    make(&place.join("coming"));
    fs::rename(place.join("coming"), place.join("watched/came")).unwrap();
    let came = heard(&place.join("watched/came"), &told);
    println!("moved into a watched folder: heard of in {came} of {FOLDERS}, without an error");
    let is_as_before = result.is_err() && there > 0 && there < FOLDERS && came < FOLDERS;
    std::process::exit(if is_as_before { 0 } else { 1 });
}
RUST
cargo build --quiet
echo "notify $(cargo pkgid notify | sed 's/.*@//'), $(uname -sr)"
"${run_unprivileged[@]}" target/debug/unreadable
