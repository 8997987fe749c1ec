//! The verbs of a scope. Written once, for `Scope` and `ScopedTaskBuilder`.

/// The verbs, for a type with a method `push` and a lifetime `'scope`.
macro_rules! verbs {
    () => {
        /// Submits a task and returns a handle to its result.
        ///
        /// Blocks while the queue is full, but never in one of the pool's own workers, like
        /// [`Pool::submit`](crate::Pool::submit). If the pool is closed, the task stays with the
        /// scope. The first thread that joins it runs it, or the scope's own thread at the end of
        /// the scope.
        #[track_caller]
        pub fn submit<F, T>(&self, task: F) -> $crate::parallel::ScopedHandle<'scope, T>
        where
            F: FnOnce() -> T + Send + 'scope,
            T: Send + 'scope,
        {
            self.push(
                $crate::task::Bare::new(task),
                std::panic::Location::caller(),
            )
        }

        /// Submits a task without a handle. Otherwise the same as [`submit`](Self::submit),
        /// including when it blocks. If the task panics, the scope resumes the panic at its end.
        #[track_caller]
        pub fn execute<F, T>(&self, task: F)
        where
            F: FnOnce() -> T + Send + 'scope,
            T: Send + 'scope,
        {
            drop(self.push(
                $crate::task::Bare::new(task),
                std::panic::Location::caller(),
            ));
        }

        /// Submits a task that receives its [`TaskContext`](crate::TaskContext). Otherwise the same
        /// as [`submit`](Self::submit), including when it blocks.
        ///
        /// Its token is a child of the pool's token, even if the pool does not run the task.
        #[track_caller]
        pub fn submit_with<F, T>(&self, task: F) -> $crate::parallel::ScopedHandle<'scope, T>
        where
            F: FnOnce(&$crate::TaskContext) -> T + Send + 'scope,
            T: Send + 'scope,
        {
            self.push(
                $crate::task::WithContext::new(task),
                std::panic::Location::caller(),
            )
        }

        /// Submits a task without a handle that receives its [`TaskContext`](crate::TaskContext).
        /// Otherwise the same as [`execute`](Self::execute), including when it blocks.
        #[track_caller]
        pub fn execute_with<F, T>(&self, task: F)
        where
            F: FnOnce(&$crate::TaskContext) -> T + Send + 'scope,
            T: Send + 'scope,
        {
            drop(self.push(
                $crate::task::WithContext::new(task),
                std::panic::Location::caller(),
            ));
        }
    };
}

pub(super) use verbs;
