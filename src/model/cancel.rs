//! Closures that a cancel calls.

use super::check;
use crate::CancelToken;
use crate::sync::channel;
use crate::sync::model::thread;

#[test]
fn a_closure_whose_guard_is_dropped_during_the_cancel_is_called_once_or_dropped() {
    check(|| {
        let token = CancelToken::new();
        let (tell, told) = channel::bounded::<()>(2);
        let guard = token.on_cancel(move || assert!(tell.try_send(()).is_ok()));
        let other = thread::spawn(move || token.cancel());
        drop(guard);
        other.join().unwrap();
        // Called or not, it is gone, and its end of the channel with it.
        let calls = (0..2).take_while(|_| told.recv().is_ok()).count();
        assert!(calls <= 1, "{calls}");
    });
}
