//! Which settings of a pool cannot work. Each check returns a sentence that says what to write
//! instead. Pure.

use crate::stop::StopPlan;
use crate::threads::LEAST_STACK;
use std::time::Instant;

const MOST_THREADS: usize = 1 << 16;
const MOST_PLACES: usize = 1 << 26;

pub(super) fn threads(threads: usize) -> Option<String> {
    match threads {
        0 => Some(
            "a pool of 0 threads would never run a task; ask for at least 1, or use \
             Pool::builder() without `threads` for one per core"
                .to_owned(),
        ),
        1..=MOST_THREADS => None,
        _ => Some(format!(
            "{threads} threads are more than the {MOST_THREADS} that a pool can have; a \
             CPU-bound one needs one per core, which is what leaving `threads` out gives"
        )),
    }
}

pub(super) fn capacity(places: usize) -> Option<String> {
    match places {
        0 => Some(
            "a queue of 0 places would accept no task; ask for at least 1, or leave \
             `queue_capacity` out for 1024"
                .to_owned(),
        ),
        1..=MOST_PLACES => None,
        _ => Some(format!(
            "{places} places are more than the {MOST_PLACES} that a queue can have, whose \
             2 GiB are taken at once; ask for as many as may wait, or leave \
             `queue_capacity` out for 1024"
        )),
    }
}

pub(super) fn retrying(max: Option<usize>) -> Option<String> {
    (max == Some(0)).then(|| {
        "with 0 places for tasks that are retried every such submit would be refused; ask \
         for at least 1, or leave `max_retrying` out for as many as the queue has"
            .to_owned()
    })
}

/// `threads` has been checked.
pub(super) fn replacements(max: usize, threads: usize) -> Option<String> {
    (max > MOST_THREADS - threads).then(|| {
        format!(
            "{max} places for new workers are too many: with the {threads} threads of the pool \
             they may be {MOST_THREADS}; ask `max_replacements` for fewer"
        )
    })
}

pub(super) fn name(name: &str) -> Option<String> {
    (name.is_empty() || name.contains(char::is_control)).then(|| {
        format!(
            "{name:?} cannot be the name of a pool, whose threads are called after it; leave \
             control characters out of `name`, or leave `name` out for \"groundcrew\""
        )
    })
}

pub(super) fn stack_size(bytes: Option<usize>) -> Option<String> {
    let bytes = bytes.filter(|bytes| *bytes < LEAST_STACK)?;
    Some(format!(
        "a stack of {bytes} bytes is too small even for a panic; ask for at least \
         {LEAST_STACK}, or leave `stack_size` out for 2 MiB"
    ))
}

pub(super) fn drop_plan(plan: StopPlan, now: Instant) -> Option<String> {
    plan.is_endless(now).then(|| {
        "a drop plan without a deadline would let a drop wait forever; give it one, or \
         leave `drop_plan` out for 5 s"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    #[test]
    fn what_can_work_is_not_refused_up_to_the_limits() {
        assert_eq!(threads(1), None);
        assert_eq!(threads(MOST_THREADS), None);
        assert_eq!(capacity(1), None);
        assert_eq!(capacity(MOST_PLACES), None);
        assert_eq!(retrying(None), None);
        assert_eq!(retrying(Some(1)), None);
        assert_eq!(replacements(0, MOST_THREADS), None);
        assert_eq!(replacements(MOST_THREADS - 1, 1), None);
        assert_eq!(name("render"), None);
        assert_eq!(stack_size(None), None);
        assert_eq!(stack_size(Some(LEAST_STACK)), None);
        let plan = StopPlan::drain(Duration::ZERO);
        assert_eq!(drop_plan(plan, clock::now()), None);
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_to_write_instead() {
        let endless = StopPlan::drain(Duration::MAX);
        for (refused, advice) in [
            (threads(0), "at least 1"),
            (threads(MOST_THREADS + 1), "leaving `threads` out"),
            (capacity(0), "at least 1"),
            (capacity(MOST_PLACES + 1), "leave `queue_capacity` out"),
            (retrying(Some(0)), "leave `max_retrying` out"),
            (replacements(1, MOST_THREADS), "ask `max_replacements`"),
            (name("a\nb"), "leave `name` out"),
            (stack_size(Some(1)), "at least 65536"),
            (drop_plan(endless, clock::now()), "leave `drop_plan` out"),
        ] {
            let sentence = refused.unwrap();
            assert!(sentence.contains(advice), "{sentence}");
        }
    }
}
