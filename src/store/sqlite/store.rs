//! The handle.

use super::builder::SqliteStoreBuilder;
use super::careful::Care;
use super::checkpoint::Checkpointer;
use super::claim::{Look, OwnedRequest, claim, look};
use super::columns::{content, load};
use super::database::Database;
use super::durability::Durability;
use super::enqueue::enqueue;
use super::finish::finish;
use super::lease::{self, AtFault, Takeover};
use super::lock_file::{LockFile, LockFolder};
use super::readers::Readers;
use super::tx::{self, Tx};
use super::watch::Watcher;
use super::writer::Writer;
use super::{followers, limits, maintain, operate, pause, reads, recurring, transaction};
use crate::clock::Clock;
use crate::store::changes::Changes;
use crate::store::lost::{TRIES, judged};
use crate::store::spec::check_queue;
use crate::store::{
    Answer, AttemptId, Beat, CancelOutcome, Claim, ClaimRequest, Cursor, DueRecurring, Enqueued,
    Finish, HeldJob, JobDetails, JobFilter, JobId, JobPage, JobSpec, JobState, LaneCounts, LostJob,
    Operation, Outcome, PausedQueue, ProcessInfo, Promoted, RecurringAnswer, RecurringChange,
    RecurringJob, Statement, Store, StoreError, Swept, TakenOver, Version, WorkerId, WorkerInfo,
};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, Relaxed};
use rusqlite::Connection;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Jobs in an SQLite database, which may be the program's own.
///
/// Clones share the connections. When the last one is dropped, the connections are closed; that
/// blocks until the commits under way have ended.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    durability: Durability,
    max_payload: usize,
    clock: Clock,
    changes: Arc<Changes>,
    writer: Writer,
    watcher: Watcher,
    readers: Readers,
    /// For renewals alone, so that they do not wait for a group of the writer. `None` after an
    /// error.
    beats: Mutex<Option<Connection>>,
    folder: Arc<LockFolder>,
    /// The last claim found nothing. It decides only how the next one looks.
    is_idle: AtomicBool,
    care: Arc<Care>,
    /// The limit up to which [`unblock`](Store::unblock) has come.
    looked_limit: AtomicU64,
}

impl SqliteStore {
    /// Opens the store in the file `path` with the default options.
    ///
    /// # Errors
    ///
    /// The same as [`SqliteStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::builder(path).open()
    }

    /// For a store in the file `path`, with options.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.as_ref().to_owned())
    }

    pub(super) fn with(options: SqliteStoreBuilder) -> Result<SqliteStore, StoreError> {
        let (database, conn) = Database::open(&options.path, options.busy_timeout)?;
        let changes = Arc::new(Changes::default());
        let writer = Writer::start(
            database.clone(),
            conn,
            options.clock.clone(),
            changes.clone(),
            Checkpointer::start(&database)?,
        )?;
        let shared = Shared {
            durability: options.durability,
            max_payload: options.max_payload,
            clock: options.clock,
            writer,
            watcher: Watcher::start(database.clone(), changes.clone())?,
            changes,
            readers: Readers::new(database.clone()),
            beats: Mutex::new(Some(database.connect()?)),
            folder: Arc::new(LockFolder::new(database.companion("-groundcrew"))),
            is_idle: AtomicBool::new(false),
            care: Arc::default(),
            looked_limit: AtomicU64::new(0),
            database,
        };
        Ok(SqliteStore {
            shared: Arc::new(shared),
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.shared.readers.read(read)
    }

    /// A command that an operator, or a worker that would do it again, can miss after a power
    /// failure.
    fn write<T: Send + 'static>(
        &self,
        mut body: impl FnMut(&mut Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = &self.shared.writer;
        writer.call(Durability::Normal, 0, move |tx| Ok(body(tx)?))
    }

    /// Where there are few limits, at once: what fails or is not reached here follows within a
    /// second.
    fn unblock_later(&self) {
        self.shared.looked_limit.store(0, Relaxed);
        let _ = self.unblock();
    }

    fn read_clock(&self) -> SystemTime {
        tx::read(&self.shared.clock)
    }

    /// The file of the lease is not needed any more.
    fn lease_lost(&self, worker: WorkerId) -> StoreError {
        self.shared.folder.forget(worker);
        StoreError::LeaseLost { worker }
    }

    /// A locked file with a name of its own.
    fn lock(&self) -> Result<(String, LockFile), StoreError> {
        loop {
            let token = self.read(lease::new_token)?;
            let locked = self.shared.folder.create(&token);
            let locked = locked.map_err(|error| {
                let detail = format!("the file that shows that this process is alive: {error}");
                match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                        StoreError::Full { detail }
                    }
                    _ => StoreError::Unavailable { detail },
                }
            })?;
            if let Some(file) = locked {
                return Ok((token, file));
            }
        }
    }
}

