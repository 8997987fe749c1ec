//! How work gets in: the gate, the overflow lists, in place.

use super::{Count, FOREVER, SECOND, builder, chance, check, pool};
use crate::sync::channel;
use crate::sync::model::{thread, time};
use crate::{CancelToken, SubmitError, Submitter};
use std::time::Duration;

fn execute(
    submitter: &Submitter,
    count: &crate::sync::Arc<Count>,
    task_time: Duration,
) -> Option<()> {
    count.submit(|captured| {
        submitter.execute(move || {
            captured.begin();
            time::pass(task_time);
        })
    })
}

/// Three producers with two tasks each go through a queue of few places; nothing but a
/// worker can wake them.
fn all_get_through(capacity: usize) {
    let task_time = chance::one_of(&[Duration::ZERO, SECOND]);
    let (pool, count) = (pool(1, capacity), Count::new());
    let producers: Vec<_> = (0..3)
        .map(|_| {
            let (submitter, count) = (pool.submitter(), count.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    execute(&submitter, &count, task_time).unwrap();
                }
            })
        })
        .collect();
    for producer in producers {
        producer.join().unwrap();
    }
    let report = pool.stop(FOREVER);
    assert_eq!(report.completed(), 6);
    count.agrees_with(&report);
    count.nothing_is_left();
}

#[test]
fn all_submitters_get_through_a_gate_with_one_place() {
    check(|| all_get_through(1));
}

#[test]
fn all_submitters_get_through_a_gate_with_two_places() {
    check(|| all_get_through(2));
}

#[test]
fn all_submitters_get_through_a_gate_with_three_places() {
    check(|| all_get_through(3));
}

#[test]
fn a_submitter_at_the_gate_gets_in_or_is_refused_when_the_pool_closes() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (open, gate) = channel::bounded::<()>(0);
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                let _ = gate.recv();
            })
        });
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (submitter, count) = (pool.submitter(), count.clone());
                thread::spawn(move || execute(&submitter, &count, Duration::ZERO).is_some())
            })
            .collect();
        pool.stop_handle().close();
        for producer in producers {
            producer.join().unwrap();
        }
        drop(open);
        let report = pool.stop(FOREVER);
        count.agrees_with(&report);
        assert!(report.is_clean(), "{report}");
        count.nothing_is_left();
    });
}

#[test]
fn a_submit_with_a_deadline_gets_in_or_times_out_and_gives_the_task_back() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (submitter, count) = (pool.submitter(), count.clone());
                thread::spawn(move || {
                    for _ in 0..2 {
                        let captured = count.task();
                        let index = captured.index;
                        let task = submitter.task("in time").when_full(SECOND);
                        match task.submit(move || captured.begin()) {
                            Ok(handle) => {
                                count.0.lock()[index].accepted = true;
                                handle.join().unwrap();
                            }
                            Err(refused) => {
                                assert!(refused.is_timeout());
                                assert_eq!(count.0.lock()[index].dropped, 0);
                            }
                        }
                    }
                })
            })
            .collect();
        for producer in producers {
            producer.join().unwrap();
        }
        let report = pool.stop(FOREVER);
        count.agrees_with(&report);
        count.nothing_is_left();
    });
}

#[test]
fn a_submit_until_a_token_is_cancelled_gets_in_or_is_woken_and_gives_the_task_back() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let (open, gate) = channel::bounded::<()>(0);
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                let _ = gate.recv();
            })
        });
        // One of them may get the place in the queue; nothing but the cancel wakes the other.
        let token = CancelToken::new();
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (submitter, count) = (pool.submitter(), count.clone());
                let token = token.child();
                thread::spawn(move || {
                    let captured = count.task();
                    let index = captured.index;
                    let task = submitter.task("until cancelled").when_full(&token);
                    match task.execute(move || captured.begin()) {
                        Ok(()) => count.0.lock()[index].accepted = true,
                        Err(refused) => {
                            assert!(refused.is_cancelled());
                            assert_eq!(count.0.lock()[index].dropped, 0);
                        }
                    }
                })
            })
            .collect();
        token.cancel();
        for producer in producers {
            producer.join().unwrap();
        }
        drop(open);
        let report = pool.stop(FOREVER);
        count.agrees_with(&report);
        assert!(report.is_clean(), "{report}");
        count.nothing_is_left();
    });
}

