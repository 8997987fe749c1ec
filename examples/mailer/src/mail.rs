//! A mail: to whom, and its number, of which there is no other.

use fastrand::Rng;
use std::fmt;

#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) id: u32,
    pub(crate) to: String,
}

const READERS: [&str; 6] = ["ada", "alan", "barbara", "edsger", "grace", "nobody"];

impl Mail {
    /// As many as wanted, the same ones for the same seed.
    pub(crate) fn write(count: u32, rng: &mut Rng) -> Vec<Mail> {
        let mail = |id| {
            let reader = READERS[rng.usize(..READERS.len())];
            let to = format!("{reader}@example.com");
            Mail { id, to }
        };
        (1..=count).map(mail).collect()
    }
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mail {} to {}", self.id, self.to)
    }
}
