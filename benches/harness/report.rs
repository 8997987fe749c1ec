//! The table that a bench ends with, and the files that it leaves.

use super::chart;
use super::figure::{Figure, median, quantile};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Prints a figure as soon as it is known.
pub(crate) fn show(figure: Figure) -> Figure {
    println!("{}", table(&figure));
    figure
}

fn table(figure: &Figure) -> String {
    let mut text = format!("{} ({})\n", figure.title, figure.unit);
    let ours = figure.series[0].name;
    for series in &figure.series {
        let values = &series.values;
        let _ = write!(
            text,
            "  {:<24}{:>9}  ({} to {})",
            series.name,
            number(median(values)),
            number(quantile(values, 0.1)),
            number(quantile(values, 0.9)),
        );
        if series.name != ours && figure.series.len() > 1 {
            let _ = write!(
                text,
                "   {ours} / this: {:.2}",
                median(&figure.ratios(ours, series.name))
            );
        }
        text.push('\n');
    }
    for verdict in &figure.verdicts {
        let mark = if verdict.reached {
            "reached"
        } else {
            "MISSED "
        };
        let _ = writeln!(text, "  {mark}  {}", verdict.text);
    }
    for note in &figure.notes {
        let _ = writeln!(text, "  {note}");
    }
    text
}

/// With as many places as say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes every value of every round, and the chart.
pub(crate) fn keep(bench: &str, figures: &[Figure]) {
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    let mut csv = String::from("figure,unit,contender,round,value\n");
    for figure in figures {
        for series in &figure.series {
            for (round, value) in series.values.iter().enumerate() {
                let _ = writeln!(
                    csv,
                    "\"{}\",{},\"{}\",{round},{value}",
                    figure.title, figure.unit, series.name
                );
            }
        }
    }
    let csv_file = folder.join(bench).with_extension("csv");
    fs::write(&csv_file, csv).unwrap();
    let svg_file = folder.join(bench).with_extension("svg");
    chart::draw(&svg_file, figures).unwrap();
    println!("{}\n{}", csv_file.display(), svg_file.display());
}

/// `target/bench`, wherever the target folder is: the bench's own program lies
/// in `target/release/deps`.
fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap_or(Path::new("target"));
    target.join("bench")
}
