//! The verbs: how a closure becomes a task in the queue. Written once, for
//! `Pool`, `Submitter` and `TaskBuilder`.
//!
//! A verb wraps the closure and hands it to a [`Submission`], which knows where it goes, what
//! it is called, and what to do where the queue is full.

use super::error::Target;
use super::{SubmitError, WhenFull};
use crate::clock::{self, Deadline};
use crate::queue::{
    Entry, FireAndForget, OnFull, PoolRef, Queued, Refusal, RetryPermit, Shared, worker_index_in,
};
use crate::sync::Arc;
use crate::task::{
    Bare, Labelled, Plain, TaskCell, TaskFn, TaskHandle, TaskLimits, UnstartedTask, WithContext,
    run_in_place,
};
use crate::worker::{Origin, next_id};
use std::panic::Location;
use std::time::Duration;

/// Where tasks come in.
pub(crate) struct Submission<'a> {
    pool_ref: &'a Arc<PoolRef>,
    name: Option<&'a Arc<str>>,
    limits: TaskLimits,
    on_full: OnFull<'a>,
}

/// A closure with or without context that can be had back.
pub(crate) trait Closure: TaskFn {
    type Inner;
    fn into_inner(self) -> Self::Inner;
}

impl<F: FnOnce() -> T + Send, T> Closure for Bare<F> {
    type Inner = F;
    fn into_inner(self) -> F {
        self.f
    }
}

impl<F, T> Closure for WithContext<F>
where
    WithContext<F>: TaskFn<Output = T>,
{
    type Inner = F;
    fn into_inner(self) -> F {
        self.f
    }
}

