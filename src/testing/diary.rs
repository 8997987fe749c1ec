//! What happened, in its order.

use crate::sync::{Arc, Condvar, Mutex};
use std::fmt;

/// A record of what happened in a test, in order, from any thread. A clone refers to the same
/// diary.
///
/// A [`Puppet`](super::Puppet) records the calls of its methods in it.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use groundcrew::testing::Diary;
///
/// let (pool, diary) = (Pool::new(2)?, Diary::new());
/// let of_task = diary.clone();
/// pool.execute(move || of_task.write("the task ran"))?;
/// diary.wait_for("the task ran", 1);
/// diary.write("and the test knows");
/// assert_eq!(diary.entries(), ["the task ran", "and the test knows"]);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone, Default)]
pub struct Diary {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: Mutex<Vec<String>>,
    written: Condvar,
}

impl Diary {
    /// Creates an empty diary.
    pub fn new() -> Diary {
        Diary::default()
    }

    /// Adds an entry.
    pub fn write(&self, entry: impl Into<String>) {
        let entry = entry.into();
        self.inner.entries.lock().push(entry);
        self.inner.written.notify_all();
    }

    /// Returns all entries so far.
    pub fn entries(&self) -> Vec<String> {
        self.inner.entries.lock().clone()
    }

    /// Blocks until `entry` was written `times` times.
    pub fn wait_for(&self, entry: &str, times: usize) {
        let mut entries = self.inner.entries.lock();
        let written = |entries: &[String]| entries.iter().filter(|text| *text == entry).count();
        while written(&entries) < times {
            self.inner.written.wait(&mut entries);
        }
    }
}

impl fmt::Debug for Diary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Diary").field(&self.entries()).finish()
    }
}