/// If more jobs than that cannot be changed, it is the database.
const MOST_AT_FAULT: usize = 10;

/// What was left behind has not ended.
const RUNNING: Answer = Answer::Accepted(JobState::Running);

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.shared.database.path)
            .field("durability", &self.shared.durability)
            .field("max_payload", &self.shared.max_payload)
            .finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn enqueue(&self, jobs: Vec<JobSpec>) -> Result<Vec<Enqueued>, StoreError> {
        let mut weight = 0;
        for job in &jobs {
            job.check(self.shared.max_payload)?;
            weight += job.size();
        }
        let body = move |tx: &mut Tx<'_>| enqueue(tx, &jobs);
        self.shared
            .writer
            .call(self.shared.durability, weight, body)
    }

    fn max_payload(&self) -> usize {
        self.shared.max_payload
    }

    /// The job's times are as of this call.
    fn statement(&self, job: &JobSpec) -> Result<Statement, StoreError> {
        job.check(self.shared.max_payload)?;
        transaction::check_statement(job)?;
        Ok(transaction::statement(job, self.read_clock()))
    }

    fn register(&self, process: &ProcessInfo) -> Result<WorkerId, StoreError> {
        let (token, file) = self.lock()?;
        let folder = &self.shared.folder;
        let (process, of_row) = (process.clone(), token.clone());
        let registered = self.write(move |tx| lease::register(tx, &of_row, &process));
        match registered {
            Ok(worker) => {
                folder.keep(worker, file);
                // Another process sweeps it later otherwise.
                if let Ok(leases) = self.read(lease::tokens) {
                    folder.sweep(&leases);
                }
                Ok(worker)
            }
            // There may be a row: that the lock of its file is free shows that no process has it.
            Err(error @ StoreError::OutcomeUnknown { .. }) => Err(error),
            Err(error) => {
                file.remove();
                Err(error)
            }
        }
    }

    fn renew(&self, worker: WorkerId) -> Result<(), StoreError> {
        let Shared {
            beats,
            database,
            folder,
            ..
        } = &*self.shared;
        if let Some(file) = folder.own(worker) {
            file.beat();
        }
        let mut beats = beats.lock();
        database.check_place()?;
        let conn = match beats.take() {
            Some(conn) => conn,
            None => database.connect()?,
        };
        let renewed = lease::renew(&conn, worker, self.read_clock());
        let is_there = renewed.map_err(|error| database.describe(&error))?;
        *beats = Some(conn);
        drop(beats);
        match is_there {
            true => Ok(()),
            false => Err(self.lease_lost(worker)),
        }
    }

    fn withdraw(&self, worker: WorkerId) -> Result<usize, StoreError> {
        let (running, token) = self.write(move |tx| lease::withdraw(tx, worker))?;
        if let Some(token) = token {
            self.shared.folder.remove(worker, &token);
        }
        Ok(running)
    }

    fn workers(&self) -> Result<Vec<WorkerInfo>, StoreError> {
        self.read(|conn| lease::workers(conn, &self.shared.folder))
    }

    fn take_over(
        &self,
        worker: WorkerId,
        seen: Beat,
        judge: &dyn Fn(&LostJob) -> Outcome,
    ) -> Result<Option<Vec<TakenOver>>, StoreError> {
        let folder = &self.shared.folder;
        let at_fault = Arc::<AtFault>::default();
        for _ in 0..TRIES {
            let lost = self.read(|conn| lease::lost_jobs(conn, folder, worker, seen))?;
            let Some(lost) = lost else {
                return Ok(None);
            };
            let judged = judged(lost, judge);
            let judged = Arc::new(judged);
            let takeover = loop {
                let before = at_fault.lock().len();
                let (folder, judged, of_writer) =
                    (folder.clone(), judged.clone(), at_fault.clone());
                let body = move |tx: &mut Tx<'_>| {
                    lease::take_over(tx, &folder, worker, seen, &judged, &of_writer)
                };
                match self.write(body) {
                    // Again without the job that has ended the transaction.
                    Err(_) if (before + 1..MOST_AT_FAULT).contains(&at_fault.lock().len()) => {}
                    takeover => break takeover?,
                }
            };
            match takeover {
                Takeover::Done(token, taken_over) => {
                    folder.remove(worker, &token);
                    return Ok(Some(taken_over));
                }
                Takeover::Stuck(detail) => return Err(StoreError::Unsupported { detail }),
                // The lease stays, and its file with it.
                Takeover::InPart(taken_over) => return Ok(Some(taken_over)),
                Takeover::Refused => return Ok(None),
                Takeover::Outdated => {}
            }
        }
        Ok(None)
    }

    /// After a claim that found nothing, takes a write transaction only if there is something.
    fn claim(&self, request: &ClaimRequest<'_>) -> Result<Claim, StoreError> {
        let Shared {
            writer,
            is_idle,
            care,
            ..
        } = &*self.shared;
        let worker = request.worker;
        if is_idle.load(Relaxed) {
            match self.read(|conn| look(conn, request))? {
                Look::Something => {}
                Look::Nothing => return Ok(Claim::default()),
                Look::NoLease => return Err(self.lease_lost(worker)),
            }
        }
        care.look_again(|id| {
            let read = self.read(|conn| Ok((load(conn, id)?, content(conn, id)?)));
            read.is_ok()
        });
        let request = OwnedRequest::of(request, care.clone());
        let body = move |tx: &mut Tx<'_>| claim(tx, &request);
        match writer.call(Durability::Normal, 0, body) {
            Ok(claim) => {
                is_idle.store(claim.jobs.is_empty() && !claim.has_more, Relaxed);
                Ok(claim)
            }
            Err(StoreError::LeaseLost { .. }) => Err(self.lease_lost(worker)),
            Err(error) => Err(error),
        }
    }

    fn mark_begun(&self, worker: WorkerId, attempt: AttemptId) {
        if let Some(file) = self.shared.folder.own(worker) {
            file.mark_begun(attempt);
        }
    }

    fn finish(&self, ends: &[Finish]) -> Result<Vec<Answer>, StoreError> {
        let owned = ends.to_vec();
        let weight = ends.iter().map(|end| end.outcome.text().len()).sum();
        let body = move |tx: &mut Tx<'_>| Ok(finish(tx, &owned)?);
        let durability = self.shared.durability;
        let answers = self.shared.writer.call(durability, weight, body)?;
        let answered = ends.iter().zip(&answers);
        let recorded = answered.filter(|(_, answer)| **answer != RUNNING);
        let recorded: Vec<AttemptId> = recorded.map(|(end, _)| end.attempt).collect();
        self.shared.folder.ended(&recorded);
        Ok(answers)
    }

    fn held(&self, worker: WorkerId) -> Result<Vec<HeldJob>, StoreError> {
        let held = self.read(|conn| lease::held(conn, worker))?;
        held.ok_or_else(|| self.lease_lost(worker))
    }

    /// Takes a write transaction only if a job is due.
    fn promote_due(&self, most: usize) -> Result<Promoted, StoreError> {
        let now = self.read_clock();
        let next = self.read(|conn| maintain::until_next(conn, now))?;
        if next != Some(Duration::ZERO) {
            return Ok(Promoted { count: 0, next });
        }
        self.write(move |tx| maintain::promote_due(tx, most))
    }

    /// Takes a write transaction only if there is something to do.
    fn unblock(&self) -> Result<bool, StoreError> {
        let Shared {
            looked_limit,
            durability,
            writer,
            ..
        } = &*self.shared;
        if self.read(followers::next_ended)?.is_some() {
            let has_more = self.write(|tx| tx.release())?;
            if has_more {
                return Ok(true);
            }
        }
        let last = looked_limit.load(Relaxed);
        let (limits, next) = self.read(|conn| limits::unsettled(conn, last))?;
        if !limits.is_empty() {
            let body = move |tx: &mut Tx<'_>| {
                limits.iter().for_each(|limit| tx.touched.add(Some(*limit)));
                Ok(())
            };
            writer.call(*durability, 0, body)?;
        }
        looked_limit.store(next.unwrap_or_default(), Relaxed);
        Ok(next.is_some())
    }

    /// Takes a write transaction only if a job has expired.
    fn cancel_expired(&self, most: usize) -> Result<Swept, StoreError> {
        let now = self.read_clock();
        if !self.read(|conn| maintain::has_expired(conn, now))? {
            return Ok(Swept::default());
        }
        self.write(move |tx| maintain::cancel_expired(tx, most))
    }

    /// Takes a write transaction only if there is something to remove.
    fn prune(&self, state: JobState, age: Duration, most: usize) -> Result<Swept, StoreError> {
        let before = self.read_clock().checked_sub(age);
        let Some(before) = before.filter(|_| state.is_ended()) else {
            return Ok(Swept::default());
        };
        if !self.read(|conn| maintain::has_old(conn, state, before))? {
            return Ok(Swept::default());
        }
        self.write(move |tx| maintain::prune(tx, state, before, most))
    }

    fn get(&self, id: JobId) -> Result<Option<JobDetails>, StoreError> {
        self.read(|conn| reads::get(conn, id))
    }

    fn cancel(&self, id: JobId) -> Result<CancelOutcome, StoreError> {
        let body = move |tx: &mut Tx<'_>| operate::cancel(tx, id);
        self.shared.writer.call(self.shared.durability, 0, body)
    }

    fn retry(&self, id: JobId) -> Result<(), StoreError> {
        let body = move |tx: &mut Tx<'_>| operate::retry(tx, id);
        self.shared.writer.call(self.shared.durability, 0, body)
    }

    fn delete(&self, id: JobId) -> Result<(), StoreError> {
        let body = move |tx: &mut Tx<'_>| operate::delete(tx, id);
        self.shared.writer.call(self.shared.durability, 0, body)
    }

    fn operate(
        &self,
        operation: Operation,
        jobs: &[JobId],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let jobs = jobs.to_vec();
        let body = move |tx: &mut Tx<'_>| Ok(operate::operate(tx, operation, &jobs)?);
        self.shared.writer.call(self.shared.durability, 0, body)
    }

    fn pause(&self, queue: &str) -> Result<bool, StoreError> {
        check_queue(queue)?;
        let queue = queue.to_owned();
        let body = move |tx: &mut Tx<'_>| Ok(pause::pause(tx, &queue)?);
        let is_new = self.shared.writer.call(self.shared.durability, 0, body)?;
        self.unblock_later();
        Ok(is_new)
    }

    fn resume(&self, queue: &str) -> Result<bool, StoreError> {
        let queue = queue.to_owned();
        let body = move |tx: &mut Tx<'_>| Ok(pause::resume(tx, &queue)?);
        let is_new = self.shared.writer.call(self.shared.durability, 0, body)?;
        self.unblock_later();
        Ok(is_new)
    }

    fn paused(&self) -> Result<Vec<PausedQueue>, StoreError> {
        self.read(pause::paused)
    }

    fn list(
        &self,
        filter: &JobFilter,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<JobPage, StoreError> {
        self.read(|conn| reads::list(conn, filter, after, most))
    }

    fn counts(&self) -> Result<Vec<LaneCounts>, StoreError> {
        self.read(reads::counts)
    }

    fn oldest_available(&self, queue: &str) -> Result<Option<SystemTime>, StoreError> {
        self.read(|conn| reads::oldest_available(conn, queue))
    }

    fn recurring(
        &self,
        owner: Option<&str>,
        key: Option<&str>,
    ) -> Result<Vec<RecurringJob>, StoreError> {
        self.read(|conn| recurring::list(conn, owner, key))
    }

    fn due_recurring(&self, owner: &str) -> Result<DueRecurring, StoreError> {
        let now = self.read_clock();
        self.read(|conn| recurring::due(conn, owner, now))
    }

    fn change_recurring(
        &self,
        changes: &[RecurringChange],
    ) -> Result<Vec<RecurringAnswer>, StoreError> {
        let mut weight = 0;
        for change in changes {
            change.check(self.shared.max_payload)?;
            weight += change.jobs.iter().map(JobSpec::size).sum::<usize>();
        }
        let owned = changes.to_vec();
        let body = move |tx: &mut Tx<'_>| recurring::change(tx, &owned);
        self.shared
            .writer
            .call(self.shared.durability, weight, body)
    }

    fn touch_recurring(&self, owner: &str, keys: &[&str]) -> Result<(), StoreError> {
        let (owner, keys) = (owner.to_owned(), recurring::json(keys));
        self.write(move |tx| recurring::touch(tx, &owner, &keys))
    }

    fn version(&self) -> Version {
        self.shared.changes.version()
    }

    fn wait_for_change(&self, seen: Version, timeout: Duration) -> Version {
        self.shared.watcher.wait(seen, timeout)
    }

    fn wake(&self) {
        self.shared.changes.change();
    }

    fn now(&self) -> Result<SystemTime, StoreError> {
        Ok(self.read_clock())
    }
}
