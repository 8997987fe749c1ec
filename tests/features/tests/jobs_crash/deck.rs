//! What is next, by chance: but each as often as it is to be before any of them again.

use fastrand::Rng;

pub(crate) struct Deck<T: 'static> {
    all: &'static [(T, usize)],
    left: Vec<T>,
    rounds: usize,
}

impl<T: Copy> Deck<T> {
    /// Each with how often it is there.
    pub(crate) fn new(all: &'static [(T, usize)]) -> Deck<T> {
        Deck {
            all,
            left: Vec::new(),
            rounds: 0,
        }
    }

    pub(crate) fn draw(&mut self, rng: &mut Rng) -> T {
        if self.left.is_empty() {
            for (one, times) in self.all {
                self.left.extend(vec![*one; *times]);
            }
            rng.shuffle(&mut self.left);
        }
        let drawn = self.left.pop().unwrap();
        self.rounds += usize::from(self.left.is_empty());
        drawn
    }

    /// How often all of them were drawn.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds
    }
}