/// A task that fans out twice, on a queue of one place.
fn fan_out(submitter: &Submitter, count: &crate::sync::Arc<Count>, depth: u32) -> Option<()> {
    let (again, counter) = (submitter.clone(), count.clone());
    count.submit(|captured| {
        submitter.execute(move || {
            captured.begin();
            for _ in 0..depth {
                fan_out(&again, &counter, depth - 1);
            }
        })
    })
}

fn fan_out_against_stop(in_place: bool) {
    let builder = builder(2, 1);
    let builder = match in_place {
        true => builder.caller_runs_when_full(),
        false => builder,
    };
    let (pool, count) = (builder.build().unwrap(), Count::new());
    fan_out(&pool.submitter(), &count, 2);
    let limit = chance::one_of(&[Duration::ZERO, SECOND, FOREVER]);
    let report = pool.stop(limit);
    // What was abandoned still submits, and is refused.
    report.wait_for_abandoned(FOREVER);
    count.agrees_with(&report);
    drop(report);
    drop(pool);
    count.nothing_is_left();
}

#[test]
fn what_overflows_while_a_stop_takes_out_is_accounted() {
    check(|| fan_out_against_stop(false));
}

#[test]
fn what_runs_in_place_while_a_stop_takes_out_is_accounted() {
    check(|| fan_out_against_stop(true));
}

#[test]
fn a_task_is_not_begun_in_place_after_the_report() {
    check(|| {
        let builder = builder(1, 1);
        let (pool, count) = (
            builder.caller_runs_when_full().build().unwrap(),
            Count::new(),
        );
        let (submitter, counter) = (pool.submitter(), count.clone());
        count.submit(|captured| {
            pool.execute(move || {
                captured.begin();
                execute(&submitter, &counter, Duration::ZERO);
                execute(&submitter, &counter, Duration::ZERO);
            })
        });
        let report = pool.stop(Duration::ZERO);
        report.wait_for_abandoned(FOREVER);
        count.agrees_with(&report);
        drop(report);
        drop(pool);
        count.nothing_is_left();
    });
}

#[test]
fn a_worker_takes_what_another_one_spilled_and_none_is_forgotten() {
    check(|| {
        let (pool, count) = (pool(2, 1), Count::new());
        fan_out(&pool.submitter(), &count, 2);
        pool.wait_idle();
        assert_eq!(count.sum(|fate| fate.began == 1), 5);
        let report = pool.stop(FOREVER);
        count.agrees_with(&report);
        count.nothing_is_left();
    });
}

#[test]
fn a_refusal_gives_back_a_task_that_was_never_touched() {
    check(|| {
        let (pool, count) = (pool(1, 1), Count::new());
        let submitter = pool.submitter();
        let counter = count.clone();
        let producer = thread::spawn(move || {
            let mut given_back: Vec<SubmitError<_>> = Vec::new();
            for _ in 0..3 {
                let captured = counter.task();
                let index = captured.index;
                match submitter.try_execute(move || captured.begin()) {
                    Ok(()) => counter.0.lock()[index].accepted = true,
                    Err(refused) => given_back.push(refused),
                }
            }
            given_back
        });
        let report = pool.stop(chance::one_of(&[Duration::ZERO, FOREVER]));
        let given_back = producer.join().unwrap();
        count.agrees_with(&report);
        let refused = given_back.len() as u64;
        assert_eq!(report.accepted() + refused, 3);
        given_back
            .into_iter()
            .for_each(|refused| refused.into_inner()());
        drop(report);
        drop(pool);
        count.nothing_is_left();
    });
}
