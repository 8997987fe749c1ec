//! The owner of entries.

use super::builder::EntryBuilder;
use super::entry::Entry;
use super::error::ScheduleError;
use super::rule::Schedule;
use super::status::EntryStatus;
use crate::clock::Deadline;
use crate::queue::{PoolCore, PoolRef};
use crate::submit::Submitter;
use crate::sync::{AfterUnlock, Arc, Mutex, Weak};
use crate::threads::SPAWN_TIMEOUT;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

/// Runs tasks on a pool by the clock. A clone is the same scheduler.
///
/// Each entry has a name, a [`Schedule`] and a closure. When a run is due it becomes a task
/// of the pool. The timer's thread runs no code of the program and never blocks: an entry
/// that is slow, fails or panics does not delay the others, as long as a worker is free.
/// If all workers are busy the run is late; it takes no room in the queue.
///
/// A scheduler works from [`start`](Self::start) to [`stop`](Self::stop), or to the drop of
/// its last clone. In a host that is done by [`HostBuilder::add`]. (An entry whose closure holds
/// a clone, to add others, keeps its scheduler until it is removed.)
///
/// # What is due when
///
/// `every` and `after` use the monotonic clock: setting the wall clock does not change them,
/// and on Linux the time in which the machine is suspended does not count. `at` and `cron`
/// use the wall clock. What a suspension, a busy machine or a clock that is set forward passes
/// over is [missed](crate::schedule::MisfirePolicy), and made up for by one run. A clock that is set back is
/// like autumn: a fixed time that was had is not run again, an interval (with a `*`, a
/// range or a step for second, minute or hour) goes on in its own time; after one step of
/// more than three hours all is planned again from the time that the clock shows now, since
/// the clock was wrong before. (The limit is that of Vixie's cron.)
///
/// A planned run whose time has come is run, however the clock was corrected since it was
/// planned: no correction, small or large, loses a fixed time. Corrections that come to no
/// more than a second since then change nothing; more is noticed after 30 s at the latest,
/// and steps between two such looks count as one.
///
/// # When the pool stops
///
/// The stop of the pool hands back runs that have not started, as it does with every task,
/// and from then on no run becomes due. Stop the scheduler first, so that nothing is handed
/// back. A host does that in the right order.
///
/// [`HostBuilder::add`]: crate::HostBuilder::add
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler};
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// let entry = scheduler
///     .entry("warm the cache", Schedule::every(Duration::from_millis(1)))
///     .run(|_| Ok(()))?;
/// scheduler.start()?;
/// while entry.status().runs() < 3 {}
/// scheduler.stop();
/// assert!(pool.stop(Duration::from_secs(5)).is_clean());
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct Scheduler {
    core: Arc<Core>,
}

struct Core {
    pool_ref: Arc<PoolRef>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order in which they were added, each by its number.
    entries: BTreeMap<u64, Arc<Entry>>,
    numbers: HashMap<Arc<str>, u64>,
    next: u64,
    is_live: bool,
}

impl Scheduler {
    /// A scheduler without entries, which submits its runs to the pool of this submitter.
    /// Starts nothing.
    pub fn new(pool: Submitter) -> Scheduler {
        Scheduler {
            core: Arc::new(Core {
                pool_ref: pool.pool_ref().clone(),
                state: Mutex::default(),
            }),
        }
    }

    pub(super) fn queue(&self) -> &Arc<PoolCore> {
        &self.core.pool_ref.queue
    }

