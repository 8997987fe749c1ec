//! A year in a fleet whose clocks differ, in which processes are killed at random, and each week a
//! release changes one schedule: each instant is enqueued exactly once.

use super::super::beat;
use super::super::handler;
use super::super::setup::Draft;
use super::*;
use crate::clock::{Clock, ManualClock};
use crate::jobs::recurring::Recurrence;
use crate::jobs::{Job, JobContext, Jobs, NewJob};
use crate::schedule::{MisfirePolicy, Schedule};
use crate::store::{JobFilter, JobState, MemoryStore};
use crate::sync::Arc;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(serde::Serialize, serde::Deserialize)]
struct Tick {
    key: String,
}

impl Job for Tick {
    const KIND: &'static str = "tick";
}

/// A schedule, with its text.
type Variant = (Schedule, String);

/// The schedules that each recurring job has in turn.
fn variants() -> [[Variant; 3]; 4] {
    let london = |expression| Schedule::cron(expression).in_tz("Europe/London");
    let variants = [
        [
            london("0 * * * *"),
            Schedule::every(45 * MINUTE),
            london("*/50 * * * *"),
        ],
        [
            london("30 1 * * *"),
            london("0 17 * * MON-FRI"),
            london("0 17 * * *"),
        ],
        [
            Schedule::every(6 * 60 * MINUTE),
            Schedule::every(7 * 60 * MINUTE),
            london("0 */6 * * *"),
        ],
        [
            london("59 23 * * SUN"),
            london("0 0 1,15 * *"),
            london("15 2 * * *"),
        ],
    ];
    variants.map(|of_key| {
        of_key.map(|schedule| {
            let text = schedule.to_string();
            (schedule, text)
        })
    })
}

const KEYS: [&str; 4] = ["hourly", "daily", "often", "seldom"];

/// The schedule of each recurring job in a release.
type Release = [Variant; 4];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % limit
    }
}

/// A process of the fleet.
struct Process {
    core: Core,
    clock: ManualClock,
    release: Release,
    /// In seconds of the fleet: when it compares its declarations next.
    declare: u64,
}

impl Process {
    fn start(jobs: Jobs, clock: ManualClock, release: Release) -> Process {
        let mut draft = Draft::new();
        draft.add_handler::<Tick>(handler::shared(|_: Tick, _: &JobContext| ()));
        for (index, key) in KEYS.iter().enumerate() {
            let every_one = MisfirePolicy::All(10_000);
            let recurrence = Recurrence::new(release[index].0.clone()).misfire(every_one);
            let job = NewJob::of(&Tick {
                key: (*key).to_owned(),
            });
            let declared = Declared::new((*key).to_owned(), recurrence, job);
            draft.recurring.push(declared);
        }
        let setup = Arc::new(draft.check().ok().unwrap());
        let core = Core::new("fleet", jobs, setup, Clock::default(), || ());
        beat::register(&core).unwrap();
        Process {
            core,
            clock,
            release,
            declare: 0,
        }
    }
}

/// What should be: computed from the moments at which processes looked, without the code under test.
struct Expected {
    schedule: Variant,
    /// It counts from then on.
    since: SystemTime,
    /// All up to this one had been enqueued.
    until: SystemTime,
    instants: Vec<SystemTime>,
}

impl Expected {
    /// The instants of the present schedule, from its beginning.
    fn present(&self) -> Box<dyn Iterator<Item = SystemTime>> {
        let period = match self.schedule.1.as_str() {
            "every 45m" => 45 * MINUTE,
            "every 6h" => 360 * MINUTE,
            "every 7h" => 420 * MINUTE,
            _ => return Box::new(self.schedule.0.upcoming(self.since)),
        };
        let first = Some(self.since + period);
        Box::new(std::iter::successors(first, move |last| {
            Some(*last + period)
        }))
    }

    /// Adds those that have been had since, and returns the first that has not.
    fn close(&mut self) -> SystemTime {
        let mut present = self.present();
        loop {
            let instant = present.next().unwrap();
            if instant > self.until {
                return instant;
            }
            self.instants.push(instant);
        }
    }

