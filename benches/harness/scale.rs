//! How much is measured.

pub(crate) struct Scale {
    pub(crate) rounds: usize,
    /// What the numbers of tasks are divided by.
    pub(crate) divisor: u64,
}

impl Scale {
    /// Quick is for a look that it works: the figures mean little.
    pub(crate) fn new(quick: bool) -> Scale {
        match quick {
            true => Scale {
                rounds: 3,
                divisor: 16,
            },
            false => Scale {
                rounds: 15,
                divisor: 1,
            },
        }
    }

    pub(crate) fn tasks(&self, full: u64) -> u64 {
        full / self.divisor
    }
}
