//! What the tests share: a hang guard, a gate, and panics that are expected.
#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses a part"
)]

pub(crate) mod batch;
#[cfg(unix)]
pub(crate) mod examples;
pub(crate) mod host;
pub(crate) mod retry;
pub(crate) mod rounds;
#[cfg(unix)]
pub(crate) mod scenario;

use groundcrew::channel::{Receiver, Sender, bounded};
use groundcrew::{Pool, PoolBuilder, StopPlan, TaskHandle};
use std::any::Any;
use std::io::Write;
use std::panic;
use std::process;
use std::sync::Once;
use std::thread;
use std::time::Duration;

/// Longer than anything here takes on a machine that is busy with other work.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Runs `test` and ends the process if it hangs: nothing else in a test waits
/// for time to pass. `GROUNDCREW_PATIENCE` multiplies the limit, for programs that are
/// instrumented.
pub(crate) fn within<T>(limit: Duration, name: &str, test: impl FnOnce() -> T) -> T {
    let limit = limit * rounds::number_in_env("GROUNDCREW_PATIENCE").unwrap_or(1_u32);
    let (done, ended) = bounded::<()>(0);
    let name = name.to_owned();
    let guard = thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(groundcrew::channel::RecvTimeoutError::Timeout) {
            // Not `eprintln`, which the test harness keeps for itself.
            let _ = writeln!(
                std::io::stderr(),
                "{name} hangs: it has not ended after {limit:?}"
            );
            process::abort();
        }
    });
    let result = panic::catch_unwind(panic::AssertUnwindSafe(test));
    drop(done);
    guard.join().unwrap();
    result.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Fills the pipe that this process has as its stdout (1) or stderr (2), which is not read:
/// from now on a write there blocks for ever.
#[cfg(target_os = "linux")]
pub(crate) fn fill_pipe(descriptor: u32) {
    use std::os::unix::fs::OpenOptionsExt;
    // Opened again, so that only these writes do not block.
    const NONBLOCK: i32 = 0o4000;
    let mut options = std::fs::File::options();
    let options = options.write(true).custom_flags(NONBLOCK);
    let mut pipe = options.open(format!("/proc/self/fd/{descriptor}")).unwrap();
    for size in [4096, 1] {
        let error = loop {
            if let Err(error) = pipe.write_all(&vec![b'x'; size]) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

/// A gate: tasks wait at it until it is opened, or dropped.
pub(crate) struct Gate {
    open: Sender<()>,
    entrance: Entrance,
}

#[derive(Clone)]
pub(crate) struct Entrance(Receiver<()>);

impl Gate {
    pub(crate) fn new() -> Gate {
        let (open, entrance) = bounded(0);
        Gate {
            open,
            entrance: Entrance(entrance),
        }
    }

    pub(crate) fn entrance(&self) -> Entrance {
        self.entrance.clone()
    }

    pub(crate) fn open(self) {
        drop(self.open);
    }
}

impl Entrance {
    /// Blocks until the gate is open.
    pub(crate) fn pass(&self) {
        let _ = self.0.recv();
    }
}

/// Waits at a gate when it is dropped.
pub(crate) struct SlowDrop(pub(crate) Entrance);

impl Drop for SlowDrop {
    fn drop(&mut self) {
        self.0.pass();
    }
}

/// Puts a task on one worker that stays there until the gate is opened; returns
/// once it runs.
pub(crate) fn occupy(pool: &Pool, gate: &Gate) -> TaskHandle<()> {
    occupy_as(pool, gate, "occupied")
}

/// The same, by a task of this name.
pub(crate) fn occupy_as(pool: &Pool, gate: &Gate, name: &str) -> TaskHandle<()> {
    let (tell, told) = bounded(1);
    let entrance = gate.entrance();
    let handle = pool
        .task(name)
        .submit(move || {
            tell.send(()).unwrap();
            entrance.pass();
        })
        .unwrap();
    told.recv().unwrap();
    handle
}

/// A pool of one worker that is occupied until the gate is opened, and a queue
/// of so many places.
pub(crate) fn occupied_pool(capacity: usize) -> (Pool, Gate) {
    let pool = Pool::builder()
        .threads(1)
        .queue_capacity(capacity)
        .build()
        .unwrap();
    let gate = Gate::new();
    drop(occupy(&pool, &gate));
    (pool, gate)
}

/// A pool of one worker, whose drop leaves behind what it finds.
pub(crate) fn hasty() -> PoolBuilder {
    let plan = StopPlan::cancel(Duration::ZERO);
    Pool::builder().threads(1).drop_plan(plan)
}

const EXPECTED: &str = "expected by the test";

/// Panics in a way that prints nothing.
pub(crate) fn expected_panic() -> ! {
    silence_expected_panics();
    panic!("{EXPECTED}")
}

/// Panics in its drop, except while unwinding, where that would abort.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            expected_panic();
        }
    }
}

fn silence_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_expected(info.payload()) {
                print(info);
            }
        }));
    });
}

/// Whether it is what `expected_panic` threw.
pub(crate) fn is_expected(payload: &(dyn Any + Send)) -> bool {
    payload
        .downcast_ref::<String>()
        .is_some_and(|text| text == EXPECTED)
        || payload.downcast_ref::<&str>() == Some(&EXPECTED)
}
