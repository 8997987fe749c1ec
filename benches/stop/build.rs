//! What it costs to depend on this crate.

use crate::harness::figure::{Better, Contender, Figure};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Instant;

pub(crate) const TITLE: &str = "11. Clean build of the crate";

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("RUSTFLAGS")
        .stderr(Stdio::null());
    cargo
}

/// The crates that a build compiles, on this platform.
fn crates() -> BTreeSet<String> {
    let tree = cargo()
        .args(["tree", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}"])
        .output();
    let text = tree.map(|output| output.stdout).unwrap_or_default();
    let lines = String::from_utf8_lossy(&text);
    lines
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

pub(crate) fn clean(quick: bool) -> Figure {
    let build = || {
        let target = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut build = cargo();
        build
            .args(["build", "--lib", "--target-dir"])
            .arg(target.path());
        assert!(build.status().unwrap().success());
        start.elapsed().as_secs_f64()
    };
    let contenders: Vec<Contender<'_>> = vec![("groundcrew", Box::new(build))];
    let figure = match quick {
        true => Figure::measure_once(TITLE, "s", Better::Lower, contenders),
        false => Figure::measure(TITLE, "s", Better::Lower, 3, contenders),
    };
    let crates = crates().len();
    figure.limit(0.5, 6.0).note(format!(
        "Crates in its tree, itself included: {crates} (aim: at most 12)."
    ))
}
