//! The one place that catches panics.
//!
//! Two kinds of user code run here: calls, whose panic is an outcome, and drops, whose
//! panic is logged and changes nothing. A payload whose own `Drop` panics is dropped under
//! guard too, and what that throws is leaked: it would otherwise unwind out of the code
//! that handles the first panic (<https://github.com/rust-lang/rust/issues/86027>).

use crate::clock;
use crate::sync::StaticMutex;
use std::any::Any;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::vec;

/// What `panic!` threw.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `call` and catches its panic.
///
/// Unwind safety is asserted: what `call` captured is consumed by the call,
/// and what it shares with others (a mutex, say) is the caller's to judge, as
/// after a panic in a thread of its own.
#[inline]
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(call))
}

/// Drops `value`; a panic in its `Drop` is logged, as that of `what`, and goes
/// no further.
#[inline]
pub(crate) fn drop_guarded<T>(value: T, what: impl Fn() -> String) {
    // Not compiled for others.
    if const { mem::needs_drop::<T>() } {
        let mut value = Some(value);
        drop_by(&mut || drop(value.take()), &what);
    }
}

/// Calls `drop` under guard.
fn drop_by(drop: &mut dyn FnMut(), what: &dyn Fn() -> String) {
    if let Err(payload) = catch(drop) {
        log_drop(&what(), text(payload.as_ref()));
        drop_payload(payload);
    }
}

/// A value of the program that the library owns: wherever its owner is dropped, while
/// another panic unwinds too, it is dropped under guard.
pub(crate) struct Guarded<T> {
    /// There until `into_inner`.
    value: Option<T>,
    what: &'static str,
}

impl<T> Guarded<T> {
    #[inline]
    pub(crate) fn new(value: T, what: &'static str) -> Guarded<T> {
        let value = Some(value);
        Guarded { value, what }
    }

    #[inline]
    pub(crate) fn into_inner(mut self) -> T {
        let value = self.value.take();
        value.unwrap_or_else(|| unreachable!("only into_inner takes it"))
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let value = self.value.as_ref();
        value.unwrap_or_else(|| unreachable!("only into_inner takes it"))
    }
}

impl<T> DerefMut for Guarded<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let value = self.value.as_mut();
        value.unwrap_or_else(|| unreachable!("only into_inner takes it"))
    }
}

impl<T> Drop for Guarded<T> {
    #[inline]
    fn drop(&mut self) {
        if mem::needs_drop::<T>() {
            drop_guarded(self.value.take(), || self.what.to_owned());
        }
    }
}

/// Items of the program: like [`Guarded`], each by itself. The drop of a vector
/// would survive one that panics, and abort at the second.
pub(crate) struct GuardedItems<I: Iterator> {
    pub(crate) items: I,
    what: &'static str,
}

impl<I: Iterator> GuardedItems<I> {
    #[inline]
    pub(crate) fn new(items: I, what: &'static str) -> GuardedItems<I> {
        GuardedItems { items, what }
    }
}

impl<I: Iterator> Iterator for GuardedItems<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.items.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for GuardedItems<I> {}

impl<I: Iterator> Drop for GuardedItems<I> {
    #[inline]
    fn drop(&mut self) {
        if mem::needs_drop::<I::Item>() {
            let what = self.what;
            self.for_each(|item| drop_guarded(item, || what.to_owned()));
        }
    }
}

/// A vector that grows, of values like [`GuardedItems`].
pub(crate) struct GuardedVec<T> {
    values: Vec<T>,
    what: &'static str,
}

impl<T> GuardedVec<T> {
    #[inline]
    pub(crate) fn with_capacity(capacity: usize, what: &'static str) -> GuardedVec<T> {
        let values = Vec::with_capacity(capacity);
        GuardedVec { values, what }
    }

    pub(crate) fn into_vec(mut self) -> Vec<T> {
        mem::take(&mut self.values)
    }

    pub(crate) fn into_items(mut self) -> GuardedItems<vec::IntoIter<T>> {
        GuardedItems::new(mem::take(&mut self.values).into_iter(), self.what)
    }
}

impl<T> Deref for GuardedVec<T> {
    type Target = Vec<T>;

    #[inline]
    fn deref(&self) -> &Vec<T> {
        &self.values
    }
}

impl<T> DerefMut for GuardedVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.values
    }
}

impl<T> Drop for GuardedVec<T> {
    #[inline]
    fn drop(&mut self) {
        let values = mem::take(&mut self.values);
        drop(GuardedItems::new(values.into_iter(), self.what));
    }
}

/// Drops a payload; if its `Drop` panics, what that threw is leaked.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(second) = catch(|| drop(payload)) {
        log_drop("the payload of a panic", text(second.as_ref()));
        mem::forget(second);
    }
}

/// The target of the records about drops, whichever part of the crate made them.
pub(crate) const DROP: &str = "groundcrew::drop";

