//! The one place that catches panics.
//!
//! Two kinds of user code run here: calls, whose panic is an outcome, and
//! drops, whose panic is logged and changes nothing. A payload whose own
//! `Drop` panics is dropped under guard too, and what that throws is leaked:
//! it would otherwise unwind out of whoever handles the first panic
//! (<https://github.com/rust-lang/rust/issues/86027>).

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `panic!` threw.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `call` and catches its panic.
///
/// Unwind safety is asserted: what `call` captured is consumed by the call,
/// and what it shares with others (a mutex, say) is the caller's to judge, as
/// after a panic in a thread of its own.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(call))
}

/// Drops `value`; a panic in its `Drop` is logged as "`what` panicked in its
/// drop" and goes no further.
pub(crate) fn drop_guarded<T>(value: T, what: &str) {
    if !mem::needs_drop::<T>() {
        return;
    }
    if let Err(payload) = catch(|| drop(value)) {
        let text = text(payload.as_ref()).to_owned();
        drop_payload(payload);
        log_guarded(|| log::error!("{what} panicked in its drop: {text}"));
    }
}

/// Drops a payload; if its `Drop` panics, what that threw is leaked.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(second) = catch(|| drop(payload)) {
        mem::forget(second);
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
        drop_guarded(Bomb(3), "a bomb");
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
}
