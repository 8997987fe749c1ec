//! The owner of entries.

use super::builder::EntryBuilder;
use super::entry::Entry;
use super::error::ScheduleError;
use super::memory::{Memory, RememberError};
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
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Runs tasks on a pool by the clock. A clone refers to the same scheduler.
///
/// Each entry has a name, a [`Schedule`] and a closure. When a run is due it becomes a task of the
/// pool. The timer's thread runs no code of the program and never blocks: an entry that is slow,
/// fails or panics does not delay the others, provided that a worker is free. If all workers are
/// busy, the run is late. It takes no room in the queue.
///
/// A scheduler is active from [`start`](Self::start) until [`stop`](Self::stop), or until its last
/// clone is dropped. In a host, [`HostBuilder::add`] arranges this. (An entry whose closure holds a
/// clone, to add other entries, keeps the scheduler alive until it is removed.)
///
/// # What is due when
///
/// The table of [`Schedule`] says which clock a rule uses. On the monotonic clock of Linux, the
/// time in which the machine is suspended does not count.
///
/// Runs that a suspension, a busy machine or a clock that is set forward skips are
/// [missed](crate::schedule::MisfirePolicy), and one run makes up for them. If the clock is set
/// back, as at the end of summer time, a fixed time that was due already is not run again, and an
/// interval (with a `*`, a range or a step for second, minute or hour) keeps its period. After a
/// single step back of more than three hours, all runs are planned again from the current time of
/// the clock, since the clock was wrong before. (The limit is that of Vixie's cron.)
///
/// A planned run whose time has come is run, regardless of corrections of the clock since it was
/// planned: no correction loses a fixed time. Corrections of at most one second in total since then
/// have no effect. Larger ones are detected within 30 s, and the steps between two checks count as
/// one.
///
/// # When the pool stops
///
/// The stop of the pool hands back runs that have not started, like any other task, and no further
/// run becomes due. Stop the scheduler first, so that no run is handed back. A host does this in
/// the right order.
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
/// # Ok::<(), groundcrew::BoxError>(())
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
    memory: Option<Arc<Memory>>,
}

impl Scheduler {
    /// Creates a scheduler without entries, which submits its runs to the pool of this submitter.
    /// It is not started yet.
    pub fn new(pool: Submitter) -> Scheduler {
        Scheduler {
            core: Arc::new(Core {
                pool_ref: pool.pool_ref().clone(),
                state: Mutex::default(),
            }),
        }
    }

    pub(super) fn pool(&self) -> &Arc<PoolCore> {
        &self.core.pool_ref.core
    }

