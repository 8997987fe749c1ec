//! A few items of a stream, as one task.

use crate::clock;
use crate::parallel::options::LoopOptions;
use crate::parallel::pace::CHUNK_TIME;
use crate::queue::{PoolRef, worker_index_in};
use crate::sync::{Arc, AtomicBool, Mutex, Relaxed};
use crate::task::{TaskContext, TaskFn};
use crate::trace::Parent;
use crate::unwind::{self, Guarded, GuardedItems, GuardedVec};
use std::any::type_name;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};
use std::vec;

/// What the batches of a stream have in common.
pub(super) struct Common<F> {
    pub(super) f: Guarded<F>,
    pub(super) pool_ref: Arc<PoolRef>,
    pub(super) options: LoopOptions,
    pub(super) parent: Parent,
    /// The results are no longer wanted. Written once, by the consumer; it saves work and
    /// orders nothing: hence Relaxed.
    pub(super) is_dropped: AtomicBool,
}

/// Items that were pulled from the source.
pub(super) type Pulled<T> = GuardedItems<vec::IntoIter<T>>;

pub(super) const AN_ITEM: &str = "an item of a stream";
const A_RESULT: &str = "a result of a stream";

/// What came of a batch. Put there by its task, taken by the consumer when the
/// task has ended.
pub(super) type ResultsCell<T, R> = Arc<Mutex<Option<Done<T, R>>>>;

pub(super) struct Done<T, R> {
    pub(super) results: GuardedVec<R>,
    /// What was left when an item panicked, without that one, or when it took too
    /// long, or when a stop took the backlog out.
    pub(super) rest: Pulled<T>,
    pub(super) took: Duration,
}

/// The task.
pub(super) struct Batch<T, F, R> {
    pub(super) items: Pulled<T>,
    pub(super) common: Arc<Common<F>>,
    pub(super) results: ResultsCell<T, R>,
}

impl<T, F, R> TaskFn for Batch<T, F, R>
where
    T: Send,
    F: Fn(T) -> R + Send + Sync,
    R: Send,
{
    type Output = ();
    const WANTS_CONTEXT: bool = false;

    fn call(self, _: Option<&TaskContext>) {
        let Batch {
            mut items,
            common,
            results: cell,
        } = self;
        let began = clock::now();
        let mut results = GuardedVec::with_capacity(items.len(), A_RESULT);
        let ran = unwind::catch(|| common.run(&mut items, &mut results, began));
        *cell.lock() = Some(Done {
            results,
            rest: items,
            took: clock::now().duration_since(began),
        });
        // If the stream is gone, this drops what was left for it.
        drop(cell);
        drop(common);
        if let Err(panic) = ran {
            resume_unwind(panic);
        }
    }

    fn take_parent(&mut self) -> Parent {
        self.common.parent.clone()
    }

    fn type_name() -> &'static str {
        type_name::<F>()
    }
}

impl<F> Common<F> {
    /// Works on items until there are no more, the results are no longer wanted, the token is
    /// cancelled, the pool takes nothing more, or the batch takes much longer than planned.
    ///
    /// A batch that a stop handed back, and that is run after all, is not cut short: no
    /// other batch could take the rest.
    fn run<T, R>(&self, items: &mut Pulled<T>, results: &mut Vec<R>, began: Instant)
    where
        F: Fn(T) -> R,
    {
        let core = &self.pool_ref.core;
        if worker_index_in(core.id).is_none() {
            results.extend(items.map(&*self.f));
            return;
        }
        let looks = items.len().div_ceil(LOOKS);
        let goes_on = || !self.is_dropped.load(Relaxed) && !self.options.is_cancelled();
        while goes_on() && !core.is_sealed() {
            let Some(item) = items.next() else { break };
            results.push((self.f)(item));
            let looks_now = results.len() % looks == 0 && items.len() > 0;
            if looks_now && clock::now().duration_since(began) > TOO_LONG {
                break;
            }
        }
    }
}

/// The number of items between two reads of the clock, as a batch is pulled and as it is
/// run: its items may take longer than those before did.
pub(super) const LOOKS: usize = 8;
/// A batch that takes longer than this leaves the rest of its items to others.
const TOO_LONG: Duration = CHUNK_TIME.saturating_mul(4);
