//! A gate at which the code under test waits for the test.

use crate::sync::{Arc, Condvar, Mutex};
use std::fmt;

/// A gate that blocks the code under test until the test opens it.
///
/// The test holds the gate, and passes an [`Entrance`] to tasks and services. Dropping the gate
/// opens it, so that a test that fails leaves no thread waiting, and the pool or host that the test
/// drops next does not have to abandon a task. For the same reason, only entrances can be cloned.
///
/// # Examples
///
/// ```
/// use groundcrew::Pool;
/// use groundcrew::testing::Gate;
/// use std::time::Duration;
///
/// let pool = Pool::builder().threads(1).queue_capacity(1).build()?;
/// let gate = Gate::new();
/// let entrance = gate.entrance();
/// pool.execute(move || entrance.wait())?;
///
/// gate.wait_for(1); // the worker is busy from here on
/// pool.execute(|| ())?; // this fills the queue
/// assert!(pool.try_execute(|| ()).unwrap_err().is_full());
///
/// gate.open();
/// assert_eq!(pool.stop(Duration::from_secs(5)).completed(), 2);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct Gate {
    inner: Arc<Inner>,
}

/// The side of a [`Gate`] where the code under test waits. A clone belongs to the same gate.
#[derive(Clone)]
pub struct Entrance {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// A thread may go through.
    let_through: Condvar,
    /// A thread has come.
    come: Condvar,
}

#[derive(Default)]
struct State {
    is_open: bool,
    /// The number of threads that have come. The first is number 0.
    come: usize,
    /// Those with a lower number go through.
    let_through: usize,
}

impl State {
    fn waiting(&self) -> usize {
        match self.is_open {
            true => 0,
            false => self.come.saturating_sub(self.let_through),
        }
    }
}

impl Gate {
    /// Creates a closed gate.
    pub fn new() -> Gate {
        Gate {
            inner: Arc::new(Inner {
                state: Mutex::new(State::default()),
                let_through: Condvar::new(),
                come: Condvar::new(),
            }),
        }
    }

    /// Returns an entrance, for the code under test.
    pub fn entrance(&self) -> Entrance {
        Entrance {
            inner: self.inner.clone(),
        }
    }

    /// Blocks until at least `count` threads are waiting at the gate. Threads that were already let
    /// through do not count.
    ///
    /// # Panics
    ///
    /// Panics if the gate is open, since no thread will ever wait at it, unless `count` is 0.
    pub fn wait_for(&self, count: usize) {
        let mut state = self.inner.state.lock();
        while state.waiting() < count {
            assert!(!state.is_open, "no thread waits at a gate that is open");
            self.inner.come.wait(&mut state);
        }
    }

    /// Returns the number of threads that are waiting at the gate. Threads that were already let
    /// through do not count.
    pub fn waiting(&self) -> usize {
        self.inner.state.lock().waiting()
    }

    /// Lets `count` threads through, in the order of their arrival: first those that are waiting,
    /// then those that arrive later.
    ///
    /// # Examples
    ///
    /// ```
    /// # let gate = groundcrew::testing::Gate::new();
    /// let entrance = gate.entrance();
    /// gate.pass(2);
    /// entrance.wait();
    /// entrance.wait(); // a third one would wait
    /// ```
    pub fn pass(&self, count: usize) {
        let mut state = self.inner.state.lock();
        state.let_through = state.let_through.saturating_add(count);
        drop(state);
        self.inner.let_through.notify_all();
    }

    /// Opens the gate for all threads. Dropping the gate does the same.
    pub fn open(&self) {
        self.inner.state.lock().is_open = true;
        self.inner.let_through.notify_all();
        // Another thread of the test may be inside `wait_for`, which is to panic.
        self.inner.come.notify_all();
    }

    /// Returns `true` if it was opened.
    pub fn is_open(&self) -> bool {
        self.inner.state.lock().is_open
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Default for Gate {
    /// The same as [`Gate::new`].
    fn default() -> Gate {
        Gate::new()
    }
}

impl Entrance {
    /// Blocks until the gate is open or lets this thread through. Returns at once if the gate was
    /// dropped.
    pub fn wait(&self) {
        let mut state = self.inner.state.lock();
        let number = state.come;
        state.come += 1;
        self.inner.come.notify_all();
        while !state.is_open && number >= state.let_through {
            self.inner.let_through.wait(&mut state);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.show(f, "Gate")
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.show(f, "Entrance")
    }
}

impl Inner {
    fn show(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct(name)
            .field("is_open", &state.is_open)
            .field("waiting", &state.waiting())
            .finish_non_exhaustive()
    }
}
