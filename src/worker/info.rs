//! What identifies a task: its number, its name and where it was submitted.

use crate::sync::{Arc, PureOnceLock, Relaxed, StaticU64};
use crate::table::quoted;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;

/// What every task carries along: cheap to make, and small, since each byte of
/// a task is one that two cores pass to and fro.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) id: u64,
    pub(crate) submitted_at: &'static Location<'static>,
}

/// The identity of a task, from which a [`TaskInfo`] is made on request.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    pub(crate) origin: Origin,
    /// Gives the type name of the closure, in full.
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) name: Option<Arc<str>>,
}

impl Meta {
    /// As the log calls what the task returned.
    pub(crate) fn result(&self) -> String {
        format!("the result of task {}", TaskInfo::new(self, 1))
    }

    /// As the log calls a task that is dropped unrun.
    pub(crate) fn closure(&self) -> String {
        format!("task {}, which never ran,", TaskInfo::new(self, 0))
    }
}

/// The next number for a task. Threads take numbers in blocks, so that they do
/// not write to one shared counter for every task.
#[inline]
pub(crate) fn next_id() -> u64 {
    const BLOCK: u64 = 1024;
    static NEXT: StaticU64 = StaticU64::new(0);
    thread_local! {
        /// The next number; a whole multiple of `BLOCK` is not this thread's.
        static HERE: Cell<u64> = const { Cell::new(0) };
    }
    let mut next = HERE.get();
    if next % BLOCK == 0 {
        next = NEXT.fetch_add(BLOCK, Relaxed) + 1;
    }
    HERE.set(next + 1);
    next
}

/// The identity of a task: a snapshot, independent of the task and its pool.
///
/// # Examples
///
/// ```
/// let pool = groundcrew::Pool::new(1)?;
/// let handle = pool.task("resize beach.png").submit(|| ())?;
/// let info = handle.info();
/// assert_eq!(info.name(), "resize beach.png");
/// assert!(info.submitted_at().file().ends_with(".rs"));
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
#[derive(Clone)]
pub struct TaskInfo {
    meta: Meta,
    /// The closure's type name, for a task without a name. Made on request: an observer is
    /// given an info for every task.
    shortened: PureOnceLock<Box<str>>,
    attempts: u32,
}

impl TaskInfo {
    pub(crate) fn new(meta: &Meta, attempts: u32) -> TaskInfo {
        TaskInfo {
            meta: meta.clone(),
            shortened: PureOnceLock::new(),
            attempts,
        }
    }

    /// Returns the task's number, which is unique in this process and at least 1.
    ///
    /// Threads take numbers in blocks of 1024, so a higher number was not necessarily submitted
    /// later.
    pub fn id(&self) -> u64 {
        self.meta.origin.id
    }

    /// Returns the name given with [`Pool::task`](crate::Pool::task), or else the shortened type
    /// name of the closure, such as `fetch::{closure}`.
    pub fn name(&self) -> &str {
        match &self.meta.name {
            Some(name) => name,
            None => self
                .shortened
                .get_or_init(|| shorten((self.meta.type_name)()).into()),
        }
    }

    /// Returns the file, line and column of the call that submitted the task. A resubmitted task
    /// keeps its first location.
    pub fn submitted_at(&self) -> &'static Location<'static> {
        self.meta.origin.submitted_at
    }

    /// Returns how many times the task had been started when this snapshot was made.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the name was given, rather than made from the closure's type.
    pub(crate) fn is_named(&self) -> bool {
        self.meta.name.is_some()
    }
}

/// Two infos are equal if they are of one task, with as many attempts.
impl PartialEq for TaskInfo {
    fn eq(&self, other: &TaskInfo) -> bool {
        (self.id(), self.attempts) == (other.id(), other.attempts)
    }
}

impl Eq for TaskInfo {}

impl fmt::Debug for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskInfo")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("submitted_at", &self.submitted_at())
            .field("attempts", &self.attempts)
            .finish()
    }
}

impl fmt::Display for TaskInfo {
    /// As in `#7 "resize beach.png" src/main.rs:88:14`; control characters in
    /// the name are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} ", self.id())?;
        match self.is_named() {
            true => f.write_str(&quoted(self.name()))?,
            false => write!(f, "{}", self.name())?,
        }
        write!(f, " {}", self.submitted_at())
    }
}

/// `my_crate::net::fetch::{{closure}}` -> `fetch::{closure}`, and likewise for
/// every path inside of angle brackets.
fn shorten(name: &str) -> String {
    let is_path = |c: char| c.is_alphanumeric() || "_:{}#".contains(c);
    let mut short = String::new();
    let mut rest = name;
    while !rest.is_empty() {
        let path = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
        short += &shorten_path(&rest[..path]);
        let other = rest[path..].find(is_path).unwrap_or(rest.len() - path);
        short += &rest[path..path + other];
        rest = &rest[path + other..];
    }
    short
}

/// The last segment that says something, and the closures in it.
fn shorten_path(path: &str) -> String {
    let segments: Vec<_> = path.split("::").collect();
    let last_named = segments
        .iter()
        .rposition(|segment| *segment != "{{closure}}")
        .unwrap_or(0);
    segments[last_named..]
        .join("::")
        .replace("{{closure}}", "{closure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_name_is_shortened_to_what_tells_tasks_apart() {
        assert_eq!(shorten("app::net::fetch::{{closure}}"), "fetch::{closure}");
        assert_eq!(
            shorten("app::main::{{closure}}::{{closure}}"),
            "main::{closure}::{closure}"
        );
        assert_eq!(shorten("app::work"), "work");
        assert_eq!(shorten("work"), "work");
        assert_eq!(
            shorten("app::job<alloc::vec::Vec<u8>>::{{closure}}"),
            "job<Vec<u8>>::{closure}"
        );
        assert_eq!(
            shorten(
                "alloc::boxed::Box<dyn core::ops::function::FnOnce() -> alloc::string::String + core::marker::Send>"
            ),
            "Box<dyn FnOnce() -> String + Send>"
        );
        assert_eq!(shorten("ünïcode::fünc"), "fünc");
    }

    #[test]
    fn numbers_are_unique_across_threads() {
        let mut all: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..3000).map(|_| next_id()).collect::<Vec<_>>()))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 12_000);
    }
}