fn log_drop(what: &str, text: &str) {
    static LIMIT: RateLimit = RateLimit::new();
    if let Some(unlogged) = LIMIT.admit(clock::now()) {
        let and_more = and_more(unlogged, "panicked");
        log_guarded(|| log::error!(target: DROP, "{what} panicked in its drop: {text}{and_more}"));
        #[cfg(feature = "tracing")]
        log_guarded(
            || tracing::error!(target: DROP, "{what} panicked in its drop: {text}{and_more}"),
        );
    }
}

/// What a record says of those before it that were not logged.
pub(crate) fn and_more(unlogged: u64, how: &str) -> String {
    match unlogged {
        0 => String::new(),
        _ => format!(" (and {unlogged} more {how} since the last record)"),
    }
}

/// Lets a limited number of records through in a second, and counts the rest.
pub(crate) struct RateLimit {
    second: StaticMutex<Option<Second>>,
}

struct Second {
    began: Instant,
    logged: u32,
    unlogged: u64,
}

const RECORDS_A_SECOND: u32 = 10;

impl RateLimit {
    pub(crate) const fn new() -> RateLimit {
        RateLimit {
            second: StaticMutex::new(None),
        }
    }

    /// Whether to log this one, and if so how many before it were not logged.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        let mut second = self.second.lock();
        let second = second.get_or_insert(Second {
            began: now,
            logged: 0,
            unlogged: 0,
        });
        if now.duration_since(second.began) >= Duration::from_secs(1) {
            second.began = now;
            second.logged = 0;
        }
        if second.logged == RECORDS_A_SECOND {
            second.unlogged += 1;
            return None;
        }
        second.logged += 1;
        Some(mem::take(&mut second.unlogged))
    }

    /// How many were not logged since the last record; forgets them.
    pub(crate) fn take_unlogged(&self) -> u64 {
        let mut second = self.second.lock();
        second
            .as_mut()
            .map_or(0, |second| mem::take(&mut second.unlogged))
    }
}

/// Calls the logger, which is the program's code, so that its panic costs a log record and
/// nothing else. No lock of the crate is held here.
pub(crate) fn log_guarded(record: impl FnOnce()) {
    if let Err(payload) = catch(record) {
        drop_payload(payload);
    }
}

/// The message of a panic: what `panic!` was given, if that was text.
pub(crate) fn text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "(a panic payload that is not text)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    /// Panics in its drop with another one of its kind, `depth` deep.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Bomb(self.0 - 1));
            }
        }
    }

    #[test]
    fn a_chain_of_payloads_that_panic_in_their_drop_is_survived() {
        for depth in 0..4 {
            let payload = catch(|| panic_any(Bomb(depth))).unwrap_err();
            drop_payload(payload);
        }
    }

    #[test]
    fn a_value_that_panics_in_its_drop_is_survived() {
        drop_guarded(Bomb(3), || "a bomb".to_owned());
    }

    #[test]
    fn however_many_panic_in_their_drop_each_is_dropped_while_another_panic_unwinds_too() {
        let unwound = catch(|| {
            let _one = Guarded::new(Bomb(1), "a bomb");
            let _items = GuardedItems::new([Bomb(1), Bomb(1), Bomb(1)].into_iter(), "an item");
            let mut grown = GuardedVec::with_capacity(2, "a result");
            grown.extend([Bomb(2), Bomb(2)]);
            let mut half = GuardedItems::new(vec![Bomb(0), Bomb(1), Bomb(1)].into_iter(), "one");
            assert!(half.next().is_some_and(|bomb| bomb.0 == 0));
            panic!("the first");
        });
        assert_eq!(text(unwound.unwrap_err().as_ref()), "the first");
        assert_eq!(Guarded::new(7, "a number").into_inner(), 7);
    }

    #[test]
    fn the_text_of_all_three_kinds_of_payload_is_found() {
        let text_of = |payload: Payload| text(payload.as_ref()).to_owned();
        assert_eq!(text_of(catch(|| panic!("literal")).unwrap_err()), "literal");
        let number = 7;
        assert_eq!(
            text_of(catch(|| panic!("number {number}")).unwrap_err()),
            "number 7"
        );
        assert!(text_of(catch(|| panic_any(7_u8)).unwrap_err()).contains("not text"));
    }

    #[test]
    fn ten_records_a_second_are_let_through_and_the_rest_is_counted() {
        let limit = RateLimit::new();
        let start = clock::now();
        let admitted: Vec<_> = (0..25).map(|_| limit.admit(start)).collect();
        assert_eq!(admitted[..10], [Some(0); 10]);
        assert_eq!(admitted[10..], [None; 15]);
        assert_eq!(limit.admit(start + Duration::from_secs(1)), Some(15));
        assert_eq!(limit.admit(start + Duration::from_secs(1)), Some(0));
        assert_eq!(limit.take_unlogged(), 0);
    }
}
