//! `parking_lot`'s condition variable, without spurious wake-ups, and with
//! deadlines that the scheduler may let come.

use super::lock::MutexGuard;
use std::time::Instant;

pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(&self) -> bool {
        self.0
    }
}

#[cfg(shuttle)]
pub(crate) use with_timers::Condvar;

#[cfg(shuttle)]
mod with_timers {
    use super::super::{checker::thread, time};
    use super::{Instant, MutexGuard, WaitTimeoutResult};
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    /// Shuttle's own cannot time out.
    #[derive(Default)]
    pub(crate) struct Condvar {
        waiters: Mutex<VecDeque<Arc<Waiter>>>,
    }

    struct Waiter {
        thread: thread::Thread,
        woken: Mutex<Option<By>>,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum By {
        Notification,
        Timer,
    }

    impl Waiter {
        /// The first to come wakes it.
        fn wake(&self, by: By) -> bool {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = woken.is_none();
            woken.get_or_insert(by);
            is_first
        }

        fn woken(&self) -> Option<By> {
            *self.woken.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// Lets the scheduler choose which thread goes on.
    fn switch() {
        thread::sleep(Duration::ZERO);
    }

    impl Condvar {
        pub(crate) fn new() -> Condvar {
            Condvar::default()
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            self.wait_for(guard, |_| ());
        }

        pub(crate) fn wait_until<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            moment: Instant,
        ) -> WaitTimeoutResult {
            if time::has_come(moment) {
                MutexGuard::unlocked(guard, switch);
                return WaitTimeoutResult(true);
            }
            let by = self.wait_for(guard, |waiter| {
                let waiter = waiter.clone();
                drop(thread::spawn(move || {
                    if waiter.wake(By::Timer) {
                        time::pass_until(moment);
                        waiter.thread.unpark();
                    }
                }));
            });
            WaitTimeoutResult(by == By::Timer)
        }

        fn wait_for<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            start_timer: impl FnOnce(&Arc<Waiter>),
        ) -> By {
            // A notification that comes without the lock may come before this.
            switch();
            let waiter = Arc::new(Waiter {
                thread: thread::current(),
                woken: Mutex::default(),
            });
            self.waiters(|waiters| waiters.push_back(waiter.clone()));
            let by = MutexGuard::unlocked(guard, || {
                start_timer(&waiter);
                loop {
                    match waiter.woken() {
                        Some(by) => break by,
                        None => thread::park(),
                    }
                }
            });
            self.waiters(|waiters| waiters.retain(|other| !Arc::ptr_eq(other, &waiter)));
            by
        }

        pub(crate) fn notify_one(&self) {
            switch();
            let woken = self.waiters(|waiters| {
                let first = waiters
                    .iter()
                    .position(|waiter| waiter.wake(By::Notification));
                first.and_then(|first| waiters.remove(first))
            });
            if let Some(waiter) = woken {
                waiter.thread.unpark();
            }
        }

        pub(crate) fn notify_all(&self) {
            switch();
            for waiter in self.waiters(std::mem::take) {
                if waiter.wake(By::Notification) {
                    waiter.thread.unpark();
                }
            }
        }

        fn waiters<R>(&self, look: impl FnOnce(&mut VecDeque<Arc<Waiter>>) -> R) -> R {
            look(&mut self.waiters.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }
}

#[cfg(loom)]
pub(crate) use without_timers::Condvar;

#[cfg(loom)]
mod without_timers {
    use super::super::{checker, time};
    use super::{Instant, MutexGuard, WaitTimeoutResult};
    use std::sync::PoisonError;

    #[derive(Default)]
    pub(crate) struct Condvar(checker::Condvar);

    impl Condvar {
        pub(crate) fn new() -> Condvar {
            Condvar::default()
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            MutexGuard::exchange(guard, |guard| {
                self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
            });
        }

        /// A moment that has not come never comes.
        pub(crate) fn wait_until<T>(
            &self,
            guard: &mut MutexGuard<'_, T>,
            moment: Instant,
        ) -> WaitTimeoutResult {
            let has_come = time::has_come(moment);
            if !has_come {
                self.wait(guard);
            }
            WaitTimeoutResult(has_come)
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
