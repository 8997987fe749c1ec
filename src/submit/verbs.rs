//! The verbs: how a closure becomes a task in the queue. Written once, for
//! `Pool`, `Submitter` and `TaskBuilder`.

use super::SubmitError;
use crate::clock::{self, Deadline};
use crate::queue::{Limited, PoolCore, PoolRef, Refusal, WhenFull};
use crate::sync::Arc;
use crate::task::{
    Bare, FireAndForget, Labelled, Origin, Plain, Queued, Shared, TaskCell, TaskFn, TaskHandle,
    UnstartedTask, WithContext, next_id, run_in_place,
};
use std::panic::Location;
use std::time::Duration;

/// Where tasks come in.
pub(crate) struct Submission<'a> {
    pool_ref: &'a Arc<PoolRef>,
    name: Option<&'a Arc<str>>,
    start_by: Deadline,
}

/// A closure with or without context that can be had back.
pub(crate) trait Closure: TaskFn {
    type Inner;
    fn into_inner(self) -> Self::Inner;
}

impl<F: FnOnce() -> T + Send, T> Closure for Bare<F> {
    type Inner = F;
    fn into_inner(self) -> F {
        self.0
    }
}

impl<F, T> Closure for WithContext<F>
where
    WithContext<F>: TaskFn<Output = T>,
{
    type Inner = F;
    fn into_inner(self) -> F {
        self.0
    }
}

impl<C: Closure> Closure for Labelled<C> {
    type Inner = C::Inner;
    fn into_inner(self) -> C::Inner {
        self.body.into_inner()
    }
}

impl<C: Closure> Closure for Limited<C> {
    type Inner = C::Inner;
    fn into_inner(self) -> C::Inner {
        self.body.into_inner()
    }
}

impl<'a> Submission<'a> {
    pub(crate) fn unnamed(pool_ref: &'a Arc<PoolRef>) -> Submission<'a> {
        Submission {
            pool_ref,
            name: None,
            start_by: Deadline::NEVER,
        }
    }

    /// The time to start begins now.
    #[inline]
    pub(crate) fn labelled(
        pool_ref: &'a Arc<PoolRef>,
        name: &'a Arc<str>,
        start_within: Duration,
    ) -> Submission<'a> {
        Submission {
            pool_ref,
            name: Some(name),
            start_by: match start_within {
                Duration::MAX => Deadline::NEVER,
                limit => Deadline::after(limit),
            },
        }
    }

    /// A closed pool refuses before anything is allocated.
    fn refuse_if_closed<C: Closure>(&self, closure: C) -> Result<C, SubmitError<C::Inner>> {
        match self.pool_ref.queue.is_closed() {
            false => Ok(closure),
            true => {
                self.pool_ref.queue.count_refused();
                Err(refuse(
                    &self.pool_ref.queue,
                    closure.into_inner(),
                    Refusal::Closed,
                ))
            }
        }
    }

    /// A task with a handle.
    pub(crate) fn submit<C: Closure<Output: Send> + 'static>(
        &self,
        closure: C,
        when_full: WhenFull,
        submitted_at: &'static Location<'static>,
    ) -> Result<TaskHandle<C::Output>, SubmitError<C::Inner>> {
        let closure = self.refuse_if_closed(closure)?;
        let id = next_id();
        let origin = Origin { id, submitted_at };
        let name = self.name.cloned();
        let pool_ref = self.pool_ref.clone();
        let cell = TaskCell::new(origin, name, self.start_by, closure, pool_ref, ());
        let task: Arc<dyn Shared> = cell.clone();
        match self.pool_ref.queue.push_quickly(task, id, when_full) {
            Ok(()) => Ok(TaskHandle::new(cell)),
            Err((_, refusal)) => match cell.into_body() {
                Some(closure) => Err(refuse(&self.pool_ref.queue, closure.into_inner(), refusal)),
                None => unreachable!("a refused task was not run"),
            },
        }
    }

    /// A task without a handle.
    pub(crate) fn execute<C: Closure + 'static>(
        &self,
        closure: C,
        when_full: WhenFull,
        submitted_at: &'static Location<'static>,
    ) -> Result<(), SubmitError<C::Inner>> {
        let queued_at = self.pool_ref.queue.is_observed().then(clock::now);
        if self.name.is_none() && queued_at.is_none() {
            return self.execute_body(closure, when_full, submitted_at);
        }
        let labelled = Labelled {
            name: self.name.cloned(),
            start_by: self.start_by,
            queued_at,
            body: closure,
        };
        self.execute_body(labelled, when_full, submitted_at)
    }

    fn execute_body<C: Closure + 'static>(
        &self,
        closure: C,
        when_full: WhenFull,
        submitted_at: &'static Location<'static>,
    ) -> Result<(), SubmitError<C::Inner>> {
        let body = self.refuse_if_closed(closure)?;
        let id = next_id();
        let origin = Origin { id, submitted_at };
        let queue = &self.pool_ref.queue;
        // Before it is boxed: it never gets into the queue.
        if let Some(me) = queue.in_place_if_full(when_full) {
            return queue
                .counted(run_in_place(origin, body, &me))
                .map_err(|body| refuse(queue, body.into_inner(), Refusal::Closed));
        }
        let task: Box<dyn FireAndForget> = Box::new(Plain { origin, body });
        queue
            .push_quickly(task, id, when_full)
            .map_err(|(task, refusal)| {
                let plain = match task {
                    Queued::Plain(task) => task.into_any().downcast::<Plain<C>>().ok(),
                    Queued::Shared(_) => None,
                };
                match plain {
                    Some(plain) => refuse(queue, plain.body.into_inner(), refusal),
                    None => unreachable!("what is given back is what was pushed"),
                }
            })
    }

    /// A task that a stop handed back.
    pub(crate) fn resubmit(
        &self,
        task: UnstartedTask,
        when_full: WhenFull,
    ) -> Result<(), SubmitError<UnstartedTask>> {
        let (mut task, ledger) = task.into_parts();
        let id = task.id();
        let cell = match &mut task {
            Queued::Plain(task) => {
                task.renew();
                None
            }
            Queued::Shared(cell) => Some(cell.clone()),
        };
        let before = cell
            .as_ref()
            .map(|cell| cell.prepare_resubmit(self.pool_ref.clone()));
        let pushed = self.pool_ref.queue.push(task, id, when_full);
        if let Some((cell, before)) = cell.zip(before) {
            match pushed.is_ok() {
                true => cell.resubmitted(),
                false => cell.resubmit_refused(before),
            }
        }
        pushed.map_err(|(task, refusal)| {
            let queue = &self.pool_ref.queue;
            refuse(queue, UnstartedTask::new(task, ledger), refusal)
        })
    }
}

