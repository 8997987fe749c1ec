use super::*;
use crate::sync::channel::{self, TryRecvError};
use std::thread;

/// Miri is some thousand times slower.
const fn times(natively: u32) -> u32 {
    if cfg!(miri) {
        natively / 1000 + 2
    } else {
        natively
    }
}

fn listeners(token: &CancelToken) -> usize {
    token.listeners()
}

#[test]
fn a_million_children_of_one_parent_leave_nothing_behind() {
    let parent = CancelToken::new();
    for number in 0..times(1_000_000) {
        let child = parent.child();
        match number % 4 {
            0 => assert!(!child.is_cancelled()),
            1 => assert!(!child.wait_timeout(Duration::ZERO)),
            2 => assert_eq!(child.receiver().try_recv(), Err(TryRecvError::Empty)),
            _ => drop(child.child().child()),
        }
    }
    assert_eq!(listeners(&parent), 0);
    assert_eq!(Arc::strong_count(&parent.node), 1);
}

#[test]
fn a_receiver_is_registered_while_it_or_a_clone_lives_and_no_longer() {
    let root = CancelToken::new();
    let middle = root.child();
    for _ in 0..times(10_000) {
        let receiver = middle.child().receiver();
        let clone = receiver.clone();
        assert_eq!([listeners(&root), listeners(&middle)], [1, 1]);
        drop(receiver);
        assert_eq!([listeners(&root), listeners(&middle)], [1, 1]);
        drop(clone);
        assert_eq!([listeners(&root), listeners(&middle)], [0, 0]);
    }
    assert_eq!(Arc::strong_count(&middle.node), 1);
}

#[test]
fn thousands_of_receivers_that_threads_may_be_blocked_on_stay_registered() {
    let root = CancelToken::new();
    let receivers: Vec<_> = (0..times(3_000)).map(|_| root.child().receiver()).collect();
    assert_eq!(listeners(&root), receivers.len());
    let still = |receiver: &CancelReceiver| receiver.try_recv() == Err(TryRecvError::Empty);
    assert!(receivers.iter().all(still));
    root.cancel();
    assert!(!receivers.iter().any(still));
    drop(receivers);
    assert_eq!(listeners(&root), 0);
}

#[test]
fn a_receiver_that_a_thread_is_blocked_on_outlives_its_token() {
    let root = CancelToken::new();
    let middle = root.child();
    let receiver = middle.child().receiver();
    drop(middle);
    thread::scope(|scope| {
        let blocked = scope.spawn(|| receiver.recv());
        for _ in 0..100 {
            drop(root.child().receiver());
        }
        assert!(!blocked.is_finished());
        root.cancel();
        assert!(blocked.join().unwrap().is_err());
    });
}

#[test]
fn in_a_select_a_receiver_stands_by_its_name_by_reference_and_as_it_is_made() {
    let (root, (_open, work)) = (CancelToken::new(), channel::bounded::<u32>(0));
    let stopped = root.child().receiver();
    let by_reference = &stopped;
    channel::select! {
        recv(work) -> _ => unreachable!(),
        recv(stopped) -> _ => unreachable!(),
        recv(by_reference) -> _ => unreachable!(),
        recv(root.child().receiver()) -> _ => unreachable!(),
        default => root.cancel(),
    }
    channel::select! {
        recv(work) -> _ => unreachable!(),
        recv(stopped) -> end => assert!(end.is_err()),
    }
}

#[test]
fn an_unwaited_token_registers_nowhere_and_a_waited_one_only_while_it_lives() {
    let parent = CancelToken::new();
    let child = parent.child();
    assert_eq!(listeners(&parent), 0);
    child.wait_timeout(Duration::ZERO);
    assert_eq!(listeners(&parent), 1);
    drop(child);
    assert_eq!(listeners(&parent), 0);
}

#[test]
fn a_chain_of_a_hundred_thousand_is_cancelled_waited_on_and_dropped_without_recursion() {
    let root = CancelToken::new();
    let mut leaf = root.child();
    for _ in 0..times(100_000) {
        leaf = leaf.child();
    }
    assert!(!leaf.wait_timeout(Duration::ZERO));
    root.cancel();
    leaf.wait();
    assert!(leaf.is_cancelled());
    drop(leaf);
    assert_eq!(Arc::strong_count(&root.node), 1);
}

