//! Adds up what the portions give.

use crate::count::Words;
use os_display::Quotable;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What a portion gives, besides its words.
pub(crate) struct Counted {
    pub(crate) bytes: u64,
    pub(crate) failures: Vec<Failure>,
}

/// A file that could not be read, or a folder that could not be listed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
}

impl Failure {
    pub(crate) fn new(path: PathBuf, error: &io::Error) -> Failure {
        let why = error.to_string();
        Failure { path, why }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.path.quote(), self.why)
    }
}

#[derive(Default, PartialEq)]
pub(crate) struct Total {
    pub(crate) words: Words,
    /// By path, each once, though several pieces of a file may fail.
    failures: BTreeMap<PathBuf, String>,
}

impl Total {
    pub(crate) fn add_failures(&mut self, failures: Vec<Failure>) {
        for Failure { path, why } in failures {
            self.failures.entry(path).or_insert(why);
        }
    }

    /// Sorted by path.
    pub(crate) fn failures(&self) -> impl Iterator<Item = Failure> {
        self.failures.iter().map(|(path, why)| Failure {
            path: path.clone(),
            why: why.clone(),
        })
    }

    /// The most frequent words, the first of the alphabet first where they are
    /// as frequent.
    pub(crate) fn most_frequent(&self, top: usize) -> Vec<(&str, u64)> {
        let more_first = |a: &(&str, u64), b: &(&str, u64)| b.1.cmp(&a.1).then(a.0.cmp(b.0));
        let mut words: Vec<(&str, u64)> = self.words.iter().collect();
        if top < words.len() {
            words.select_nth_unstable_by(top, more_first);
            words.truncate(top);
        }
        words.sort_unstable_by(more_first);
        words
    }
}
