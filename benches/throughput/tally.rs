//! Counts the tasks that ran, at the least cost that can be had: each thread
//! has a line of its own.

use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const LINES: usize = 64;

static COUNTS: [CachePadded<AtomicU64>; LINES] =
    [const { CachePadded::new(AtomicU64::new(0)) }; LINES];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static LINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// One more task ran. Threads are numbered as they come, and only few live at
/// the same time, so each is the only one to write to its line.
#[inline]
pub(crate) fn count() {
    let mut line = LINE.get();
    if line == usize::MAX {
        line = NEXT.fetch_add(1, Ordering::Relaxed) % LINES;
        LINE.set(line);
    }
    let count = &COUNTS[line];
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
}

pub(crate) fn total() -> u64 {
    COUNTS
        .iter()
        .map(|count| count.load(Ordering::Acquire))
        .sum()
}

/// Waits until so many tasks have run, without taking a core from them.
pub(crate) fn wait_for(total: u64) {
    while self::total() < total {
        thread::sleep(Duration::from_micros(20));
    }
}