impl<C: Closure> Closure for Labelled<C> {
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
            limits: TaskLimits::NONE,
            on_full: OnFull::WAIT,
        }
    }

    /// The times to start and to wait begin now.
    #[inline]
    pub(crate) fn labelled(
        pool_ref: &'a Arc<PoolRef>,
        name: &'a Arc<str>,
        start_within: Duration,
        time_limit: Option<Duration>,
        when_full: &'a WhenFull,
    ) -> Submission<'a> {
        Submission {
            pool_ref,
            name: Some(name),
            limits: TaskLimits {
                start_by: match start_within {
                    Duration::MAX => Deadline::NEVER,
                    limit => Deadline::after(limit),
                },
                time_limit,
            },
            on_full: when_full.begin(),
        }
    }

    /// The same, with another answer to a full queue.
    #[inline]
    pub(crate) fn on_full(self, on_full: OnFull<'a>) -> Submission<'a> {
        Submission { on_full, ..self }
    }

    /// The error of a submit that was refused.
    fn refuse<F>(&self, target: Target, task: F, refusal: Refusal) -> SubmitError<F> {
        let reason = self.on_full.reason(refusal);
        let refused = SubmitError::new(task, target, reason);
        match reason {
            Refusal::Closed => refused.due_to(self.pool_ref.core.membership.stopping()),
            _ => refused,
        }
    }

    /// A permit for a task with a retry policy; what is refused is given back by `into_inner`.
    pub(super) fn take_retry_permit<C, F>(
        &self,
        closure: C,
        into_inner: impl FnOnce(C) -> F,
    ) -> Result<(C, RetryPermit), SubmitError<F>> {
        let pool = &self.pool_ref.core;
        let is_own_worker = worker_index_in(pool.id).is_some();
        match pool.retry_permits.take(self.on_full, is_own_worker) {
            // Taken before the closure is wrapped: a refusal gives it back as it came.
            Ok(permit) => Ok((closure, permit)),
            Err(refusal) => {
                pool.count_refused();
                Err(self.refuse(Target::Retries, into_inner(closure), refusal))
            }
        }
    }

    /// A closed pool refuses before anything is allocated.
    fn refuse_if_closed<C: Closure>(&self, closure: C) -> Result<C, SubmitError<C::Inner>> {
        match self.pool_ref.core.is_closed() {
            false => Ok(closure),
            true => {
                self.pool_ref.core.count_refused();
                Err(self.refuse(Target::Pool, closure.into_inner(), Refusal::Closed))
            }
        }
    }

    /// A task with a handle.
    pub(crate) fn submit<C: Closure<Output: Send> + 'static>(
        &self,
        closure: C,
        submitted_at: &'static Location<'static>,
    ) -> Result<TaskHandle<C::Output>, SubmitError<C::Inner>> {
        let closure = self.refuse_if_closed(closure)?;
        let id = next_id();
        let origin = Origin { id, submitted_at };
        let name = self.name.cloned();
        let pool_ref = self.pool_ref.clone();
        let cell = TaskCell::new(origin, name, self.limits, closure, pool_ref, ());
        let task: Arc<dyn Shared> = cell.clone();
        match self.pool_ref.core.push_quickly(task, id, self.on_full) {
            Ok(()) => Ok(TaskHandle::new(cell)),
            Err((_, refusal)) => match cell.into_body() {
                Some(closure) => Err(self.refuse(Target::Pool, closure.into_inner(), refusal)),
                None => unreachable!("a refused task was not run"),
            },
        }
    }

    /// A task without a handle, name and limits.
    pub(crate) fn execute<C: Closure + 'static>(
        &self,
        closure: C,
        submitted_at: &'static Location<'static>,
    ) -> Result<(), SubmitError<C::Inner>> {
        match self.pool_ref.core.is_observed() {
            true => self.execute_labelled(closure, submitted_at),
            false => self.execute_body(closure, submitted_at),
        }
    }

    /// A task without a handle of which there is more to say.
    pub(super) fn execute_labelled<C: Closure + 'static>(
        &self,
        closure: C,
        submitted_at: &'static Location<'static>,
    ) -> Result<(), SubmitError<C::Inner>> {
        let labelled = Labelled {
            name: self.name.cloned(),
            start_by: self.limits.start_by,
            time_limit: self.limits.time_limit,
            queued_at: self.pool_ref.core.is_observed().then(clock::now),
            body: closure,
        };
        self.execute_body(labelled, submitted_at)
    }

    fn execute_body<C: Closure + 'static>(
        &self,
        closure: C,
        submitted_at: &'static Location<'static>,
    ) -> Result<(), SubmitError<C::Inner>> {
        let body = self.refuse_if_closed(closure)?;
        let id = next_id();
        let origin = Origin { id, submitted_at };
        let core = &self.pool_ref.core;
        // Before it is boxed: it never gets into the queue.
        if let Some(me) = core.in_place_if_full(self.on_full) {
            return core
                .counted(run_in_place(origin, body, &me))
                .map_err(|body| self.refuse(Target::Pool, body.into_inner(), Refusal::Closed));
        }
        let task: Box<dyn FireAndForget> = Box::new(Plain { origin, body });
        core.push_quickly(task, id, self.on_full)
            .map_err(|(task, refusal)| {
                let plain = match task {
                    Queued::Plain(task) => task.into_any().downcast::<Plain<C>>().ok(),
                    Queued::Shared(_) => None,
                };
                match plain {
                    Some(plain) => self.refuse(Target::Pool, plain.body.into_inner(), refusal),
                    None => unreachable!("what is given back is what was pushed"),
                }
            })
    }

    /// A task that a stop handed back.
    pub(crate) fn resubmit(&self, task: UnstartedTask) -> Result<(), SubmitError<UnstartedTask>> {
        let (mut task, left_pool) = task.into_parts();
        let id = task.id();
        let cell = match &mut task {
            Queued::Plain(task) => {
                task.renew();
                None
            }
            Queued::Shared(cell) => Some(cell.clone()),
        };
        // Before the push: a worker of the new pool may begin it at once, and has to find it there.
        let before = cell
            .as_ref()
            .map(|cell| cell.prepare_resubmit(self.pool_ref.clone()));
        let pushed = self.pool_ref.core.push(task, id, self.on_full);
        if let Some((cell, before)) = cell.zip(before) {
            match pushed.is_ok() {
                true => cell.resubmitted(),
                false => cell.resubmit_refused(before),
            }
        }
        pushed.map_err(|(task, refusal)| {
            self.refuse(Target::Pool, UnstartedTask::new(task, left_pool), refusal)
        })
    }
}

