//! What is said of a panic: one log record, and the hook.

use super::Queue;
use crate::clock;
use crate::sync::{Arc, Mutex};
use crate::task::TaskInfo;
use crate::unwind;
use std::time::{Duration, Instant};

/// `PoolBuilder::on_panic`.
pub(crate) type PanicHook = Arc<dyn Fn(&TaskInfo, &str) + Send + Sync>;

/// Lets so many records through in a second, and counts the rest.
#[derive(Default)]
pub(super) struct PanicLog {
    second: Mutex<Option<Second>>,
}

struct Second {
    began: Instant,
    logged: u32,
    unlogged: u64,
}

const RECORDS_A_SECOND: u32 = 10;

impl PanicLog {
    /// Whether this one is to be logged, and if so how many before it were not.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut second = self.second.lock();
        let second = second.get_or_insert(Second {
            began: now,
            logged: 0,
            unlogged: 0,
        });
        if now.duration_since(second.began) >= Duration::from_secs(1) {
            second.began = now;
            second.logged = 0;
        }
        if second.logged == RECORDS_A_SECOND {
            second.unlogged += 1;
            return None;
        }
        second.logged += 1;
        Some(std::mem::take(&mut second.unlogged))
    }
}

impl Queue {
    /// Logs a panic and tells the hook. Runs user code: the caller holds no
    /// lock.
    pub(super) fn tell_panic(&self, info: &TaskInfo, message: &str) {
        if let Some(unlogged) = self.panic_log.admit(clock::now()) {
            let name = &self.name;
            unwind::log_guarded(|| match unlogged {
                0 => log::error!("pool {name}: task {info} panicked: {message}"),
                _ => log::error!(
                    "pool {name}: task {info} panicked: {message} \
                     (and {unlogged} more panicked since the last record)"
                ),
            });
        }
        if let Some(hook) = &self.panic_hook {
            if let Err(payload) = unwind::catch(|| hook(info, message)) {
                unwind::drop_payload(payload);
                let name = &self.name;
                unwind::log_guarded(|| log::error!("pool {name}: the on_panic hook panicked"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_records_a_second_are_let_through_and_the_rest_is_counted() {
        let log = PanicLog::default();
        let start = clock::now();
        let admitted: Vec<_> = (0..25).map(|_| log.admit(start)).collect();
        assert_eq!(admitted[..10], [Some(0); 10]);
        assert_eq!(admitted[10..], [None; 15]);
        assert_eq!(log.admit(start + Duration::from_secs(1)), Some(15));
        assert_eq!(log.admit(start + Duration::from_secs(1)), Some(0));
    }
}
