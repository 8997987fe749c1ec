//! What is logged of items: not each of them, where many fail.

use crate::clock;
use crate::record::record;
use crate::unwind::{self, RateLimit};

/// An error record of an item, unless there were too many.
pub(super) fn item_failed(queue: &str, number: u64, why: impl FnOnce() -> String) {
    static LIMIT: RateLimit = RateLimit::new();
    if let Some(unlogged) = LIMIT.admit(clock::now()) {
        let more = unwind::and_more(unlogged, "failed");
        record!(Error, QUEUE, "queue {queue}: item {number} {}{more}", why());
    }
}

/// Items that failed are kept, which a program that never takes them may not expect.
pub(super) fn warn_of_kept(queue: &str, kept: usize) {
    if kept >= MANY && kept.is_power_of_two() {
        record!(
            Warn,
            QUEUE,
            "queue {queue}: {kept} items that failed are kept; `take_failed` takes them"
        );
    }
}

const MANY: usize = 1024;
