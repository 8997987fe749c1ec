//! The one place that catches panics.
//!
//! Two kinds of user code run here: calls, whose panic is an outcome, and
//! drops, whose panic is logged and changes nothing. A payload whose own
//! `Drop` panics is dropped under guard too, and what that throws is leaked:
//! it would otherwise unwind out of whoever handles the first panic
//! (<https://github.com/rust-lang/rust/issues/86027>).

use crate::clock;
use crate::sync::StaticMutex;
use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

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
pub(crate) fn drop_guarded<T>(value: T, what: impl FnOnce() -> String) {
    if !mem::needs_drop::<T>() {
        return;
    }
    if let Err(payload) = catch(|| drop(value)) {
        log_drop(&what(), text(payload.as_ref()));
        drop_payload(payload);
    }
}

/// Drops a payload; if its `Drop` panics, what that threw is leaked.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(second) = catch(|| drop(payload)) {
        log_drop("the payload of a panic", text(second.as_ref()));
        mem::forget(second);
    }
}

fn log_drop(what: &str, text: &str) {
    static LIMIT: RateLimit = RateLimit::new();
    if let Some(unlogged) = LIMIT.admit(clock::now()) {
        let and_more = and_more(unlogged, "panicked");
        log_guarded(|| log::error!("{what} panicked in its drop: {text}{and_more}"));
    }
}

/// What a record says of those before it that were not logged.
pub(crate) fn and_more(unlogged: u64, how: &str) -> String {
    match unlogged {
        0 => String::new(),
        _ => format!(" (and {unlogged} more {how} since the last record)"),
    }
}

/// Lets so many records through in a second, and counts the rest.
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

    /// Whether this one is to be logged, and if so how many before it were not.
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

/// Calls the logger, which is the program's code, so that its panic costs a
/// log record and nothing else. Nobody holds a lock of ours here.
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
