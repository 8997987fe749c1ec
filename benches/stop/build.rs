//! What it costs to depend on this crate.

use crate::harness::figure::{Better, Contender, Figure};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Instant;

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::null());
    for wrapper in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
        cargo.env_remove(wrapper);
    }
    cargo
}

pub(crate) fn clean(title: &'static str, quick: bool) -> Figure {
    let build = || {
        let target = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut build = cargo();
        // Others of the workspace are built by default, too.
        build.args(["build", "-p", "groundcrew", "--lib", "--target-dir"]);
        assert!(build.arg(target.path()).status().unwrap().success());
        start.elapsed().as_secs_f64()
    };
    let rounds = if quick { 1 } else { 3 };
    let contenders: Vec<Contender<'_>> = vec![("groundcrew", Box::new(build))];
    Figure::measure(title, "s", Better::Lower, rounds, contenders)
}

/// Those that a build compiles on this platform, for build scripts as well.
pub(crate) fn crates(title: &'static str, _quick: bool) -> Figure {
    let count = || {
        let mut tree = cargo();
        tree.args(["tree", "-p", "groundcrew", "--edges", "normal,build"]);
        let output = tree
            .args(["--prefix", "none", "--format", "{p}"])
            .output()
            .unwrap();
        let lines = String::from_utf8_lossy(&output.stdout);
        let crates = lines.lines().map(|line| line.trim_end_matches(" (*)"));
        crates.collect::<BTreeSet<_>>().len() as f64
    };
    let contenders: Vec<Contender<'_>> = vec![("groundcrew", Box::new(count))];
    Figure::measure(title, "crates", Better::Lower, 1, contenders)
}