/// The verbs of a pool, of what submits to it, and of a builder for tasks: for a type with a
/// method `submission`.
macro_rules! verbs {
    () => {
        /// Submits a task and returns a handle to its result. Blocks while the queue is full,
        /// without limit; a task builder has an [option] for this.
        ///
        /// In one of the pool's own workers it never blocks: if the queue is full, the task goes to
        /// that worker's overflow list, which is not bounded.
        ///
        /// [option]: crate::submit::TaskBuilder::when_full
        ///
        /// # Errors
        ///
        /// If the pool is or becomes closed; the error returns the closure.
        #[track_caller]
        pub fn submit<F, T>(&self, task: F) -> Result<$crate::TaskHandle<T>, $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
            T: Send + 'static,
        {
            let caller = std::panic::Location::caller();
            self.submission()
                .submit($crate::task::Bare::new(task), caller)
        }

        /// Submits a task that receives its [`TaskContext`](crate::TaskContext). Otherwise the same
        /// as [`submit`](Self::submit), including when it blocks.
        ///
        /// # Errors
        ///
        /// As [`submit`](Self::submit).
        #[track_caller]
        pub fn submit_with<F, T>(
            &self,
            task: F,
        ) -> Result<$crate::TaskHandle<T>, $crate::SubmitError<F>>
        where
            F: FnOnce(&$crate::TaskContext) -> T + Send + 'static,
            T: Send + 'static,
        {
            let caller = std::panic::Location::caller();
            self.submission()
                .submit($crate::task::WithContext::new(task), caller)
        }

        /// Submits a task without a handle, which is the cheapest way. The worker drops what the
        /// task returns. Otherwise the same as [`submit`](Self::submit), including when it blocks.
        ///
        /// # Errors
        ///
        /// As [`submit`](Self::submit).
        #[track_caller]
        pub fn execute<F, T>(&self, task: F) -> Result<(), $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
        {
            let caller = std::panic::Location::caller();
            self.submission()
                .execute($crate::task::Bare::new(task), caller)
        }

        /// Submits a task without a handle that receives its [`TaskContext`](crate::TaskContext).
        /// Otherwise the same as [`execute`](Self::execute), including when it blocks.
        ///
        /// # Errors
        ///
        /// As [`submit`](Self::submit).
        #[track_caller]
        pub fn execute_with<F, T>(&self, task: F) -> Result<(), $crate::SubmitError<F>>
        where
            F: FnOnce(&$crate::TaskContext) -> T + Send + 'static,
        {
            let caller = std::panic::Location::caller();
            self.submission()
                .execute($crate::task::WithContext::new(task), caller)
        }
    };
}

/// What `Pool` and `Submitter` have besides: the short forms of a refusal, and the way in of
/// tasks that a stop handed back.
macro_rules! pool_verbs {
    () => {
        /// Submits a task if there is space in the queue. This is short for
        /// [`WhenFull::Refuse`](crate::submit::WhenFull::Refuse).
        ///
        /// # Errors
        ///
        /// If the queue is full or the pool is closed; the error returns the closure.
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
        /// # Ok::<(), groundcrew::BoxError>(())
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
            let caller = std::panic::Location::caller();
            self.submission()
                .on_full($crate::queue::OnFull::Refuse)
                .submit($crate::task::Bare::new(task), caller)
        }

        /// Submits a task without a handle if there is space in the queue.
        ///
        /// # Errors
        ///
        /// As [`try_submit`](Self::try_submit).
        #[track_caller]
        pub fn try_execute<F, T>(&self, task: F) -> Result<(), $crate::SubmitError<F>>
        where
            F: FnOnce() -> T + Send + 'static,
        {
            let caller = std::panic::Location::caller();
            self.submission()
                .on_full($crate::queue::OnFull::Refuse)
                .execute($crate::task::Bare::new(task), caller)
        }

        /// Submits a task that another pool's stop handed back. Blocks while the queue is full, but
        /// never in one of the pool's own workers, like [`submit`](Self::submit).
        ///
        /// The task keeps its number, its name, its submit location and its handle: `join` now
        /// waits for this pool.
        ///
        /// # Errors
        ///
        /// If the pool is or becomes closed; the error returns the task.
        pub fn resubmit(
            &self,
            task: $crate::task::UnstartedTask,
        ) -> Result<(), $crate::SubmitError<$crate::task::UnstartedTask>> {
            self.submission().resubmit(task)
        }

        /// Submits a task that another pool's stop handed back, if there is space in the queue.
        /// Otherwise the same as [`resubmit`](Self::resubmit).
        ///
        /// # Errors
        ///
        /// If the queue is full or the pool is closed; the error returns the task.
        pub fn try_resubmit(
            &self,
            task: $crate::task::UnstartedTask,
        ) -> Result<(), $crate::SubmitError<$crate::task::UnstartedTask>> {
            self.submission()
                .on_full($crate::queue::OnFull::Refuse)
                .resubmit(task)
        }

        /// Submits a task that another pool's stop handed back, and waits for space as `when_full`
        /// says: for a duration, until an instant, or until a token is cancelled.
        ///
        /// # Errors
        ///
        /// If there was no space or the pool is closed; the error returns the task.
        pub fn resubmit_until(
            &self,
            when_full: impl Into<$crate::submit::WhenFull>,
            task: $crate::task::UnstartedTask,
        ) -> Result<(), $crate::SubmitError<$crate::task::UnstartedTask>> {
            let when_full = when_full.into();
            self.submission().on_full(when_full.begin()).resubmit(task)
        }
    };
}

pub(crate) use {pool_verbs, verbs};
