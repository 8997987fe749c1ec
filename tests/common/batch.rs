//! Handlers for the tests of batchers.

use groundcrew::TaskContext;
use groundcrew::batch::BatchStats;
use groundcrew::channel::{Receiver, Sender, unbounded};
use groundcrew::retry::{DeadLetter, DeadLetterReason};
use std::error::Error;

/// What a handler returns.
pub(crate) type Handled = Result<(), Box<dyn Error + Send + Sync>>;

/// A handler that tells which batches it was given.
pub(crate) fn telling<T: Clone + Send + 'static>() -> (
    impl Fn(&mut Vec<T>, &TaskContext) -> Handled + Send + Sync + 'static,
    Receiver<Vec<T>>,
) {
    let (tell, told): (Sender<Vec<T>>, _) = unbounded();
    let handler = move |batch: &mut Vec<T>, _: &TaskContext| {
        tell.send(batch.clone()).unwrap();
        Ok(())
    };
    (handler, told)
}

/// What is told of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dead<T> {
    pub(crate) item: T,
    pub(crate) cause: DeadLetterReason,
    pub(crate) error: Option<String>,
    pub(crate) attempts: u32,
}

/// A closure that tells of its dead letters.
pub(crate) fn burying<T: Send + 'static>() -> (
    impl Fn(T, &DeadLetter) + Send + Sync + 'static,
    Receiver<Dead<T>>,
) {
    let (tell, told) = unbounded();
    let closure = move |item: T, why: &DeadLetter| {
        let dead = Dead {
            item,
            cause: why.reason(),
            error: why.error().map(ToString::to_string),
            attempts: why.attempts(),
        };
        let _ = tell.send(dead);
    };
    (closure, told)
}

/// Everything that has come so far.
pub(crate) fn all<T>(told: &Receiver<T>) -> Vec<T> {
    told.try_iter().collect()
}

/// Every item that was accepted is somewhere, and nowhere twice.
pub(crate) fn expect_sum(stats: &BatchStats) {
    let sum = stats.handled() + stats.dead() + stats.unstarted() + stats.waiting();
    assert_eq!(stats.accepted(), sum, "{stats}");
}