    /// A process has put another schedule into the store.
    fn change(&mut self, schedule: Variant, now: SystemTime) {
        let next = self.close();
        if next <= now {
            self.instants.push(next);
        }
        let had = self.instants.last().copied();
        self.schedule = schedule;
        self.since = had.map_or(now, |had| had.max(now));
        self.until = self.since;
    }
}

struct Fleet<'a> {
    open: &'a dyn Fn(&ManualClock) -> Jobs,
    random: Random,
    /// In seconds since the beginning, by a clock that is right.
    now: u64,
    variants: [[Variant; 3]; 4],
    /// The number of the schedule that each recurring job has.
    turns: [usize; 4],
    processes: [Option<Process>; 3],
    expected: BTreeMap<usize, Expected>,
}

/// The clocks are 5 s apart.
const AHEAD: [u64; 3] = [0, 5, 10];

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600) // 2026-01-01
}

impl Fleet<'_> {
    /// What the clock of a process shows.
    fn wall(&self, index: usize) -> SystemTime {
        start() + Duration::from_secs(self.now + AHEAD[index])
    }

    fn release(&self) -> Release {
        std::array::from_fn(|key| self.variants[key][self.turns[key] % 3].clone())
    }

    fn start_process(&mut self, index: usize) {
        let clock = ManualClock::at(self.wall(index));
        let jobs = (self.open)(&clock);
        self.processes[index] = Some(Process::start(jobs, clock, self.release()));
    }

    /// Lets a process compare its declarations, and perhaps be killed before it does more.
    fn declare(&mut self, index: usize) {
        let wall = self.wall(index);
        let Some(process) = &mut self.processes[index] else {
            return;
        };
        process.clock.advance_to(wall);
        let mut recurring = RecurringJobs::new(&process.core);
        recurring
            .declare_all(process.core.lease().unwrap())
            .unwrap();
        process.declare = self.now + 180;
        let release = &process.release;
        let stored = process.core.store().recurring(None, None).unwrap();
        for (index, key) in KEYS.iter().enumerate() {
            let stored = stored.iter().find(|job| job.key == *key).unwrap();
            let own = release[index].clone();
            let is_own = stored.schedule == own.1;
            match self.expected.get_mut(&index) {
                None => {
                    assert!(is_own);
                    let expected = Expected {
                        schedule: own,
                        since: wall,
                        until: wall,
                        instants: Vec::new(),
                    };
                    self.expected.insert(index, expected);
                }
                Some(expected) => {
                    if stored.schedule != expected.schedule.1 {
                        assert!(is_own, "nothing else can have changed it");
                        expected.change(own, wall);
                    }
                }
            }
        }
    }

    /// Lets a process enqueue what is due.
    fn look(&mut self, index: usize) {
        let wall = self.wall(index);
        let Some(process) = &mut self.processes[index] else {
            return;
        };
        process.clock.advance_to(wall);
        let recurring = RecurringJobs::new(&process.core);
        recurring.enqueue_due().unwrap();
        for (index, expected) in &mut self.expected {
            if process.release[*index].1 == expected.schedule.1 {
                expected.until = expected.until.max(wall);
            }
        }
    }

    /// The next second in which one of the clocks shows an instant; while a release is rolled out, also
    /// that in which something is to be declared.
    fn next(&self) -> u64 {
        let mut next = u64::MAX;
        for (index, process) in self.processes.iter().enumerate() {
            let Some(process) = process else { continue };
            let stored = process.core.store().recurring(None, None).unwrap();
            let own = |job: &RecurringJob| {
                let place = KEYS.iter().position(|key| *key == job.key);
                place.is_some_and(|place| process.release[place].1 == job.schedule)
            };
            let due = stored
                .iter()
                .filter(|job| own(job))
                .filter_map(|job| job.next);
            if let Some(due) = due.min() {
                let since = due.duration_since(start()).unwrap().as_secs();
                next = next.min(since.saturating_sub(AHEAD[index]));
            }
            let live = self.processes.iter().flatten();
            let differs =
                |other: &Process| (0..4).any(|key| other.release[key].1 != process.release[key].1);
            if live.into_iter().any(differs) || !stored.iter().all(own) {
                next = next.min(process.declare);
            }
        }
        next.max(self.now + 1)
    }

    fn run(&mut self, days: u64) {
        for index in 0..3 {
            self.start_process(index);
            self.declare(index);
        }
        let (mut kill, mut deploy) = (self.random.below(86_400), 86_400);
        // The moments at which processes start, with their place in the fleet.
        let mut starts: Vec<(u64, usize)> = Vec::new();
        while self.now < days * DAY.as_secs() {
            let start = starts.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
            self.now = self.next().min(kill).min(deploy).min(start);
            if self.now == deploy {
                let changed = self.random.below(4) as usize;
                self.turns[changed] += 1;
                deploy += 7 * DAY.as_secs() + self.random.below(1000);
                // One after the other, whatever of them runs.
                let begin = self.now;
                starts.retain(|(at, _)| *at < begin);
                starts.extend((0..3).map(|index| (begin + 1 + 400 * index as u64, index)));
            }
            if self.now == kill {
                let index = self.random.below(3) as usize;
                self.processes[index] = None;
                kill += 1 + self.random.below(2 * DAY.as_secs());
                starts.push((self.now + 1 + self.random.below(DAY.as_secs() / 2), index));
            }
            while let Some(place) = starts.iter().position(|(at, _)| *at <= self.now) {
                let (_, index) = starts.swap_remove(place);
                self.processes[index] = None;
                self.start_process(index);
                self.declare(index);
            }
            let first = self.random.below(3) as usize;
            for index in (first..3).chain(0..first) {
                let now = self.now;
                if self.processes[index]
                    .as_ref()
                    .is_some_and(|one| one.declare <= now)
                {
                    self.declare(index);
                }
                // One that is killed before it has looked.
                if self.random.below(2000) == 0 && self.processes[index].take().is_some() {
                    starts.push((self.now + 1 + self.random.below(3600), index));
                }
                self.look(index);
            }
        }
    }

    /// Everything that was enqueued, by key.
    fn enqueued(&self, jobs: &Jobs) -> BTreeMap<String, Vec<SystemTime>> {
        let mut enqueued: BTreeMap<String, Vec<SystemTime>> = BTreeMap::new();
        for state in [JobState::Available, JobState::Scheduled] {
            let mut after = None;
            loop {
                let page = jobs.list(&JobFilter::new(state), after, 1000).unwrap();
                for info in &page.jobs {
                    let job = jobs.get(info.id).unwrap().unwrap();
                    let tick: Tick = serde_json::from_slice(&job.payload).unwrap();
                    enqueued.entry(tick.key).or_default().push(info.first_due);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        enqueued.values_mut().for_each(|instants| instants.sort());
        enqueued
    }
}

fn check(seed: u64, days: u64, open: &dyn Fn(&ManualClock) -> Jobs) {
    let mut fleet = Fleet {
        open,
        random: Random(seed),
        now: 0,
        variants: variants(),
        turns: [0; 4],
        processes: [None, None, None],
        expected: BTreeMap::new(),
    };
    fleet.run(days);
    let jobs = open(&ManualClock::at(fleet.wall(0)));
    let mut enqueued = fleet.enqueued(&jobs);
    for (index, mut expected) in std::mem::take(&mut fleet.expected) {
        expected.close();
        let enqueued = enqueued.remove(KEYS[index]).unwrap_or_default();
        let differs = enqueued
            .iter()
            .zip(&expected.instants)
            .find(|(a, b)| a != b);
        assert_eq!(differs, None, "{}, seed {seed}", KEYS[index]);
        assert_eq!(enqueued.len(), expected.instants.len(), "{}", KEYS[index]);
        assert!(enqueued.len() as u64 >= days / 60, "{}", KEYS[index]);
    }
    assert!(enqueued.is_empty());
}

#[test]
fn in_a_year_of_kills_and_releases_each_instant_is_enqueued_exactly_once() {
    let store = MemoryStore::new();
    check(1, 365, &|clock| {
        Jobs::open(store.clone().clock(clock)).unwrap()
    });
}

#[cfg(all(feature = "sqlite", unix))]
#[test]
fn in_nine_days_of_kills_and_releases_on_a_file_each_instant_is_enqueued_exactly_once() {
    use crate::store::sqlite::{Durability, SqliteStore};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    check(2, 9, &|clock| {
        let store = SqliteStore::builder(&path).durability(Durability::Normal);
        Jobs::open(store.clock(clock).open().unwrap()).unwrap()
    });
}
