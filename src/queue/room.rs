//! Where submitters wait for room in a store of items.
//!
//! # Invariants
//!
//! 1. A submitter takes its ticket under the store's lock, after it found the store full, and
//!    waits without that lock. A thread that makes room does so under the store's lock, and
//!    announces it afterwards. So a ticket that is out of date means that there may be room,
//!    and no announcement is missed.
//! 2. The lock of a room is a leaf, other than the store's: a token's cancel takes it,
//!    whatever locks its thread holds.

use super::monitor::Monitor;
use super::on_full::Wait;
use crate::sync::Arc;

#[derive(Default)]
pub(crate) struct Room {
    /// How many announcements there were.
    announced: Arc<Monitor<u64>>,
}

/// The number of announcements that a submitter has seen.
pub(crate) struct Ticket(u64);

impl Room {
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(*self.announced.lock())
    }

    /// Blocks until room was announced after the ticket was taken, or the wait is over.
    pub(crate) fn wait(&self, ticket: Ticket, wait: Wait<'_>) {
        let _listening = wait.listen(&self.announced);
        let mut announced = self.announced.lock();
        while *announced == ticket.0 && wait.is_over().is_none() {
            self.announced.wait(wait.deadline(), &mut announced);
        }
    }

    /// There is room for this number of submitters more than before.
    pub(crate) fn announce(&self, submitters: usize) {
        if submitters == 0 {
            return;
        }
        *self.announced.lock() += 1;
        (0..submitters).for_each(|_| self.announced.notify_one());
    }

    /// Every submitter has to look: there never will be room any more.
    pub(crate) fn announce_to_all(&self) {
        *self.announced.lock() += 1;
        self.announced.notify_all();
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::cancel::CancelToken;
    use crate::queue::{OnFull, Refusal};
    use crate::sync::channel;
    use std::time::Duration;

    /// No moment bounds the wait: only a wake-up can end it.
    #[test]
    fn a_cancelled_token_wakes_the_submitter_that_waits_with_it() {
        let (token, room) = (CancelToken::new(), Arc::new(Room::default()));
        let (done, is_done) = channel::bounded(1);
        let (waiting, waited_for) = (token.child(), room.clone());
        std::thread::spawn(move || {
            let wait = OnFull::WaitOrOverflow(Some(&waiting)).wait().unwrap();
            waited_for.wait(waited_for.ticket(), wait);
            let _ = done.send(wait.is_over());
        });
        // The thread is asleep, or will look at its token before it is.
        while token.listeners() == 0 {
            std::thread::yield_now();
        }
        token.cancel();
        let over = is_done.recv_timeout(Duration::from_secs(60));
        assert_eq!(over, Ok(Some(Refusal::Cancelled)));
    }

    #[test]
    fn a_ticket_that_is_out_of_date_does_not_wait() {
        let room = Room::default();
        let ticket = room.ticket();
        room.announce(1);
        room.wait(ticket, OnFull::WAIT.wait().unwrap());
    }

    #[test]
    fn a_wait_leaves_nothing_with_its_token() {
        let (token, room) = (CancelToken::new(), Room::default());
        for _ in 0..3 {
            let ticket = room.ticket();
            room.announce(1);
            room.wait(ticket, OnFull::WaitOrOverflow(Some(&token)).wait().unwrap());
        }
        assert_eq!(token.listeners(), 0);
    }
}
