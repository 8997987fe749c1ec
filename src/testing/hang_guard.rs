//! A test that hangs says where.

use crate::async_log::to_stderr_in_time;
use crate::clock::{self, Deadline, Freezes, grown};
use crate::sync::channel::{self, Receiver, Sender};
use crate::table::trimmed;
use crate::threads::{self, Thread};
use std::convert::Infallible;
use std::fmt::{self, Write};
use std::panic::Location;
use std::process;
use std::time::Duration;

/// Aborts the process if it is not dropped in time. Before that, it prints to stderr where the test
/// hangs: the place where the guard was created, the thread that created it, which the test harness
/// names after the test, and, on Linux, what each thread of the process is doing.
///
/// It uses real time, even if the test has a [manual clock](super::ManualClock). Choose a limit far
/// beyond the time that the test takes on a busy machine. The guard costs a sleeping thread, which
/// ends at once when the guard is dropped.
///
/// Aborting also ends all other tests of the process, and no destructor runs: there is no other way
/// to end a thread that hangs.
///
/// # Examples
///
/// ```
/// use groundcrew::testing::HangGuard;
/// use std::time::Duration;
///
/// let _guard = HangGuard::new(Duration::from_secs(60));
/// // what may hang, and if it does:
/// //
/// // hangs: tests/web.rs:8:18, thread "stops_in_time": not done after 60 s
/// //   thread 4711 "web"            sleeping in accept4
/// //   thread 4712 "stops_in_time"  sleeping in futex
/// ```
#[must_use = "it guards as long as it lives, so give it a name: `let _guard = ..`"]
pub struct HangGuard {
    limit: Duration,
    /// Dropping it ends the thread. `None` only in the drop.
    watch: Option<(Sender<Infallible>, Thread)>,
}

impl HangGuard {
    /// Creates a guard whose limit counts from now. [`Duration::MAX`] means no limit.
    ///
    /// # Panics
    ///
    /// Panics if no thread can be started.
    #[track_caller]
    pub fn new(limit: Duration) -> HangGuard {
        let place = Location::caller();
        let (over, ended) = channel::bounded::<Infallible>(0);
        let thread = threads::name();
        let watch = threads::spawn_helper("hang-guard".to_owned(), move || {
            if is_over_within(limit, &ended) {
                return;
            }
            let thread = thread.as_deref().unwrap_or("without a name");
            let text = report(place, thread, limit);
            // The thread that hangs may hold stderr.
            to_stderr_in_time(text);
            process::abort();
        });
        let watch = watch.expect("a hang guard needs a thread");
        HangGuard {
            limit,
            watch: Some((over, watch)),
        }
    }
}

/// Whether it is over within the limit. A freeze of the whole process is no hang: it is
/// forgiven.
fn is_over_within(limit: Duration, ended: &Receiver<Infallible>) -> bool {
    let (start, mut freezes) = (clock::now(), Freezes::default());
    let mut deadline = Deadline::after_from(start, limit);
    loop {
        freezes.sleeps(deadline);
        let end = deadline.receive(ended);
        if end.is_err_and(|end| end.is_disconnected()) {
            return true;
        }
        let now = clock::now();
        freezes.woke(now);
        let limit = grown(limit, freezes.since(start, now));
        deadline = Deadline::after_from(start, limit);
        if deadline.has_passed(now) {
            return false;
        }
    }
}

fn report(place: &Location<'_>, thread: &str, limit: Duration) -> String {
    let limit = trimmed(limit);
    let mut text = format!("hangs: {place}, thread {thread:?}: not done after {limit}");
    let own = threads::current_id();
    let others = threads::statuses().into_iter();
    let others: Vec<_> = others
        .filter(|(_, status)| Some(status.id) != own)
        .collect();
    let quoted = |name: &String| format!("{name:?}");
    let widest = others.iter().map(|(name, _)| quoted(name).chars().count());
    let width = widest.max().unwrap_or(0);
    for (name, status) in &others {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n  thread {} {:<width$}  {}",
            status.id,
            quoted(name),
            status.doing
        );
    }
    text
}

impl Drop for HangGuard {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.watch.take() {
            drop(over);
            thread.join();
        }
    }
}

impl fmt::Debug for HangGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HangGuard")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
