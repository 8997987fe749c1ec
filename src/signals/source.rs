//! Where signals come from: by way of `signal-hook` with `unix-signals`, else of `ctrlc`.

#[cfg(not(all(unix, feature = "unix-signals")))]
pub(crate) use super::portable::Stops;
#[cfg(not(all(unix, feature = "unix-signals")))]
pub(super) use super::portable::{Came, Source, exit_without_cleaning_up, label};
#[cfg(all(unix, feature = "unix-signals"))]
pub(crate) use super::unix::Stops;
#[cfg(all(unix, feature = "unix-signals"))]
pub(super) use super::unix::{Came, Source, exit_without_cleaning_up, label};
