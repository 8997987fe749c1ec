//! Panics, everywhere they can happen: contract 5 and FAULTS 1 to 8.

use crate::common::{Bomb, Gate, LONG, expected_panic, occupied_pool};
use groundcrew::channel::bounded;
use groundcrew::{Pool, StopPlan, TaskError};
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn message(outcome: Result<(), TaskError>) -> String {
    match outcome {
        Err(TaskError::Panicked(panic)) => panic.message().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_panic_costs_its_own_result_only_whatever_its_payload() {
    let pool = Pool::new(1).unwrap();
    let text = message(pool.submit(|| expected_panic()).unwrap().join());
    assert_eq!(text, "expected by the test");
    let number = 7;
    let formatted = pool.submit(move || panic!("number {number}")).unwrap();
    assert_eq!(message(formatted.join()), "number 7");
    let other = pool.submit(|| panic_any(7_u8)).unwrap();
    assert!(message(other.join()).contains("not text"));
    pool.execute(|| expected_panic()).unwrap();
    assert_eq!(
        pool.submit(|| 7).unwrap().join().unwrap(),
        7,
        "the worker lives"
    );
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "panics are no uncleanness");
    assert_eq!(
        (report.accepted(), report.completed(), report.panicked()),
        (5, 1, 4)
    );
    assert_eq!(report.exit_code(), 0);
}

#[test]
fn a_captured_value_that_panics_in_its_drop_makes_the_task_a_panicked_one() {
    let pool = Pool::new(1).unwrap();
    let bomb = Bomb;
    let handle = pool
        .submit(move || {
            let _bomb = bomb;
        })
        .unwrap();
    assert_eq!(message(handle.join()), "expected by the test");
    assert_eq!(pool.stats().panicked(), 1);
}

#[test]
fn a_payload_that_panics_in_its_drop_is_survived() {
    let pool = Pool::new(1).unwrap();
    pool.execute(|| panic_any(Bomb)).unwrap();
    // Dropped by the worker, then by the joiner, then unread with the handle.
    drop(pool.submit(|| panic_any(Bomb)).unwrap());
    let joined = pool.submit(|| panic_any(Bomb)).unwrap().join();
    drop(joined);
    let unread = pool.submit(|| panic_any(Bomb)).unwrap();
    assert!(unread.wait_timeout(LONG));
    drop(unread);
    assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
    assert_eq!(pool.stats().panicked(), 4);
}

#[test]
fn tasks_that_never_ran_are_each_dropped_under_guard() {
    for way in 0..4 {
        let (pool, gate) = occupied_pool(8);
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut handles = Vec::new();
        for number in 0..3 {
            let bomb = (number == 1).then(|| Bomb);
            let count = dropped.clone();
            struct Count(Arc<AtomicUsize>);
            impl Drop for Count {
                fn drop(&mut self) {
                    self.0.fetch_add(1, SeqCst);
                }
            }
            let count = Count(count);
            let task = move || {
                let _captured = (&bomb, &count);
            };
            match number {
                0 => pool.execute(task).unwrap(),
                _ => handles.push(pool.submit(task).unwrap()),
            }
        }
        if way == 3 {
            // Cancelled: the drop happens in `cancel`.
            assert!(handles.iter().all(|handle| handle.cancel()));
        }
        let report = pool.stop(Duration::ZERO);
        match way {
            0 => report.drop_unstarted(),
            1 => drop(report.take_unstarted()),
            _ => {}
        }
        drop((report, gate));
        assert_eq!(dropped.load(SeqCst), 3, "way {way}");
    }
}

#[test]
fn the_panic_hook_is_given_task_and_message_before_the_handle_resolves() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let pool = Pool::builder()
        .threads(1)
        .on_panic(move |info, message| {
            list.lock()
                .unwrap()
                .push((info.name().to_owned(), message.to_owned()));
        })
        .build()
        .unwrap();
    let handle = pool.task("the one").submit(|| expected_panic()).unwrap();
    assert!(matches!(handle.join(), Err(TaskError::Panicked(_))));
    let expected = ("the one".to_owned(), "expected by the test".to_owned());
    assert_eq!(*told.lock().unwrap(), [expected]);
}

#[test]
fn a_panic_in_any_hook_changes_nothing() {
    let pool = Pool::builder()
        .threads(2)
        .on_worker_start(|_| expected_panic())
        .on_worker_stop(|_| expected_panic())
        .on_panic(|_, _| expected_panic())
        .build()
        .unwrap();
    let handle = pool.submit(|| expected_panic()).unwrap();
    assert!(matches!(handle.join(), Err(TaskError::Panicked(_))));
    assert_eq!(pool.submit(|| 7).unwrap().join().unwrap(), 7);
    let report = pool.stop(LONG);
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.panicked(), 1);
}

#[test]
fn a_panic_while_a_mutex_of_the_program_is_held_poisons_that_one_only() {
    let pool = Pool::new(2).unwrap();
    let mutex = Arc::new(Mutex::new(()));
    let held = mutex.clone();
    let handle = pool
        .submit(move || {
            let _guard = held.lock();
            expected_panic()
        })
        .unwrap();
    assert!(handle.join().is_err());
    assert!(mutex.is_poisoned());
    pool.submit(|| ()).unwrap().join().unwrap();
    assert!(pool.wait_idle_timeout(LONG));
}

#[test]
fn a_claimed_task_that_panics_fails_its_join_and_spares_the_joining_task() {
    let pool = Pool::new(1).unwrap();
    let outcome = pool
        .submit_with(|ctx| ctx.submitter().submit(|| expected_panic()).unwrap().join())
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(message(outcome), "expected by the test");
    let report = pool.stop(LONG);
    assert_eq!((report.completed(), report.panicked()), (1, 1));
}

#[test]
fn an_unstarted_task_that_panics_when_run_by_hand_fails_its_join() {
    let (pool, gate) = occupied_pool(2);
    let handle = pool.submit(|| expected_panic()).unwrap();
    pool.execute(|| expected_panic()).unwrap();
    let report = pool.stop(StopPlan::cancel(Duration::ZERO));
    for task in report.take_unstarted() {
        task.run();
    }
    assert_eq!(message(handle.join()), "expected by the test");
    assert_eq!(report.panicked(), 0, "later runs count nowhere");
    gate.open();
}

#[test]
fn one_panic_in_fifty_among_thousands_is_counted_to_the_last_one() {
    let pool = Pool::new(2).unwrap();
    for number in 0..5_000 {
        pool.execute(move || {
            if number % 50 == 0 {
                expected_panic();
            }
        })
        .unwrap();
    }
    let report = pool.stop(LONG);
    assert_eq!((report.completed(), report.panicked()), (4_900, 100));
}

#[test]
fn a_task_that_was_abandoned_and_panics_late_harms_nothing() {
    let pool = Pool::new(1).unwrap();
    let (gate, (tell, told)) = (Gate::new(), bounded(1));
    let entrance = gate.entrance();
    let handle = pool
        .submit(move || {
            tell.send(()).unwrap();
            entrance.pass();
            expected_panic()
        })
        .unwrap();
    told.recv().unwrap();
    let report = pool.stop(Duration::ZERO);
    gate.open();
    assert_eq!(report.wait_for_abandoned(LONG), 0);
    assert!(matches!(handle.join(), Err(TaskError::Abandoned)));
    assert_eq!((report.abandoned().len(), report.panicked()), (1, 0));
    assert_eq!((pool.stats().panicked(), pool.stats().ended_late()), (0, 1));
}
