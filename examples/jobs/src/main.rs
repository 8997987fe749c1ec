//! Checksums of a folder as durable jobs, in an SQLite file.
//!
//! ```text
//! $ cargo run --release --example jobs --features sqlite -- work app.db /usr/share/doc
//! 9120 new jobs, 0 known
//! 9120 completed, 0 dead, 0 cancelled; this process: claimed 9120  completed 9120  failed 0  dead 0
//! $ cargo run --release --example jobs --features sqlite -- sums app.db | sha256sum --check --quiet
//! ```
//!
//! Kill the first command in the middle (`kill -9`), and start it again: what is completed is not
//! done again, and nothing is forgotten. `work app.db` in a second terminal helps. `--help` lists
//! the commands, options and exit codes, `RUST_LOG=debug` logs more.
//!
//! # How it works
//!
//! ```text
//! folder ── enqueue ──> app.db: jobs ── claim ──> workers: read, sum up
//!                          sums <── one transaction ──┘
//! ```
//!
//! Each file is a job. Its client id is made of the name, size and time of the file, so that to
//! enqueue the folder again adds only what is new or has changed, for a day: completed jobs are kept
//! that long. The sums are in a table of the program's own, in the same database. A job may run twice, if its process is killed between the
//! sum and the end of the attempt: so the handler replaces the row, and counts in it how often it
//! was written.
//!
//! With `work app.db FOLDER --every 3600000` the folder is enqueued again each hour, by a recurring job.
//! The database keeps when it is due next: of several such processes one enqueues it, and what was
//! missed while none ran is made up for once. `recurring` shows it, `trigger` enqueues it at once.
//!
//! `work` ends when each job has ended, also those that another process runs. Ctrl-C stops it: what
//! has not begun is given back, what runs is interrupted, and both wait in the file for the next
//! start.

mod enqueue;
mod operate;
mod output;
#[path = "../../common/program.rs"]
mod program;
mod rescan;
mod show;
mod sum;
mod sums;
mod work;

use clap::{Parser, Subcommand, ValueEnum};
use groundcrew::jobs::{Jobs, NewJob};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::{JobId, JobState};
use os_display::Quotable;
use program::{Result, milliseconds};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
    0  done; of `work`: every job is completed, or cancelled
    1  something failed; of `work`: jobs are dead, and `dead` lists them
    2  the command line is wrong
   75  `work` was stopped, and jobs are left: the next start does them
  141  the reader of stdout has gone, as in `jobs list app.db | head`";

