//! The log records, their targets, and the events of the crate `tracing` beside them.
//!
//! The targets are public names: programs filter by them, so that none changes. The table of
//! "Log targets" in the documentation of the crate lists them.

use crate::unwind;
use std::fmt;

pub(crate) const CANCEL: &str = "groundcrew::cancel";
pub(crate) const POOL: &str = "groundcrew::pool";
pub(crate) const RETRY: &str = "groundcrew::retry";
#[cfg(all(feature = "signals", not(any(loom, shuttle))))]
pub(crate) const SIGNALS: &str = "groundcrew::signals";
#[cfg(not(loom))]
pub(crate) const HOST: &str = "groundcrew::host";
#[cfg(not(loom))]
pub(crate) const QUEUE: &str = "groundcrew::queue";
#[cfg(not(loom))]
pub(crate) const SCHEDULE: &str = "groundcrew::schedule";
#[cfg(not(loom))]
pub(crate) const BATCH: &str = "groundcrew::batch";
#[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
pub(crate) const JOBS: &str = "groundcrew::jobs";
#[cfg(all(feature = "watch", not(any(loom, shuttle))))]
pub(crate) const WATCH: &str = "groundcrew::watch";
#[cfg(feature = "tracing")]
use crate::unwind::DROP;

/// Logs `record!(Error, POOL, "text {}", value)`: the level, the target, and what `format!`
/// takes. A panic of the logger changes nothing. No lock of the crate is held here.
macro_rules! record {
    ($level:ident, $target:ident, $($text:tt)+) => {
        $crate::record::record!(@ log::Level::$level, $target, $($text)+)
    };
    (@ $level:expr, $target:ident, $($text:tt)+) => {
        if $crate::record::is_wanted($level) {
            $crate::record::write($crate::record::$target, $level, format_args!($($text)+));
        }
    };
}

pub(crate) use record;

/// Whether a record of this level may be of interest to the logger or to a subscriber. Others are
/// not made.
#[inline]
pub(crate) fn is_wanted(level: log::Level) -> bool {
    level <= log::max_level() || is_traced()
}

/// Whether there is a subscriber of the crate `tracing`: one relaxed load.
#[inline]
pub(crate) fn is_traced() -> bool {
    #[cfg(feature = "tracing")]
    return tracing::level_filters::LevelFilter::current()
        != tracing::level_filters::LevelFilter::OFF;
    #[cfg(not(feature = "tracing"))]
    false
}

/// Calls the logger, and the subscriber if there is one. A panic in them changes nothing.
#[cold]
pub(crate) fn write(target: &'static str, level: log::Level, text: fmt::Arguments<'_>) {
    unwind::log_guarded(|| log::log!(target: target, level, "{text}"));
    #[cfg(feature = "tracing")]
    unwind::log_guarded(|| events::write(target, level, text));
}

/// Each target and level has a place in the code of its own, as `tracing` asks for.
#[cfg(feature = "tracing")]
mod events {
    use super::*;

    macro_rules! event {
        ($target:ident, $level:ident, $text:ident: $($known:ident)+) => {
            match $target {
                $($known => match $level {
                    log::Level::Error => tracing::error!(target: $known, "{}", $text),
                    log::Level::Warn => tracing::warn!(target: $known, "{}", $text),
                    log::Level::Info => tracing::info!(target: $known, "{}", $text),
                    log::Level::Debug => tracing::debug!(target: $known, "{}", $text),
                    log::Level::Trace => tracing::trace!(target: $known, "{}", $text),
                },)+
                _ => {}
            }
        };
    }

    pub(super) fn write(target: &'static str, level: log::Level, text: fmt::Arguments<'_>) {
        event!(target, level, text: CANCEL POOL RETRY DROP);
        #[cfg(not(loom))]
        event!(target, level, text: HOST QUEUE SCHEDULE BATCH);
        #[cfg(all(feature = "signals", not(any(loom, shuttle))))]
        event!(target, level, text: SIGNALS);
        #[cfg(all(feature = "jobs", not(any(loom, shuttle))))]
        event!(target, level, text: JOBS);
        #[cfg(all(feature = "watch", not(any(loom, shuttle))))]
        event!(target, level, text: WATCH);
    }
}
