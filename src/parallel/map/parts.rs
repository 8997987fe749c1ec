//! The partial results of a parallel loop, put together as they come.

use crate::sync::Mutex;
use std::collections::BTreeMap;

/// Partial results by the numbers of their chunks. Whatever is adjacent is put
/// together at once, so that never more are kept than there are gaps: one for
/// each chunk that is being worked on, and one more.
pub(super) struct Parts<P> {
    /// By the first chunk: the one after the last, and the result.
    apart: Mutex<BTreeMap<usize, (usize, P)>>,
}

impl<P> Parts<P> {
    pub(super) fn new() -> Parts<P> {
        Parts {
            apart: Mutex::new(BTreeMap::new()),
        }
    }

    /// Adds the result of one chunk. `combine` is called without a lock, with
    /// the earlier one first.
    pub(super) fn add(&self, chunk: usize, part: P, combine: impl Fn(P, P) -> P) {
        let (mut first, mut end, mut part) = (chunk, chunk + 1, part);
        loop {
            let mut apart = self.apart.lock();
            let before = apart.range(..first).next_back();
            let adjacent = before.and_then(|(key, (end, _))| (*end == first).then_some(*key));
            if let Some((key, (_, earlier))) = adjacent.and_then(|key| apart.remove_entry(&key)) {
                drop(apart);
                first = key;
                part = combine(earlier, part);
            } else if let Some((later_end, later)) = apart.remove(&end) {
                drop(apart);
                end = later_end;
                part = combine(part, later);
            } else {
                apart.insert(first, (end, part));
                return;
            }
        }
    }

    /// Everything, if there is anything and no gap.
    pub(super) fn into_whole(self) -> Option<P> {
        let mut apart = self.apart.into_inner();
        match apart.len() {
            1 => apart.remove(&0).map(|(_, part)| part),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_any_order_are_put_together_in_order() {
        for orders in [
            [0, 1, 2, 3, 4],
            [4, 3, 2, 1, 0],
            [3, 0, 4, 1, 2],
            [2, 0, 4, 3, 1],
        ] {
            let parts = Parts::new();
            for chunk in orders {
                parts.add(chunk, chunk.to_string(), |a, b| a + &b);
            }
            assert_eq!(parts.into_whole().as_deref(), Some("01234"));
        }
    }

    #[test]
    fn what_has_a_gap_is_no_whole() {
        let parts = Parts::new();
        parts.add(0, (), |(), ()| ());
        parts.add(2, (), |(), ()| ());
        assert_eq!(parts.into_whole(), None);
        assert_eq!(Parts::<()>::new().into_whole(), None);
    }
}