/// The error of a submit that the pool refused.
pub(super) fn refuse<F>(pool: &PoolCore, task: F, refusal: Refusal) -> SubmitError<F> {
    let refused = SubmitError::new(task, refusal);
    match refusal {
        Refusal::Closed => refused.due_to(pool.membership.stopping()),
        _ => refused,
    }
}

/// The verbs, for a type with a method `door`.
macro_rules! verbs {
    () => {
        /// Submits a task and returns a handle to its result. Blocks while the
        /// queue is full, without limit.
        ///
        /// Called by one of the pool's own workers it never blocks: where the
        /// queue is full the task goes to that worker's overflow list, which is
        /// not bounded. A task that wants the bound uses `try_submit`, which
        /// refuses, or `submit_timeout`, which waits.
        ///
        /// # Errors
        ///
        /// When the pool is closed, also while this waited; the error gives the
        /// closure back.
        ///
        /// # Examples
        ///
        /// ```
        /// let pool = groundcrew::Pool::new(2)?;
        /// let handle = pool.submit(|| 6 * 7)?;
        /// assert_eq!(handle.join()?, 42);
        /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        /// ```
        #[track_caller]
        pub fn submit<F, T>(&self, task: F) -> Result<$crate::TaskHandle<T>, $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send + 'static,
        {
            self.submission().submit(
                $crate::task::Bare(task),
                $crate::queue::WhenFull::WaitOrOverflow,
                std::panic::Location::caller(),
            )
        }

        /// Submits a task if there is room in the queue.
        ///
        /// # Errors
        ///
        /// When the queue is full, or the pool is closed; the error gives the
        /// closure back.
        ///
        /// # Examples
        ///
        /// ```
        /// let pool = groundcrew::Pool::builder().threads(1).queue_capacity(1).build()?;
        /// let (open, gate) = groundcrew::channel::bounded::<()>(0);
        /// let mut tasks = 0;
        /// let refused = loop {
        ///     let gate = gate.clone();
        ///     match pool.try_submit(move || gate.recv().unwrap_or_default()) {
        ///         Ok(_) => tasks += 1,
        ///         Err(refused) => break refused,
        ///     }
        /// };
        /// assert!(refused.is_full());
        /// assert!(tasks <= 2); // one running, one in the queue
        /// drop(open);
        /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        /// ```
        #[track_caller]
        pub fn try_submit<F, T>(
            &self,
            task: F,
        ) -> Result<$crate::TaskHandle<T>, $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send + 'static,
        {
            self.submission().submit(
                $crate::task::Bare(task),
                $crate::queue::WhenFull::Refuse,
                std::panic::Location::caller(),
            )
        }

        /// Submits a task, blocking while the queue is full, for `timeout` at
        /// most; also from the pool's own workers.
        ///
        /// A zero timeout tries once; [`Duration::MAX`](std::time::Duration::MAX)
        /// waits without limit.
        ///
        /// # Errors
        ///
        /// When the queue stayed full, or the pool is closed; the error gives
        /// the closure back.
        ///
        /// # Examples
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let pool = groundcrew::Pool::new(1)?;
        /// let handle = pool.submit_timeout(Duration::from_secs(1), || 7)?;
        /// assert_eq!(handle.join()?, 7);
        /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        /// ```
        #[track_caller]
        pub fn submit_timeout<F, T>(
            &self,
            timeout: std::time::Duration,
            task: F,
        ) -> Result<$crate::TaskHandle<T>, $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send + 'static,
        {
            self.submission().submit(
                $crate::task::Bare(task),
                $crate::queue::WhenFull::Wait($crate::clock::Deadline::after(timeout)),
                std::panic::Location::caller(),
            )
        }

        /// Submits a task, blocking while the queue is full, until `deadline`
        /// at most; also from the pool's own workers.
        ///
        /// A deadline in the past tries once.
        ///
        /// # Errors
        ///
        /// When the queue stayed full, or the pool is closed; the error gives
        /// the closure back.
        #[track_caller]
        pub fn submit_deadline<F, T>(
            &self,
            deadline: std::time::Instant,
            task: F,
        ) -> Result<$crate::TaskHandle<T>, $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send + 'static,
        {
            self.submission().submit(
                $crate::task::Bare(task),
                $crate::queue::WhenFull::Wait($crate::clock::Deadline::at(deadline)),
                std::panic::Location::caller(),
            )
        }

        /// Submits a task that is given its [`TaskContext`](crate::TaskContext):
        /// token, note, submitter. Otherwise like [`submit`](Self::submit): it
        /// blocks while the queue is full, and never in one of the pool's own
        /// workers.
        ///
        /// # Errors
        ///
        /// When the pool is closed; the error gives the closure back.
        ///
        /// # Examples
        ///
        /// ```
        /// let pool = groundcrew::Pool::new(1)?;
        /// let handle = pool.submit_with(|ctx| ctx.is_cancelled())?;
        /// assert_eq!(handle.join()?, false);
        /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        /// ```
        #[track_caller]
        pub fn submit_with<F, T>(
            &self,
            task: F,
        ) -> Result<$crate::TaskHandle<T>, $crate::SubmitError<F>>
        where
            F: FnOnce(&$crate::TaskContext) -> T + Send + 'static,
            T: Send + 'static,
        {
            self.submission().submit(
                $crate::task::WithContext(task),
                $crate::queue::WhenFull::WaitOrOverflow,
                std::panic::Location::caller(),
            )
        }

        /// Submits a task without a handle: the cheapest way. What it returns is dropped by
        /// the worker. Blocks in the same cases as [`submit`](Self::submit).
        ///
        /// # Errors
        ///
        /// When the pool is closed; the error gives the closure back.
        ///
        /// # Examples
        ///
        /// ```
        /// use std::sync::atomic::{AtomicU32, Ordering};
        /// use std::sync::Arc;
        ///
        /// let pool = groundcrew::Pool::new(2)?;
        /// let ran = Arc::new(AtomicU32::new(0));
        /// for _ in 0..100 {
        ///     let ran = ran.clone();
        ///     pool.execute(move || ran.fetch_add(1, Ordering::Relaxed))?;
        /// }
        /// pool.wait_idle();
        /// assert_eq!(ran.load(Ordering::Relaxed), 100);
        /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        /// ```
        #[track_caller]
        pub fn execute<F, T>(&self, task: F) -> Result<(), $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
        {
            self.submission().execute(
                $crate::task::Bare(task),
                $crate::queue::WhenFull::WaitOrOverflow,
                std::panic::Location::caller(),
            )
        }

        /// Submits a task without a handle, if there is room in the queue.
        ///
        /// # Errors
        ///
        /// When the queue is full, or the pool is closed; the error gives the
        /// closure back.
        #[track_caller]
        pub fn try_execute<F, T>(&self, task: F) -> Result<(), $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
        {
            self.submission().execute(
                $crate::task::Bare(task),
                $crate::queue::WhenFull::Refuse,
                std::panic::Location::caller(),
            )
        }

        /// Submits a task without a handle that is given its
        /// [`TaskContext`](crate::TaskContext). Otherwise like
        /// [`execute`](Self::execute): it blocks while the queue is full, and never
        /// in one of the pool's own workers.
        ///
        /// # Errors
        ///
        /// When the pool is closed; the error gives the closure back.
        #[track_caller]
        pub fn execute_with<F, T>(&self, task: F) -> Result<(), $crate::SubmitError<F>>
        where
            F: FnOnce(&$crate::TaskContext) -> T + Send + 'static,
        {
            self.submission().execute(
                $crate::task::WithContext(task),
                $crate::queue::WhenFull::WaitOrOverflow,
                std::panic::Location::caller(),
            )
        }
    };
}

pub(crate) use verbs;
