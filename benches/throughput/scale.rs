//! How much is measured.

pub(crate) struct Scale {
    pub(crate) rounds: usize,
    /// What the numbers of tasks are divided by.
    pub(crate) divisor: u64,
}

impl Scale {
    pub(crate) fn full() -> Scale {
        Scale {
            rounds: 15,
            divisor: 1,
        }
    }

    /// For a look that it works: the figures mean little.
    pub(crate) fn quick() -> Scale {
        Scale {
            rounds: 3,
            divisor: 20,
        }
    }

    pub(crate) fn tasks(&self, full: u64) -> u64 {
        full / self.divisor
    }
}
