//! A figure: several contenders, measured in turn.

use super::process;

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
    better: Better,
    /// Ours comes first.
    pub(crate) series: Vec<Series>,
    pub(crate) verdicts: Vec<Verdict>,
    /// What else was seen.
    pub(crate) notes: Vec<String>,
}

/// How an aim was met.
pub(crate) struct Verdict {
    pub(crate) text: String,
    pub(crate) reached: bool,
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
            verdicts: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// What our first contender is to reach against the best of others: the
    /// median over the rounds of our value divided by theirs is to be at least
    /// this (at most, where lower is better).
    pub(crate) fn aim(self, ratio: f64, against: &[&'static str]) -> Figure {
        let ours = self.series[0].name;
        self.aim_of(ours, ratio, against)
    }

    pub(crate) fn aim_of(
        mut self,
        ours: &'static str,
        ratio: f64,
        against: &[&'static str],
    ) -> Figure {
        let (word, sign) = match self.better {
            Better::Higher => ("at least", 1.0),
            Better::Lower => ("at most", -1.0),
        };
        let ratios = against
            .iter()
            .map(|name| (median(&self.ratios(ours, name)), name));
        let (got, rival) = ratios
            .min_by(|a, b| (sign * a.0).total_cmp(&(sign * b.0)))
            .unwrap_or_else(|| panic!("an aim against nobody in {}", self.title));
        self.verdicts.push(Verdict {
            text: format!("{ours}: {got:.2} x {rival} ({word} {ratio:.3})"),
            reached: sign * got >= sign * ratio,
        });
        self
    }

    /// What the part `of` of our values is to stay within.
    pub(crate) fn limit(mut self, of: f64, at_most: f64) -> Figure {
        let got = quantile(&self.series[0].values, of);
        let (unit, percent) = (self.unit, of * 100.0);
        self.verdicts.push(Verdict {
            text: format!("{percent:.0} % within {got:.2} {unit} (at most {at_most})"),
            reached: got <= at_most,
        });
        self
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

    /// Our value divided by another's, for every round.
    pub(crate) fn ratios(&self, ours: &str, theirs: &str) -> Vec<f64> {
        let (ours, theirs) = (self.find(ours), self.find(theirs));
        let pairs = ours.values.iter().zip(&theirs.values);
        pairs.map(|(ours, theirs)| ours / theirs).collect()
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