    /// Begins an entry of this name; [`EntryBuilder::run`] adds it.
    pub fn entry(&self, name: impl Into<String>, schedule: Schedule) -> EntryBuilder<'_> {
        EntryBuilder::new(self, name.into(), schedule)
    }

    pub(super) fn add(&self, entry: Arc<Entry>) -> Result<ScheduleEntry, ScheduleError> {
        let is_live = self.core.state.lock().is_live;
        if is_live {
            self.queue()
                .prepare_to_wait(Deadline::after(Duration::ZERO));
        }
        let mut after = AfterUnlock::new();
        let mut state = self.core.state.lock();
        let number = state.next;
        match state.numbers.entry(entry.name().clone()) {
            Vacant(place) => place.insert(number),
            Occupied(_) => {
                drop(state);
                let entry = entry.name().to_string();
                return Err(ScheduleError::DoubleName { entry });
            }
        };
        state.next += 1;
        state.entries.insert(number, entry.clone());
        if state.is_live {
            entry.start(&mut after);
        }
        Ok(ScheduleEntry {
            entry,
            number,
            core: Arc::downgrade(&self.core),
        })
    }

    /// Starts the schedule of all entries. One that runs already is not changed. After the
    /// stop of the pool it does nothing.
    ///
    /// Blocks only if the system refuses to start the timer thread, which all schedules
    /// share: it then tries again for up to 2 s.
    ///
    /// # Errors
    ///
    /// The system's error, if that thread could not be started: nothing is planned then, and
    /// the scheduler can be started again.
    pub fn start(&self) -> io::Result<()> {
        // Not under the lock.
        self.queue().start_timer(Deadline::after(SPAWN_TIMEOUT))?;
        let mut after = AfterUnlock::new();
        let mut state = self.core.state.lock();
        state.is_live = true;
        state.entries.values().for_each(|e| e.start(&mut after));
        Ok(())
    }

    /// Stops all schedules: nothing becomes due any more. Runs that are in the pool go on;
    /// those that wait for another one to end ([`OverlapPolicy::Queue`](crate::schedule::OverlapPolicy::Queue),
    /// `trigger`) are left out, and so is one that jitter had put off. It can be started
    /// again.
    pub fn stop(&self) {
        let mut after = AfterUnlock::new();
        let mut state = self.core.state.lock();
        state.is_live = false;
        state.entries.values().for_each(|e| e.halt(&mut after));
    }

    /// All entries, in the order in which they were added.
    pub fn status(&self) -> Vec<EntryStatus> {
        let state = self.core.state.lock();
        state.entries.values().map(|entry| entry.status()).collect()
    }

    /// When the next run of any entry is due, jitter included; `None`: never, as far as is
    /// known now.
    pub fn next_due(&self) -> Option<SystemTime> {
        let now = self.queue().clock().read();
        let state = self.core.state.lock();
        let entries = state.entries.values();
        entries.filter_map(|entry| entry.next_due(now)).min()
    }
}

/// The last clone is dropped: nothing becomes due any more.
impl Drop for Core {
    fn drop(&mut self) {
        let mut after = AfterUnlock::new();
        let entries = self.state.get_mut().entries.values();
        entries.for_each(|entry| entry.halt(&mut after));
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("entries", &self.status())
            .finish_non_exhaustive()
    }
}

/// An entry of a scheduler, to read its status, pause it, trigger it, or remove it.
/// Dropping this changes nothing; it does not keep the scheduler.
///
/// # Examples
///
/// ```
/// use groundcrew::{Pool, Schedule, Scheduler};
/// use std::time::Duration;
///
/// let pool = Pool::new(1)?;
/// let scheduler = Scheduler::new(pool.submitter());
/// let entry = scheduler
///     .entry("newsletter", Schedule::every(Duration::from_secs(86_400)))
///     .run(|_| Ok(()))?;
/// assert!(entry.trigger()); // now, for once
/// pool.wait_idle();
/// assert_eq!(entry.status().runs(), 1);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone)]
pub struct ScheduleEntry {
    entry: Arc<Entry>,
    number: u64,
    core: Weak<Core>,
}

impl ScheduleEntry {
    /// The name of the entry.
    pub fn name(&self) -> &str {
        self.entry.name()
    }

    /// Its status: its runs, counted by outcome.
    pub fn status(&self) -> EntryStatus {
        self.entry.status()
    }

    /// Runs the entry now, whatever its schedule, also while it is paused or the scheduler
    /// is stopped. Returns, without waiting for the run, whether there will be one: not if the
    /// rule for [overlaps](crate::schedule::OverlapPolicy) leaves it out, the pool is closed, or the entry
    /// was removed.
    pub fn trigger(&self) -> bool {
        self.entry.trigger()
    }

    /// Pauses the entry: no run becomes due until it is [resumed](Self::resume), and runs
    /// that would have been due meanwhile do not count as missed. (But a time of
    /// [`Schedule::at`] that has passed is due then.) A run that waits for the end of
    /// another one is left out. It stays paused when its scheduler is started, or stopped.
    pub fn pause(&self) {
        self.entry.pause();
    }

    /// Starts its schedule again, if it is paused.
    pub fn resume(&self) {
        self.entry.resume();
    }

    /// Removes the entry from its scheduler. Its runs that are in the pool go on. Its name
    /// can be used again.
    pub fn remove(&self) {
        self.entry.remove();
        if let Some(core) = self.core.upgrade() {
            let mut state = core.state.lock();
            if state.entries.remove(&self.number).is_some() {
                state.numbers.remove(self.entry.name());
            }
        }
    }
}

impl fmt::Debug for ScheduleEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScheduleEntry")
            .field(&self.status())
            .finish()
    }
}
