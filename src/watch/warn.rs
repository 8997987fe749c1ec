//! The records of the log.

use super::tree;
use crate::clock;
use crate::record::record;
use crate::unwind::{self, RateLimit};

/// Logs, at a limited rate, a warning about the service of this name.
pub(super) fn warn(service: &str, what: &str) {
    static LIMIT: RateLimit = RateLimit::new();
    if let Some(unlogged) = LIMIT.admit(clock::now()) {
        let more = unwind::and_more(unlogged, "warnings");
        record!(Warn, WATCH, "watch {service:?}: {what}{more}");
    }
}

/// The system cannot watch the folder.
pub(super) fn warn_unwatched(service: &str, error: &notify::Error) {
    let hint = match tree::is_limit(error) {
        true => "; raise fs.inotify.max_user_watches",
        false => "",
    };
    let what = format!("the system cannot watch it, full rescans every 2 s: {error}{hint}");
    warn(service, &what);
}