/// Compute the SHA-256 of files as durable jobs, in an SQLite file.
#[derive(Parser)]
#[command(name = "jobs", after_help = EXIT_CODES)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enqueue a job for each file below a folder, if one is given, and work until every job has
    /// ended
    #[command(after_help = EXIT_CODES)]
    Work {
        /// The database; it is made if it is not there
        database: PathBuf,
        /// The folder
        folder: Option<PathBuf>,
        /// Enqueue the folder again so often, as a recurring job, and work until Ctrl-C
        #[arg(long, value_name = "MILLISECONDS", requires = "folder", value_parser = milliseconds)]
        every: Option<Duration>,
        /// How many jobs run at once [default: one for each CPU]
        #[arg(long, value_name = "COUNT")]
        threads: Option<NonZeroUsize>,
        /// How long each job takes in addition, to have time for Ctrl-C or `kill -9`
        #[arg(long, value_name = "MILLISECONDS", default_value = "0", value_parser = milliseconds)]
        takes: Duration,
        /// How long a stop may take
        #[arg(long, value_name = "MILLISECONDS", default_value = "5000", value_parser = milliseconds)]
        stop_timeout: Duration,
    },
    /// Enqueue a job for each file at and below the paths, and do not work
    Enqueue {
        /// The database; it is made if it is not there
        database: PathBuf,
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Those of a higher priority are done first
        #[arg(long, default_value = "0", allow_negative_numbers = true)]
        priority: i32,
        /// When they are due, from now
        #[arg(long, value_name = "MILLISECONDS", default_value = "0", value_parser = milliseconds)]
        delay: Duration,
    },
    /// Enqueue a job for each file at and below the paths, to be done after another job
    After {
        /// The database
        database: PathBuf,
        /// The number of the job that is to be completed first
        id: i64,
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// List jobs, with their files
    List {
        /// The database
        database: PathBuf,
        /// Those in this state alone
        #[arg(long)]
        state: Option<State>,
        /// How many of each state
        #[arg(long, value_name = "COUNT", default_value = "20")]
        most: usize,
    },
    /// List the dead jobs, with their errors
    Dead {
        /// The database
        database: PathBuf,
        /// How many, the latest first
        #[arg(long, value_name = "COUNT", default_value = "20")]
        most: usize,
    },
    /// Show all that is known of a job
    Show {
        /// The database
        database: PathBuf,
        /// The number of the job
        id: i64,
    },
    /// Make dead or cancelled jobs available again
    Retry {
        /// The database
        database: PathBuf,
        /// The numbers of the jobs
        #[arg(required = true)]
        ids: Vec<i64>,
    },
    /// Cancel jobs; one that runs ends at the next block that it reads
    Cancel {
        /// The database
        database: PathBuf,
        /// The numbers of the jobs
        #[arg(required = true)]
        ids: Vec<i64>,
    },
    /// List the recurring jobs, with their next and last instants
    Recurring {
        /// The database
        database: PathBuf,
    },
    /// Enqueue a recurring job at once
    Trigger {
        /// The database
        database: PathBuf,
        /// Its key, as `recurring` lists it after the `/`
        #[arg(default_value = rescan::KEY)]
        key: String,
    },
    /// Begin nothing more of a queue, until it is resumed; what runs goes on
    Pause {
        /// The database; it is made if it is not there
        database: PathBuf,
        /// The queue
        #[arg(default_value = "default")]
        queue: String,
    },
    /// End the pause of a queue
    Resume {
        /// The database
        database: PathBuf,
        /// The queue
        #[arg(default_value = "default")]
        queue: String,
    },
    /// Print how many jobs there are in each state, and which queues are paused
    Counts {
        /// The database
        database: PathBuf,
    },
    /// Print the sums, as sha256sum does
    Sums {
        /// The database
        database: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Scheduled,
    Waiting,
    Blocked,
    Available,
    Running,
    Completed,
    Dead,
    Cancelled,
}

impl State {
    fn of_job(self) -> JobState {
        match self {
            State::Scheduled => JobState::Scheduled,
            State::Waiting => JobState::Waiting,
            State::Blocked => JobState::Blocked,
            State::Available => JobState::Available,
            State::Running => JobState::Running,
            State::Completed => JobState::Completed,
            State::Dead => JobState::Dead,
            State::Cancelled => JobState::Cancelled,
        }
    }
}

fn main() -> ExitCode {
    env_logger::init();
    program::run(|| run(Options::parse().command))
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Work {
            database,
            folder,
            every,
            threads,
            takes,
            stop_timeout,
        } => {
            let jobs = open(&database)?;
            let has_all = match &folder {
                Some(folder) => enqueue::all(&jobs, std::slice::from_ref(folder), |job| job)?,
                None => true,
            };
            let how = work::How {
                rescans: every.zip(folder),
                threads,
                takes,
                stop_timeout,
            };
            let code = work::work(&jobs, &database, &how)?;
            return Ok(match (code, has_all) {
                (0, false) => program::FAILED,
                (code, _) => code,
            }
            .into());
        }
        Command::Enqueue {
            database,
            paths,
            priority,
            delay,
        } => {
            let how = |job: NewJob| job.priority(priority).delay(delay);
            if !enqueue::all(&open(&database)?, &paths, how)? {
                return Ok(program::FAILED.into());
            }
        }
        Command::After {
            database,
            id,
            paths,
        } => {
            let how = |job: NewJob| job.after([JobId::new(id)]);
            if !enqueue::all(&open_existing(&database)?, &paths, how)? {
                return Ok(program::FAILED.into());
            }
        }
        Command::List {
            database,
            state,
            most,
        } => {
            let jobs = open_existing(&database)?;
            match state {
                Some(state) => show::list(&jobs, &[state.of_job()], most)?,
                None => show::list(&jobs, &JobState::ALL, most)?,
            }
        }
        Command::Dead { database, most } => {
            show::list(&open_existing(&database)?, &[JobState::Dead], most)?;
        }
        Command::Show { database, id } => show::show(&open_existing(&database)?, JobId::new(id))?,
        Command::Retry { database, ids } => {
            return operate::retry(&open_existing(&database)?, &ids);
        }
        Command::Cancel { database, ids } => {
            return operate::cancel(&open_existing(&database)?, &ids);
        }
        Command::Recurring { database } => show::recurring(&open_existing(&database)?)?,
        Command::Trigger { database, key } => {
            operate::trigger(&open_existing(&database)?, &key)?;
        }
        Command::Pause { database, queue } => operate::pause(&open(&database)?, &queue)?,
        Command::Resume { database, queue } => {
            operate::resume(&open_existing(&database)?, &queue)?;
        }
        Command::Counts { database } => show::counts(&open_existing(&database)?)?,
        Command::Sums { database } => {
            if !database.exists() {
                return Err(missing(&database));
            }
            sums::print(&database)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(database: &Path) -> Result<Jobs> {
    let store = SqliteStore::open(database);
    let store = store.map_err(|error| format!("{}: {error}", database.quote()))?;
    Ok(Jobs::open(store)?)
}

/// To look at a database does not make one.
fn open_existing(database: &Path) -> Result<Jobs> {
    match database.exists() {
        true => open(database),
        false => Err(missing(database)),
    }
}

fn missing(database: &Path) -> Box<dyn std::error::Error + Send + Sync> {
    let database = database.quote();
    format!("there is no {database}; `jobs enqueue {database} FOLDER` makes it").into()
}