#[test]
fn cancelling_a_child_leaves_parent_and_siblings_alone() {
    let parent = CancelToken::new();
    let (one, other) = (parent.child(), parent.child());
    let (heard, unheard) = (one.receiver(), other.receiver());
    one.cancel();
    assert_eq!(heard.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(unheard.try_recv(), Err(TryRecvError::Empty));
    assert!(!parent.is_cancelled());
    assert!(parent.cancelled_at().is_none());
    assert!(one.cancelled_at().is_some());
}

#[test]
fn a_receiver_that_outlives_its_token_still_hears_every_ancestor_and_nothing_else() {
    for cancelled in 0..3 {
        let root = CancelToken::new();
        let middle = root.child();
        let receiver = middle.child().receiver();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        match cancelled {
            0 => root.cancel(),
            1 => middle.cancel(),
            _ => {
                drop((root, middle)); // nothing can cancel it any more
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                continue;
            }
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}

#[test]
fn every_waiter_on_every_level_wakes() {
    let root = CancelToken::new();
    let middle = root.child();
    let leaf = middle.child();
    thread::scope(|scope| {
        for token in [&root, &middle, &leaf, &leaf] {
            scope.spawn(|| token.wait());
        }
        root.cancel();
    });
}

#[test]
fn a_wait_racing_the_cancel_is_never_missed() {
    for _ in 0..times(2_000) {
        let parent = CancelToken::new();
        let child = parent.child();
        thread::scope(|scope| {
            scope.spawn(|| child.wait());
            parent.cancel();
        });
    }
}

#[test]
fn a_child_of_a_cancelled_token_is_cancelled_and_its_wait_returns() {
    let parent = CancelToken::new();
    parent.cancel();
    parent.cancel();
    let child = parent.child();
    child.wait();
    assert_eq!(child.check(), Err(Cancelled));
}

#[test]
fn a_closure_is_called_once_by_the_first_cancel_of_its_token_or_an_ancestor() {
    for first in 0..3 {
        let root = CancelToken::new();
        let middle = root.child();
        let leaf = middle.child();
        let (called, calls) = channel::unbounded();
        let guard = leaf.on_cancel(move || called.send(thread::current().id()).unwrap());
        let mut tokens = [&root, &middle, &leaf];
        tokens.rotate_left(first);
        tokens.iter().for_each(|token| token.cancel());
        assert_ne!(calls.recv(), Ok(thread::current().id()));
        assert!(calls.recv().is_err()); // it is gone, and there was no second call
        drop(guard);
    }
}

#[test]
fn a_closure_of_a_token_that_is_cancelled_already_is_called_at_once_and_here() {
    let parent = CancelToken::new();
    parent.cancel();
    let (called, calls) = channel::unbounded();
    let guard = parent
        .child()
        .on_cancel(move || called.send(thread::current().id()).unwrap());
    assert_eq!(calls.try_recv(), Ok(thread::current().id()));
    drop(guard);
}

#[test]
fn a_closure_whose_guard_is_dropped_is_dropped_uncalled_and_leaves_nothing_behind() {
    let root = CancelToken::new();
    let child = root.child();
    let (held, dropped) = channel::bounded::<()>(1);
    let guard = child.on_cancel(move || held.send(()).unwrap());
    assert_eq!([listeners(&root), listeners(&child)], [1, 1]);
    drop(guard);
    assert_eq!([listeners(&root), listeners(&child)], [0, 0]);
    assert_eq!(dropped.recv(), Err(channel::RecvError));
    root.cancel();
}

#[test]
fn closures_are_called_in_order_and_one_that_panics_ends_no_other() {
    let token = CancelToken::new();
    let (called, calls) = channel::unbounded();
    let guards: Vec<_> = (0..10)
        .map(|number| {
            let called = called.clone();
            token.on_cancel(move || {
                called.send(number).unwrap();
                assert!(number != 3, "expected by the test");
            })
        })
        .collect();
    token.cancel();
    drop(called);
    assert!(calls.iter().eq(0..10));
    drop(guards);
}

#[test]
fn a_cancel_does_not_wait_for_a_closure_that_hangs_nor_does_its_guard() {
    let token = CancelToken::new();
    let (open, gate) = channel::bounded::<()>(0);
    let (begin, begun) = channel::bounded(1);
    let guard = token.on_cancel(move || {
        begin.send(()).unwrap();
        let _ = gate.recv();
    });
    token.cancel();
    begun.recv().unwrap();
    drop(guard);
    drop(open);
}

#[test]
fn closures_that_hang_hold_up_none_of_those_after_them() {
    let token = CancelToken::new();
    let (open, gate) = channel::bounded::<()>(0);
    let (called, calls) = channel::unbounded();
    let guards: Vec<_> = (0..10)
        .map(|number| {
            let (gate, called) = (gate.clone(), called.clone());
            token.on_cancel(move || {
                called.send(number).unwrap();
                if number % 3 == 0 {
                    let _ = gate.recv();
                }
            })
        })
        .collect();
    token.cancel();
    let begun: Vec<_> = calls.iter().take(10).collect();
    assert_eq!(begun, (0..10).collect::<Vec<_>>());
    drop((open, guards));
}

#[test]
fn a_guard_keeps_its_token_alive() {
    let root = CancelToken::new();
    let (called, calls) = channel::unbounded();
    let guard = root.child().on_cancel(move || called.send(()).unwrap());
    root.cancel();
    assert_eq!(calls.recv(), Ok(()));
    drop(guard);
    assert_eq!(Arc::strong_count(&root.node), 1);
}
