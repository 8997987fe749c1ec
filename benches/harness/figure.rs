//! A figure: several contenders, measured in turn.

use super::process;
use super::report::number;
use std::fmt;

/// Whether more is better.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// One contender, by name, and how to measure it once.
pub(crate) type Contender<'a> = (&'static str, Box<dyn FnMut() -> f64 + 'a>);

/// What a contender showed, a value for each round.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) values: Vec<f64>,
}

pub(crate) struct Figure {
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// Ours comes first.
    pub(crate) series: Vec<Series>,
    /// What else was seen.
    pub(crate) notes: Vec<String>,
}

impl Figure {
    /// Measures each contender once a round. Where there are several rounds,
    /// one comes before them that does not count.
    pub(crate) fn measure(
        title: &'static str,
        unit: &'static str,
        better: Better,
        rounds: usize,
        mut contenders: Vec<Contender<'_>>,
    ) -> Figure {
        let mut series: Vec<_> = contenders
            .iter()
            .map(|(name, _)| Series {
                name,
                values: Vec::with_capacity(rounds),
            })
            .collect();
        let threads = process::threads();
        let warm_up = usize::from(rounds > 1);
        for round in 0..warm_up + rounds {
            let mut order: Vec<usize> = (0..contenders.len()).collect();
            fastrand::Rng::with_seed(round as u64).shuffle(&mut order);
            for index in order {
                process::wait_for_threads(threads);
                let value = contenders[index].1();
                if round >= warm_up {
                    series[index].values.push(value);
                }
            }
        }
        Figure {
            title,
            unit,
            better,
            series,
            notes: Vec::new(),
        }
    }

    /// A note with the parts `of` of our values: "50 % within 0.22 ms, 99 % within 1.01 ms".
    pub(crate) fn note_quantiles(self, of: &[f64]) -> Figure {
        let within = |of: &f64| {
            let value = quantile(&self.series[0].values, *of);
            format!("{:.0} % within {value:.2} {}", of * 100.0, self.unit)
        };
        let text = of.iter().map(within).collect::<Vec<_>>().join(", ");
        self.note(format!("{text}."))
    }

    pub(crate) fn note(mut self, text: String) -> Figure {
        self.notes.push(text);
        self
    }

    fn find(&self, name: &str) -> &Series {
        self.series
            .iter()
            .find(|series| series.name == name)
            .unwrap_or_else(|| panic!("no contender {name} in {}", self.title))
    }

    /// Our value divided by another's, within each round.
    pub(crate) fn ratio(&self, ours: &str, theirs: &str) -> Ratio {
        let (ours, theirs) = (self.find(ours), self.find(theirs));
        let pairs = ours.values.iter().zip(&theirs.values);
        Ratio::new(pairs.map(|(ours, theirs)| ours / theirs).collect())
    }
}

/// Ours divided by theirs, a value for each round. Displayed as the median, with the range from
/// 10 % to 90 % if there are several rounds: "1.06 (0.94 to 1.17)".
pub(crate) struct Ratio(Vec<f64>);

impl Ratio {
    pub(crate) fn new(rounds: Vec<f64>) -> Ratio {
        Ratio(rounds)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, middle, high] = [0.1, 0.5, 0.9].map(|of| number(quantile(&self.0, of)));
        match self.0.len() {
            0 | 1 => write!(f, "{middle}"),
            _ => write!(f, "{middle} ({low} to {high})"),
        }
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which the part `of` of the values lies.
pub(crate) fn quantile(values: &[f64], of: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * of).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}
