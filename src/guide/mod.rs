//! Recipes: complete programs for common jobs. This module contains documentation only.
//!
//! | recipe | what it shows |
//! | --- | --- |
//! | [`coming_from`] | the same ten lines with rayon, threadpool, crossbeam's scope and tokio's `spawn_blocking`, and here |
//! | [`tcp_server`] | a TCP server on a pool: a limit, readiness, and a stop that waits for no idle client |
//! | `reload` | a daemon that reads its configuration again on SIGHUP (features: `unix-signals`) |
//! | [`systemd`] | a unit file: exit codes, time limits, readiness, the watchdog |
//! | [`kubernetes`] | probes, and a stop without lost requests |
//! | `catch_up` | scheduled work that was missed while the program did not run (feature: `cron`) |
//! | [`library`] | a library that uses the pool of its caller, or its own |
//! | `without_sleeping` | tests of timed work that wait for events (feature: `testing`) |
//!
//! The programs are tested with each change of this crate. The longer ones in the folder `examples`
//! of the repository take the same steps in full: `server`, `reload`, `nightly`, `queue`, `blog`.

#[doc = include_str!("coming_from.md")]
pub mod coming_from {}

#[doc = include_str!("tcp_server.md")]
pub mod tcp_server {}

#[cfg(all(unix, feature = "unix-signals"))]
#[doc = include_str!("reload.md")]
pub mod reload {}

#[doc = include_str!("systemd.md")]
pub mod systemd {}

#[doc = include_str!("kubernetes.md")]
pub mod kubernetes {}

#[cfg(feature = "cron")]
#[doc = include_str!("catch_up.md")]
pub mod catch_up {}

#[doc = include_str!("library.md")]
pub mod library {}

#[cfg(feature = "testing")]
#[doc = include_str!("without_sleeping.md")]
pub mod without_sleeping {}
