//! What a bench is asked for.

use super::figure::Figure;
use super::report;
use clap::Args;
use std::process::exit;

#[derive(Args)]
pub(crate) struct Options {
    /// Measure little: to see that it works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only figures whose title contains this.
    figure: Option<String>,
    /// Given by `cargo bench`; without it, as by `cargo test`, little is
    /// measured.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A figure: its title, and what measures it (little, if that is all that is
/// asked for).
pub(crate) type Measure = (&'static str, fn(&'static str, bool) -> Figure);

impl Options {
    /// Measures the figures that are wanted; prints them and keeps them in
    /// files.
    pub(crate) fn measure(&self, bench: &str, figures: &[Measure]) {
        let quick = self.quick || !self.bench;
        let part = self.figure.as_deref().unwrap_or_default().to_lowercase();
        let is_wanted = |title: &str| title.to_lowercase().contains(&part);
        let measured: Vec<Figure> = figures
            .iter()
            .filter(|(title, _)| is_wanted(title))
            .map(|(title, measure)| {
                eprintln!("{title} ...");
                measure(title, quick)
            })
            .collect();
        if measured.is_empty() {
            let titles: Vec<&str> = figures.iter().map(|(title, _)| *title).collect();
            eprintln!(
                "no figure has {part:?} in its title; there are:\n{}",
                titles.join("\n")
            );
            exit(2);
        }
        let name = match (quick, measured.len() < figures.len()) {
            (false, false) => bench.to_owned(),
            (true, false) => format!("{bench}-quick"),
            (_, true) => format!("{bench}-part"),
        };
        report::print(&measured);
        report::keep(&name, &measured);
    }
}
