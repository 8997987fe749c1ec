//! The log records, and their targets.
//!
//! The targets are public names: programs filter by them, so that none changes. The table of
//! "Log targets" in the documentation of the crate lists them.

pub(crate) const POOL: &str = "groundcrew::pool";
pub(crate) const RETRY: &str = "groundcrew::retry";
#[cfg(all(feature = "signals", not(any(loom, shuttle))))]
pub(crate) const SIGNALS: &str = "groundcrew::signals";
#[cfg(not(any(loom, shuttle)))]
pub(crate) const HOST: &str = "groundcrew::host";
#[cfg(not(any(loom, shuttle)))]
pub(crate) const QUEUE: &str = "groundcrew::queue";
#[cfg(not(any(loom, shuttle)))]
pub(crate) const SCHEDULE: &str = "groundcrew::schedule";
#[cfg(not(any(loom, shuttle)))]
pub(crate) const BATCH: &str = "groundcrew::batch";
#[cfg(all(feature = "watch", not(any(loom, shuttle))))]
pub(crate) const WATCH: &str = "groundcrew::watch";

/// Logs `record!(Error, POOL, "text {}", value)`: the level, the target, and what `format!`
/// takes. A panic of the logger changes nothing. No lock of the crate is held here.
macro_rules! record {
    ($level:ident, $target:ident, $($text:tt)+) => {
        $crate::record::record!(@ log::Level::$level, $target, $($text)+)
    };
    (@ $level:expr, $target:ident, $($text:tt)+) => {
        if $level <= log::max_level() {
            $crate::unwind::log_guarded(|| {
                log::log!(target: $crate::record::$target, $level, $($text)+);
            });
        }
    };
}

pub(crate) use record;