    /// Returns a builder for an entry with this name. [`EntryBuilder::run`] adds the entry.
    pub fn entry(&self, name: impl Into<String>, schedule: Schedule) -> EntryBuilder<'_> {
        EntryBuilder::new(self, name.into(), schedule)
    }

    pub(super) fn add(&self, entry: Arc<Entry>) -> Result<ScheduleEntry, ScheduleError> {
        let is_live = self.core.state.lock().is_live;
        if is_live {
            self.pool().prepare_to_wait(Deadline::after(Duration::ZERO));
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
            entry.start(state.memory.as_ref(), &mut after);
        }
        Ok(ScheduleEntry {
            entry,
            number,
            core: Arc::downgrade(&self.core),
        })
    }

    /// Starts the schedules of all entries. Schedules that are already started do not change. After
    /// the stop of the pool, this does nothing.
    ///
    /// Blocks only if the system refuses to start the timer thread, which all schedules share. It
    /// then retries for up to 2 s.
    ///
    /// # Errors
    ///
    /// Returns the system's error if that thread could not be started. No run is planned then, and
    /// the scheduler can be started again.
    pub fn start(&self) -> io::Result<()> {
        // Not under the lock.
        self.pool().start_timer(Deadline::after(SPAWN_TIMEOUT))?;
        let mut after = AfterUnlock::new();
        let mut state = self.core.state.lock();
        state.is_live = true;
        let memory = state.memory.clone();
        let entries = state.entries.values();
        entries.for_each(|entry| entry.start(memory.as_ref(), &mut after));
        Ok(())
    }

    /// Remembers on a file which runs have ended, so that the next process makes up for what was
    /// missed in between. Call it before [`start`](Self::start). Entries are known by their names.
    ///
    /// After a restart an entry goes on as after a suspension of the machine: what was due since
    /// is missed, and its [policy](crate::schedule::MisfirePolicy) decides what is run.
    /// [`RunContext::due`](crate::schedule::RunContext::due) returns the true time.
    ///
    /// | schedule | after a restart |
    /// | --- | --- |
    /// | `cron` | its missed runs are made up for |
    /// | [`at`](Schedule::at) | it is not run a second time |
    /// | [`every`](Schedule::every) | the period counts from the last run that was due (with `fixed_delay`, from the end of the last run), by the time of day |
    /// | [`after`](Schedule::after) | nothing is remembered: the delay counts from the start |
    ///
    /// The other odd cases:
    ///
    /// - A *new entry* counts from its first start; nothing before that was missed.
    /// - A run is remembered when it *ends*, also with an error or a panic. A run that a crash cuts
    ///   short is therefore repeated, never lost, and so is one that a stop hands back, abandons, or
    ///   ends by its token ([`Cancelled`](crate::cancel::Cancelled)). If a run ends the process
    ///   each time, `MisfirePolicy::Skip` keeps it from being repeated at each start.
    /// - Of runs that overlap, those that were due after the first one that has not ended are
    ///   repeated with it.
    /// - *Triggered* runs, and those of `run_at_start`, are not of the schedule, and not remembered.
    /// - *A changed schedule*: a run that the old one had due before the restart is made up for, as
    ///   one run. Then the new schedule counts from the start. (`cron` in the system's time zone
    ///   has changed if that zone has.)
    /// - *A removed entry* ([`ScheduleEntry::remove`](crate::schedule::ScheduleEntry::remove)) is
    ///   forgotten. Names that no entry has are kept for 30 days, for a program that adds the entry
    ///   again. A renamed entry is a new one.
    /// - Of an entry that is *paused* when the process ends, nothing is made up for.
    /// - *A clock that was set back* meanwhile by up to three hours repeats no fixed time. By more
    ///   than that, entries are planned from the current time, as described
    ///   [above](Self#what-is-due-when). An interval waits for one period at most.
    /// - A [`stop`](Self::stop) and a `start` in the same process are like a restart.
    ///
    /// # When it is written
    ///
    /// A thread of its own writes the file: at once when a run has ended, but not more often than
    /// once a second, for all entries together. So a crash (of the process, or of the machine)
    /// forgets the ends of the last second, and repeats these runs. A [`stop`](Self::stop) of the
    /// scheduler, and each run that ends after it or after the stop of the pool, writes the file
    /// before it returns, so that a stop that is clean forgets nothing. They wait for a disk that
    /// does not answer for 5 s at most. A program that exits without a stop should drop the
    /// scheduler first.
    ///
    /// If the file cannot be written later on, on a full disk for instance, the schedules go on. A
    /// warning is logged, and the file is tried again after 2 s, then less often, at least once a
    /// minute.
    ///
    /// # The file
    ///
    /// A new text is written to `FILE.new`, flushed, and renamed, so that the file is always whole.
    /// `FILE.lock` is locked until the scheduler is dropped and none of its runs is in the pool any
    /// more: another scheduler with the same file gets an error. The system releases the lock when the process ends.
    /// (A program built by a Rust before 1.89, which cannot lock files, does not notice that.)
    ///
    /// The file is a text in UTF-8. Times are seconds since 1970, columns are separated by tabs:
    ///
    /// ```text
    /// groundcrew schedules 1
    /// saved  1798761600.000000000
    /// 1798767000.000000000  -  back up  cron "30 1 * * *" in UTC
    /// end
    /// ```
    ///
    /// The first line has the version of the format, the second one when the file was written.
    /// Each further line is about an entry: the first moment whose run has not ended (`-` for
    /// none), since when no entry has had the name (`-` for one in use), the name, and the schedule.
    /// To make a program forget an entry, stop it and delete the line.
    ///
    /// # Errors
    ///
    /// Returns a [`RememberError`], and remembers nothing, if the file is in use, was not written
    /// by a scheduler, is of a newer version, is damaged, or cannot be read and written. Such a file
    /// is left as it is. Blocks while the file is read and written once.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Pool, Schedule, Scheduler};
    /// use std::path::Path;
    /// use std::time::UNIX_EPOCH;
    ///
    /// /// Returns how often the entry has run in this life of the program.
    /// fn live(file: &Path) -> Result<u64, groundcrew::BoxError> {
    ///     let pool = Pool::new(1)?;
    ///     let scheduler = Scheduler::new(pool.submitter());
    ///     scheduler.remember(file)?;
    ///     let entry = scheduler
    ///         .entry("migrate", Schedule::at(UNIX_EPOCH)) // that was missed
    ///         .run(|_| Ok(()))?;
    ///     scheduler.start()?;
    ///     pool.wait_idle();
    ///     scheduler.stop();
    ///     Ok(entry.status().runs())
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let file = folder.path().join("schedules");
    /// assert_eq!(live(&file)?, 1);
    /// assert_eq!(live(&file)?, 0);
    /// # Ok::<(), groundcrew::BoxError>(())
    /// ```
    pub fn remember(&self, path: impl AsRef<Path>) -> Result<(), RememberError> {
        let check = |state: &State| match &state.memory {
            Some(memory) => Err(RememberError::Twice {
                file: memory.path(),
            }),
            None if state.is_live => Err(RememberError::Started),
            None => Ok(()),
        };
        check(&self.core.state.lock())?;
        // Not under the lock: it waits for the disk.
        let memory = Memory::open(path.as_ref(), self.pool().clock().clone())?;
        let mut state = self.core.state.lock();
        check(&state)?;
        state.memory = Some(Arc::new(memory));
        Ok(())
    }

    /// Stops all schedules: no further run becomes due. Runs that are in the pool continue. Runs
    /// that wait for the end of another one
    /// ([`OverlapPolicy::Queue`](crate::schedule::OverlapPolicy::Queue), `trigger`) are skipped,
    /// and so are runs that jitter has delayed. The scheduler can be started again.
    ///
    /// If the scheduler [remembers](Self::remember) its runs, they are not skipped but left to the
    /// next start, and this blocks until the file is written.
    pub fn stop(&self) {
        let mut after = AfterUnlock::new();
        let mut state = self.core.state.lock();
        state.is_live = false;
        state.entries.values().for_each(|e| e.halt(&mut after));
        let memory = state.memory.clone();
        drop(state);
        drop(after);
        if let Some(memory) = memory {
            memory.flush();
        }
    }

    /// Returns the status of all entries, in the order in which they were added.
    pub fn status(&self) -> Vec<EntryStatus> {
        let state = self.core.state.lock();
        state.entries.values().map(|entry| entry.status()).collect()
    }

    /// Returns the time of day on the clock by which the entries are due: that of the system, or,
    /// in a test, the manual clock of the pool. A program that computes with
    /// [`next_due`](Self::next_due) reads this instead of [`SystemTime::now`].
    pub fn now(&self) -> SystemTime {
        self.pool().clock().wall()
    }

    /// Returns when the next run of any entry is due, including jitter, or `None` if no run is
    /// planned.
    pub fn next_due(&self) -> Option<SystemTime> {
        let now = self.pool().clock().read();
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

/// A handle of an entry, to read its status, pause it, trigger it, or remove it. Dropping the
/// handle changes nothing. It does not keep the scheduler alive.
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
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct ScheduleEntry {
    entry: Arc<Entry>,
    number: u64,
    core: Weak<Core>,
}

impl ScheduleEntry {
    /// Returns the name of the entry.
    pub fn name(&self) -> &str {
        self.entry.name()
    }

    /// Returns its status, with its runs counted by outcome.
    pub fn status(&self) -> EntryStatus {
        self.entry.status()
    }

    /// Runs the entry now, regardless of its schedule, even while it is paused or the scheduler is
    /// stopped. Does not wait for the run. Returns `false` if there will be no run, because the
    /// policy for [overlaps](crate::schedule::OverlapPolicy) skips it, the pool is closed, or the
    /// entry was removed.
    pub fn trigger(&self) -> bool {
        self.entry.trigger()
    }

    /// Pauses the entry: no run becomes due until it is [resumed](Self::resume), and runs that
    /// would have been due meanwhile do not count as missed. (A time of [`Schedule::at`] that
    /// passes meanwhile is due on resumption.) A run that waits for the end of another one is
    /// skipped. The entry stays paused when its scheduler is started or stopped.
    pub fn pause(&self) {
        self.entry.pause();
    }

    /// Resumes the entry, if it is paused.
    pub fn resume(&self) {
        self.entry.resume();
    }

    /// Removes the entry from its scheduler. Its runs that are in the pool continue. Its name can
    /// be used again.
    pub fn remove(&self) {
        self.entry.remove();
        if let Some(core) = self.core.upgrade() {
            let mut state = core.state.lock();
            if state.entries.remove(&self.number).is_some() {
                state.numbers.remove(self.entry.name());
                if let Some(memory) = &state.memory {
                    memory.forget(self.entry.name());
                }
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
