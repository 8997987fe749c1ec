//! What is to be handed over, until it was; what is left of it outlives the run.
//!
//! An item is in its outbox from when it is made until it was handed over, wherever else it
//! is: in a queue, in the hands of a worker, or waiting for its next attempt. So none is
//! lost, whatever a stop abandons.

#![allow(
    dead_code,
    reason = "every example is a crate of its own and uses a part"
)]

use crate::program::{FAILED, TRY_AGAIN};
use crate::spool;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What can be handed over, and kept as a line of text.
pub(crate) trait Item: Clone + fmt::Display {
    /// No other item has it, in this run or another.
    fn id(&self) -> &str;
    fn to_line(&self) -> String;
    fn from_line(line: &str) -> Option<Self>;
}

/// A clone is the same outbox.
#[derive(Clone)]
pub(crate) struct Outbox<T> {
    path: PathBuf,
    /// The ids of this run begin with it.
    run: u32,
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Notified when something is no longer under way.
    ended: Condvar,
}

struct State<T> {
    /// In the order in which they came.
    unsent: BTreeMap<u64, T>,
    /// Where they are in `unsent`, by their id.
    numbers: HashMap<String, VecDeque<u64>>,
    next: u64,
    /// The ids of what is being handed over right now.
    under_way: BTreeMap<u64, Vec<String>>,
    account: Account,
    /// Whether the file is as it was found.
    is_unchanged: bool,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing more comes in, and nothing more is begun.
    Sealed,
    /// It is in the file. What comes later is taken out of that again.
    Saved,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Account {
    /// Left over from an earlier run.
    pub(crate) found: usize,
    pub(crate) made: usize,
    pub(crate) sent: usize,
    /// Never to be sent: another process has it, or it is refused.
    pub(crate) refused: usize,
}

/// The end of an outbox.
pub(crate) struct Saved<T> {
    pub(crate) account: Account,
    pub(crate) unsent: Vec<T>,
    /// Those of them that were still under way: the other side may have them, and may get
    /// them again.
    pub(crate) unknown: Vec<T>,
    /// Whether `unsent` is in the file.
    pub(crate) result: io::Result<()>,
}

/// The outbox is sealed: the next run does it.
#[derive(Debug)]
pub(crate) struct Sealed;

/// How long the end waits for the answer to what is under way.
pub(crate) const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

impl<T: Item> Outbox<T> {
    /// With what an earlier run has left.
    pub(crate) fn open(path: PathBuf) -> io::Result<Outbox<T>> {
        let mut state = State {
            unsent: BTreeMap::new(),
            numbers: HashMap::new(),
            next: 0,
            under_way: BTreeMap::new(),
            account: Account::default(),
            is_unchanged: true,
            phase: Phase::Open,
        };
        for item in spool::read(&path, T::from_line)? {
            state.add(item);
            state.account.found += 1;
        }
        state.is_unchanged = true;
        Ok(Outbox {
            path,
            run: fastrand::u32(..),
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                ended: Condvar::new(),
            }),
        })
    }

    /// Makes an item, which is given an id of its own and is to be sent; `None`: not in this
    /// run.
    pub(crate) fn make(&self, make: impl FnOnce(String) -> T) -> Option<T> {
        let mut state = self.shared.state.lock();
        if state.phase != Phase::Open {
            return None;
        }
        let item = make(format!("{:08x}-{:06}", self.run, state.account.made));
        state.account.made += 1;
        state.add(item.clone());
        Some(item)
    }

    /// Hands the items over with `send`, and takes them out when that returns `Ok`, all at
    /// once. The end of the outbox waits for it, a moment.
    ///
    /// # Errors
    ///
    /// That of `send`; `Sealed` if it was not called, since the end has come.
    pub(crate) fn send<E: From<Sealed>>(
        &self,
        items: &[T],
        send: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.hand_over(items, send, |account| &mut account.sent)
    }

    /// As [`send`](Self::send), for what goes where refused items are kept.
    pub(crate) fn bury<E: From<Sealed>>(
        &self,
        items: &[T],
        bury: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.hand_over(items, bury, |account| &mut account.refused)
    }

    /// It will never be sent. Once the end has come, that is for the next run to find out.
    pub(crate) fn refuse(&self, item: &T) {
        let _ = self.bury(slice::from_ref(item), || Ok::<(), Sealed>(()));
    }

    fn hand_over<E: From<Sealed>>(
        &self,
        items: &[T],
        give: impl FnOnce() -> Result<(), E>,
        counter: impl FnOnce(&mut Account) -> &mut usize,
    ) -> Result<(), E> {
        let under_way = self.begin(items)?;
        give()?;
        let mut state = self.shared.state.lock();
        let taken = items.iter().filter(|item| state.remove(item.id())).count();
        *counter(&mut state.account) += taken;
        if state.phase == Phase::Saved && taken > 0 {
            let _ = self.write(&state); // they are named as unknown
        }
        drop(state);
        drop(under_way);
        Ok(())
    }

    fn begin(&self, items: &[T]) -> Result<UnderWay<T>, Sealed> {
        let mut state = self.shared.state.lock();
        if state.phase != Phase::Open {
            return Err(Sealed);
        }
        let number = state.next;
        state.next += 1;
        let ids = items.iter().map(|item| item.id().to_owned());
        state.under_way.insert(number, ids.collect());
        Ok(UnderWay {
            shared: self.shared.clone(),
            number,
        })
    }

    /// Whether everything was handed over.
    pub(crate) fn is_empty(&self) -> bool {
        self.shared.state.lock().unsent.is_empty()
    }

    /// What is to be sent.
    pub(crate) fn unsent(&self) -> Vec<T> {
        self.shared.state.lock().unsent.values().cloned().collect()
    }

    /// As in "14 found in target/spool", on a line of its own; nothing if there was none.
    pub(crate) fn found(&self) -> String {
        match self.shared.state.lock().account.found {
            0 => String::new(),
            found => format!("{found} found in {}\n", self.path.display()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets nothing more in, and begins nothing more.
    pub(crate) fn seal(&self) {
        let mut state = self.shared.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Sealed;
        }
    }

    /// Seals it, waits for the answer to what is under way, and writes down what was not
    /// sent.
    pub(crate) fn save(&self, deadline: Instant) -> Saved<T> {
        self.seal();
        let mut state = self.shared.state.lock();
        while !state.under_way.is_empty() {
            if self
                .shared
                .ended
                .wait_until(&mut state, deadline)
                .timed_out()
            {
                break;
            }
        }
        state.phase = Phase::Saved;
        let result = self.write(&state);
        let ids: HashSet<&str> = state
            .under_way
            .values()
            .flatten()
            .map(String::as_str)
            .collect();
        let is_unknown = |item: &&T| ids.contains(item.id());
        Saved {
            account: state.account,
            unsent: state.unsent.values().cloned().collect(),
            unknown: state.unsent.values().filter(is_unknown).cloned().collect(),
            result,
        }
    }

    fn write(&self, state: &State<T>) -> io::Result<()> {
        match state.is_unchanged {
            true => Ok(()),
            false => spool::replace(&self.path, state.unsent.values().map(T::to_line)),
        }
    }
}

impl<T: Item> State<T> {
    fn add(&mut self, item: T) {
        let number = self.next;
        self.next += 1;
        let id = item.id().to_owned();
        self.numbers.entry(id).or_default().push_back(number);
        self.unsent.insert(number, item);
        self.is_unchanged = false;
    }

    fn remove(&mut self, id: &str) -> bool {
        let Some(numbers) = self.numbers.get_mut(id) else {
            return false;
        };
        let number = numbers.pop_front();
        if numbers.is_empty() {
            self.numbers.remove(id);
        }
        self.is_unchanged = false;
        number.is_some_and(|number| self.unsent.remove(&number).is_some())
    }
}

impl<T: fmt::Display> Saved<T> {
    /// As in "14 kept in target/spool".
    pub(crate) fn kept(&self, path: &Path) -> String {
        let kept = match self.result {
            Ok(()) => "kept in",
            Err(_) => "not saved in",
        };
        format!("{} {kept} {}", self.unsent.len(), path.display())
    }

    /// The exit code of a program whose host ended with `host`.
    pub(crate) fn exit_code(&self, host: u8) -> u8 {
        match (&self.result, host) {
            (Err(_), _) => FAILED,
            // What the stop did not wait for may have ended since.
            (Ok(()), 0 | TRY_AGAIN) if self.unsent.is_empty() => 0,
            (Ok(()), 0) => TRY_AGAIN,
            (Ok(()), code) => code,
        }
    }

    /// Names what may be sent twice; nothing if there is none.
    pub(crate) fn unknown(&self) -> String {
        let title = "no answer came in time, may be sent twice";
        list(title, &self.unknown)
    }

    /// Names everything that is not in the file although it should be.
    pub(crate) fn unsaved(&self) -> String {
        match &self.result {
            Ok(()) => String::new(),
            Err(error) => {
                let error = format!("not saved, it is as before this run: {error}\n");
                error + &list("in no file but that", &self.unsent)
            }
        }
    }
}

fn list(title: &str, items: &[impl fmt::Display]) -> String {
    let lines = items.iter().map(|item| format!("  {item}\n"));
    match items.is_empty() {
        true => String::new(),
        false => format!("{title}:\n{}", lines.collect::<String>()),
    }
}

/// Until it is dropped, also by a panic, the end waits for it.
struct UnderWay<T> {
    shared: Arc<Shared<T>>,
    number: u64,
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.shared.state.lock().under_way.remove(&self.number);
        self.shared.ended.notify_all();
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is too late: the next run does it")
    }
}

impl Error for Sealed {}
