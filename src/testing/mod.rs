//! Utilities for tests of programs that use this crate (feature `testing`). With them, tests wait
//! for events instead of for time to pass.
//!
//! | instead of | use |
//! | --- | --- |
//! | a sleep until something is due | [`ManualClock`]: the test advances the time |
//! | a sleep until something has begun, or has been done | [`Gate`]: blocks the code under test, and shows that it has arrived; [`Diary`]: records events, and waits for them |
//! | a real service | [`Puppet`]: a service made of closures |
//! | a store, workers and sleeps for what is enqueued | `TestJobs` (feature `jobs`): durable jobs in memory that can be asserted, and are handled one by one |
//! | tests of one's own for a store of durable jobs | the suite in `store` (feature `jobs`) |
//! | a test run that is killed after an hour | [`HangGuard`]: reports which test hangs, where, and what its threads are doing |
//!
//! # Examples
//!
//! An hourly sweep needs a database. This test checks that a stop waits for a running sweep, and
//! that the database stays up until then. It does not wait for real time to pass:
//!
//! ```
//! use groundcrew::testing::{Diary, Gate, HangGuard, ManualClock, Puppet};
//! use groundcrew::{Host, ServiceContext};
//! use groundcrew::host::ServiceResult;
//! use std::time::Duration;
//!
//! const HOUR: Duration = Duration::from_secs(3600);
//!
//! // The program.
//! fn sweep_every_hour(ctx: &ServiceContext, sweep: &mut dyn FnMut()) -> ServiceResult {
//!     loop {
//!         ctx.sleep(HOUR)?;
//!         sweep();
//!     }
//! }
//!
//! // The test.
//! let _guard = HangGuard::new(Duration::from_secs(60));
//! let (clock, diary, gate) = (ManualClock::new(), Diary::new(), Gate::new());
//! let mut host = Host::builder();
//! host.clock(&clock);
//! let of_database = diary.clone();
//! host.service("database", move || Puppet::new().diary(&of_database));
//! let (of_sweeper, entrance) = (diary.clone(), gate.entrance());
//! host.background("sweeper", move |ctx| {
//!     sweep_every_hour(ctx, &mut || {
//!         entrance.wait();
//!         of_sweeper.write("swept");
//!     })
//! })
//! .after(["database"]);
//! let host = host.build()?.start()?;
//!
//! clock.wait_for_sleepers(1);
//! clock.advance(HOUR);
//! gate.wait_for(1); // the first sweep is under way
//! gate.pass(1);
//! diary.wait_for("swept", 1);
//!
//! clock.wait_for_sleepers(1);
//! clock.advance(HOUR);
//! gate.wait_for(1); // and the second
//! host.handle().request_stop("the test is over");
//! gate.open();
//! assert!(host.wait().is_clean());
//! assert_eq!(
//!     diary.entries(),
//!     ["database start", "database run", "swept", "swept", "database stop", "database drop"]
//! );
//! # Ok::<(), groundcrew::BoxError>(())
//! ```
//!
//! The next test is for a schedule (with the feature `cron`). It checks that a newsletter is sent
//! at 17:00 in London after the clocks have gone forward as well, and how often it is sent after a
//! week without power. The pool uses the manual clock. The test advances the clock, and calls
//! [`wait_idle`](crate::Pool::wait_idle) after each step:
//!
//! ```
//! # #[cfg(feature = "cron")] {
//! use groundcrew::testing::ManualClock;
//! use groundcrew::{Pool, Schedule, Scheduler, channel};
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! const HOUR: Duration = Duration::from_secs(3600);
//!
//! // Friday, 2026-03-27, 12:00 UTC. On Sunday the clocks go forward.
//! let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_774_612_800));
//! let pool = Pool::builder().threads(1).clock(&clock).build()?;
//! let scheduler = Scheduler::new(pool.submitter());
//! let (sender, sent) = channel::unbounded();
//! let newsletter = scheduler
//!     .entry("newsletter", Schedule::cron("0 17 * * *").in_tz("Europe/London"))
//!     .run(move |ctx| Ok(sender.send(ctx.due())?))?;
//! scheduler.start()?;
//!
//! for hours in [5, 24, 23, 24] {
//!     let due = scheduler.next_due().unwrap();
//!     assert_eq!(due, clock.wall() + hours * HOUR);
//!     clock.advance_to(due); // it is in the pool
//!     pool.wait_idle(); // it has been sent
//!     assert_eq!(sent.try_recv(), Ok(due));
//! }
//!
//! clock.advance(7 * 24 * HOUR);
//! pool.wait_idle();
//! assert_eq!(sent.len(), 1);
//! assert_eq!(newsletter.status().missed(), 6);
//! # }
//! # Ok::<(), groundcrew::BoxError>(())
//! ```

mod diary;
mod gate;
mod hang_guard;
#[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
mod jobs;
mod puppet;
#[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
pub mod store;

pub use crate::clock::ManualClock;
pub use diary::Diary;
pub use gate::{Entrance, Gate};
pub use hang_guard::HangGuard;
#[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
pub use jobs::{TestJobs, TestWorkers};
pub use puppet::Puppet;
