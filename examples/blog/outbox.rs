//! What is to be sent, until it was acknowledged; what is left of it outlives the run.

use crate::state_file;
use log::warn;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What can be sent.
pub(crate) trait Item: Clone {
    /// There is no other like it, in this run or another.
    fn id(&self) -> &str;
    fn to_json(&self) -> Value;
    fn from_json(value: &Value) -> Option<Self>;
}

/// Everything that is to be sent, wherever it is at the moment: in a queue, in hand, or
/// waiting for its next attempt. So none is lost, whoever is abandoned with it. A clone is
/// the same outbox.
#[derive(Clone)]
pub(crate) struct Outbox<T> {
    path: PathBuf,
    /// The ids of this run begin with it.
    run: u32,
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    unsent: BTreeMap<String, T>,
    account: Account,
    /// It was saved: what comes later comes too late.
    is_sealed: bool,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Account {
    /// Left over from an earlier run.
    pub(crate) found: usize,
    pub(crate) made: usize,
    pub(crate) sent: usize,
    pub(crate) refused: usize,
}

impl<T: Item> Outbox<T> {
    /// With what an earlier run has left.
    pub(crate) fn open(path: PathBuf) -> io::Result<Outbox<T>> {
        let found = state_file::read(&path, T::from_json)?;
        let unsent = found.into_iter().map(|item| (item.id().to_owned(), item));
        let unsent: BTreeMap<String, T> = unsent.collect();
        let account = Account {
            found: unsent.len(),
            ..Account::default()
        };
        let state = State {
            unsent,
            account,
            is_sealed: false,
        };
        Ok(Outbox {
            path,
            run: fastrand::u32(..),
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// Makes an item with an id of its own, which is to be sent; `None`: not in this run.
    pub(crate) fn make(&self, make: impl FnOnce(String) -> T) -> Option<T> {
        let mut state = self.state.lock().unwrap();
        if state.is_sealed {
            return None;
        }
        let item = make(format!("{:08x}-{:06}", self.run, state.account.made));
        state.account.made += 1;
        state.unsent.insert(item.id().to_owned(), item.clone());
        Some(item)
    }

    /// It was acknowledged. After the end, too: then it is taken out of the file again.
    pub(crate) fn sent(&self, item: &T) {
        let mut state = self.state.lock().unwrap();
        if state.unsent.remove(item.id()).is_none() {
            return;
        }
        state.account.sent += 1;
        if let (true, Err(error)) = (state.is_sealed, self.write(&state)) {
            warn!("{} was sent, and will be again: {error}", item.id());
        }
    }

    /// It will never be.
    pub(crate) fn refused(&self, item: &T) {
        let mut state = self.state.lock().unwrap();
        if state.unsent.remove(item.id()).is_some() {
            state.account.refused += 1;
        }
    }

    pub(crate) fn unsent(&self) -> Vec<T> {
        self.state.lock().unwrap().unsent()
    }

    pub(crate) fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Lets nothing more in, and writes down what was not sent: returns that, and whether it
    /// could be written.
    pub(crate) fn save(&self) -> (Account, Vec<T>, io::Result<()>) {
        let mut state = self.state.lock().unwrap();
        state.is_sealed = true;
        let saved = self.write(&state);
        (state.account, state.unsent(), saved)
    }

    fn write(&self, state: &State<T>) -> io::Result<()> {
        state_file::replace(&self.path, state.unsent.values().map(T::to_json))
    }
}

impl<T: Item> State<T> {
    fn unsent(&self) -> Vec<T> {
        self.unsent.values().cloned().collect()
    }
}
