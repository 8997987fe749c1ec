//! What happened, in numbers.

use crate::Program;
use std::fmt::Write;

pub(crate) struct Tally {
    program: Program,
    pub(crate) failed: usize,
    counts: [usize; COLUMNS.len()],
}

const COLUMNS: [(Count, &str); 14] = [
    (Count::Starts, "starts"),
    (Count::Once, "one signal"),
    (Count::Twice, "two signals"),
    (Count::Killed, "killed"),
    (Count::FrozenBefore, "frozen before the stop"),
    (Count::FrozenInside, "frozen in the stop"),
    (Count::Full, "disk full"),
    (Count::ReadOnly, "disk read-only"),
    (Count::Made, "items made"),
    (Count::HandedOver, "items handed over"),
    (Count::Kept, "items kept, in all starts"),
    (Count::Named, "items named, since not saved"),
    (Count::Unknown, "items named, since no answer came"),
    (Count::Again, "items handed over again, as documented"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Starts,
    Once,
    Twice,
    Killed,
    FrozenBefore,
    FrozenInside,
    Full,
    ReadOnly,
    Made,
    HandedOver,
    Kept,
    Named,
    Unknown,
    Again,
}

impl Tally {
    pub(crate) fn new(program: Program) -> Tally {
        Tally {
            program,
            failed: 0,
            counts: [0; COLUMNS.len()],
        }
    }

    pub(crate) fn count(&mut self, what: Count, by: usize) {
        self.counts[what as usize] += by;
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.failed += other.failed;
        for (count, other) in self.counts.iter_mut().zip(other.counts) {
            *count += other;
        }
    }
}

pub(crate) fn table(tallies: &[Tally]) -> String {
    let mut table = format!("{:<40}", "");
    for tally in tallies {
        let _ = write!(
            table,
            "{:>10}",
            format!("{:?}", tally.program).to_lowercase()
        );
    }
    for (count, title) in COLUMNS {
        let _ = write!(table, "\n{title:<40}");
        for tally in tallies {
            let _ = write!(table, "{:>10}", tally.counts[count as usize]);
        }
    }
    let _ = write!(table, "\n{:<40}", "chains that failed");
    for tally in tallies {
        let _ = write!(table, "{:>10}", tally.failed);
    }
    table
}
