//! The tables that a bench ends with, and the files that it leaves.

use super::chart;
use super::figure::{Better, Figure, Series, quantile};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Prints all figures, as Markdown.
pub(crate) fn print(figures: &[Figure]) {
    println!("{}\n", machine());
    for figure in figures {
        println!("{}", table(figure));
    }
}

/// What it was measured on, and against what.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |rest| {
        rest.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let peers = [
        "rayon",
        "threadpool",
        "rusty_pool",
        "scheduled-thread-pool",
        "crossbeam-channel",
        "rusqlite",
    ];
    let peers = peers.map(|name| format!("{name} {}", version(name)));
    format!("{model}, {cores} cores. {}.", peers.join(", "))
}

/// The version of a dependency, from the lock file.
fn version(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry = lock
        .split(&format!("name = \"{name}\"\nversion = \""))
        .nth(1);
    entry.and_then(|rest| rest.split('"').next()).unwrap_or("?")
}

/// As in BENCHMARKS.md.
fn table(figure: &Figure) -> String {
    let (ours, peers) = figure
        .series
        .split_first()
        .expect("a figure has a contender");
    let (better, win) = match figure.better {
        Better::Higher => ("higher", "above"),
        Better::Lower => ("lower", "below"),
    };
    let mut text = format!(
        "### {}\n\nIn {}; {better} is better",
        figure.title, figure.unit
    );
    if peers.is_empty() {
        let values = values(ours);
        let _ = writeln!(
            text,
            ".\n\n| | median | 10 % to 90 % |\n| --- | --- | --- |\n{values}"
        );
    } else {
        let (name, values) = (ours.name, values(ours));
        let _ = match peers.iter().all(|peer| peer.name.starts_with("groundcrew")) {
            true => writeln!(text, ".\n"),
            false => writeln!(text, ": groundcrew wins where the ratio is {win} 1.\n"),
        };
        let _ = writeln!(
            text,
            "| | median | 10 % to 90 % | {name} / this (10 % to 90 %) |"
        );
        let _ = writeln!(text, "| --- | --- | --- | --- |\n{values}  |");
    }
    for peer in peers {
        let ratio = figure.ratio(ours.name, peer.name);
        let _ = writeln!(text, "{} {ratio} |", values(peer));
    }
    if !figure.notes.is_empty() {
        text.push('\n');
    }
    for note in &figure.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

/// The cells of its values.
fn values(series: &Series) -> String {
    let [middle, low, high] = [0.5, 0.1, 0.9].map(|of| number(quantile(&series.values, of)));
    format!("| {} | {middle} | {low} to {high} |", series.name)
}

/// With as many places as say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small < 0.1 && small > 0.0 => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes every value of every round, and the chart.
pub(crate) fn keep(name: &str, figures: &[Figure]) {
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    let mut csv = String::from("figure,unit,contender,round,value\n");
    for figure in figures {
        let (title, unit) = (figure.title, figure.unit);
        for series in &figure.series {
            for (round, value) in series.values.iter().enumerate() {
                let _ = writeln!(
                    csv,
                    "\"{title}\",{unit},\"{}\",{round},{value}",
                    series.name
                );
            }
        }
    }
    let csv_file = folder.join(name).with_extension("csv");
    fs::write(&csv_file, csv).unwrap();
    let svg_file = folder.join(name).with_extension("svg");
    chart::draw(&svg_file, figures).unwrap();
    println!("{}\n{}", csv_file.display(), svg_file.display());
}

/// `target/bench`, wherever the target folder is: the bench's own program lies
/// in `target/release/deps`.
pub(crate) fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap_or(Path::new("target"));
    target.join("bench")
}
