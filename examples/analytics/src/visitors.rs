//! The visitors: they stand for the world outside.

use crate::event::Event;
use fastrand::Rng;

/// Makes up what visitors do; the same for the same seed.
pub(crate) struct Visitors {
    seed: u64,
    rng: Rng,
    made: u64,
    /// One event in so many is one that nobody can write.
    bad_in: u64,
}

const PAGES: [&str; 5] = ["/", "/search", "/hats/7", "/cart", "/checkout"];

impl Visitors {
    pub(crate) fn new(seed: u64, bad_in: u64) -> Visitors {
        Visitors {
            seed,
            rng: Rng::with_seed(seed),
            made: 0,
            bad_in,
        }
    }
}

impl Iterator for Visitors {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let (id, rng) = (format!("{:x}-{}", self.seed, self.made), &mut self.rng);
        self.made += 1;
        let page = rng.choice(PAGES)?;
        let is_bad = self.bad_in > 0 && rng.u64(..self.bad_in) == 0;
        Some(Event {
            id,
            visitor: rng.u64(..1_000),
            page: match is_bad {
                true => b"/h\xfcte".to_vec(), // Latin-1
                false => page.into(),
            },
        })
    }
}
