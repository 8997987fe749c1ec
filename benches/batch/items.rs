//! Items a second, by producers and by the size of a batch.

use crate::harness::figure::{Better, Figure};
use crate::harness::scale::Scale;
use crate::loops::{ByHand, Ours, Terms};
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

/// Takes items, and hands them to [`handle`] in batches.
pub(crate) trait Collects: Clone + Send {
    /// What has to be ended.
    type Rest;
    fn new(terms: Terms) -> (Self, Self::Rest);
    fn submit(&self, item: u64);
    /// Returns when every item has been handled; returns how many there were.
    fn end(self, rest: Self::Rest) -> u64;
}

/// What is done with a batch: little, since it is the way to it that is measured.
pub(crate) fn handle(batch: &[u64]) {
    black_box(
        batch
            .iter()
            .fold(0_u64, |sum, item| sum.wrapping_add(*item)),
    );
}

/// Millions a second.
fn rate<C: Collects>(producers: u64, terms: Terms, items: u64) -> f64 {
    let (collector, rest) = C::new(terms);
    let start = Instant::now();
    thread::scope(|scope| {
        for producer in 0..producers {
            let collector = collector.clone();
            scope.spawn(move || {
                for item in (producer..items).step_by(producers as usize) {
                    collector.submit(item);
                }
            });
        }
    });
    let handled = collector.end(rest);
    let rate = items as f64 / start.elapsed().as_secs_f64() / 1e6;
    assert_eq!(handled, items);
    rate
}

pub(crate) fn measure<const SIZE: usize, const PRODUCERS: u64>(
    title: &'static str,
    quick: bool,
) -> Figure {
    let scale = Scale::new(quick);
    let items = scale.tasks(400_000);
    let terms = Terms {
        size: SIZE,
        capacity: 10_000,
        max_age: Duration::from_secs(1),
    };
    Figure::measure(
        title,
        "million/s",
        Better::Higher,
        scale.rounds,
        vec![
            (
                "groundcrew",
                Box::new(|| rate::<Ours>(PRODUCERS, terms, items)),
            ),
            (
                "by hand",
                Box::new(|| rate::<ByHand>(PRODUCERS, terms, items)),
            ),
        ],
    )
}
