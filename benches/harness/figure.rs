//! A figure: several contenders, measured in turn.

/// Whether more is better.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// What we want to reach.
pub(crate) struct Aim {
    /// Against whom: the best of these contenders, round by round.
    pub(crate) against: Vec<&'static str>,
    /// The median over the rounds of our value divided by theirs is to be at
    /// least this (at most, where lower is better).
    pub(crate) ratio: f64,
    /// Which of ours; the first contender if empty.
    pub(crate) ours: &'static str,
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
    pub(crate) series: Vec<Series>,
    pub(crate) aims: Vec<Aim>,
    /// What else was seen, for the line below the table.
    pub(crate) notes: Vec<String>,
}

/// How an aim was met.
pub(crate) struct Verdict {
    pub(crate) text: String,
    pub(crate) reached: bool,
}

impl Figure {
    /// Measures each contender once a round, in an order that turns from round
    /// to round, after a round that does not count.
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
        for (_, measure) in &mut contenders {
            measure();
        }
        for round in 0..rounds {
            for step in 0..contenders.len() {
                let index = (round + step) % contenders.len();
                series[index].values.push(contenders[index].1());
            }
        }
        Figure {
            title,
            unit,
            better,
            series,
            aims: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Measures each contender once.
    pub(crate) fn measure_once(
        title: &'static str,
        unit: &'static str,
        better: Better,
        contenders: Vec<Contender<'_>>,
    ) -> Figure {
        Figure {
            title,
            unit,
            better,
            series: contenders
                .into_iter()
                .map(|(name, mut measure)| Series {
                    name,
                    values: vec![measure()],
                })
                .collect(),
            aims: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds an aim for our first contender.
    pub(crate) fn aim(self, ratio: f64, against: &[&'static str]) -> Figure {
        self.aim_of("", ratio, against)
    }

    pub(crate) fn aim_of(
        mut self,
        ours: &'static str,
        ratio: f64,
        against: &[&'static str],
    ) -> Figure {
        self.aims.push(Aim {
            against: against.to_vec(),
            ratio,
            ours,
        });
        self
    }

    pub(crate) fn note(mut self, text: String) -> Figure {
        self.notes.push(text);
        self
    }

    pub(crate) fn find(&self, name: &str) -> &Series {
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

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.aims.iter().map(|aim| self.verdict(aim)).collect()
    }

    fn verdict(&self, aim: &Aim) -> Verdict {
        let ours = match aim.ours {
            "" => self.series[0].name,
            name => name,
        };
        let (word, sign) = match self.better {
            Better::Higher => ("at least", 1.0),
            Better::Lower => ("at most", -1.0),
        };
        let best = aim
            .against
            .iter()
            .map(|name| (median(&self.ratios(ours, name)), name))
            .min_by(|a, b| (sign * a.0).total_cmp(&(sign * b.0)));
        let (got, rival) =
            best.unwrap_or_else(|| panic!("an aim against nobody in {}", self.title));
        Verdict {
            text: format!("{ours}: {got:.2} x {rival} ({word} {})", aim.ratio),
            reached: sign * got >= sign * aim.ratio,
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
    sorted
        .get((last as f64 * of).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
