//! Emails: a queue, with retries and a circuit breaker.

use crate::blog::Blog;
use crate::chaos::Chaos;
use crate::line::{Line, LineError};
use crate::outbox::{Item, Outbox};
use groundcrew::host::ItemOutcome;
use groundcrew::retry::{Backoff, CircuitBreaker, GiveUpReason};
use groundcrew::{CancelToken, Retry, ServiceContext, WorkQueue};
use log::error;
use serde_json::{Value, json};
use std::error::Error;
use std::fmt;
use std::slice;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Email {
    id: String,
    to: String,
    subject: String,
}

impl Email {
    fn to_json(&self) -> Value {
        json!({ "id": self.id, "to": self.to, "subject": self.subject })
    }
}

impl Item for Email {
    fn id(&self) -> &str {
        &self.id
    }

    fn to_line(&self) -> String {
        self.to_json().to_string()
    }

    fn from_line(line: &str) -> Option<Email> {
        let value: Value = serde_json::from_str(line).ok()?;
        Some(Email {
            id: value["id"].as_str()?.to_owned(),
            to: value["to"].as_str()?.to_owned(),
            subject: value["subject"].as_str()?.to_owned(),
        })
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "email {} to {}: {}", self.id, self.to, self.subject)
    }
}

/// Where emails are put. A clone leads to the same place.
#[derive(Clone)]
pub(crate) struct Emails {
    pub(crate) queue: WorkQueue<Email>,
    pub(crate) outbox: Outbox<Email>,
}

/// So many wait before those who write them do.
const PLACES: usize = 100;

impl Emails {
    /// With those in the queue that an earlier run has left.
    pub(crate) fn new(outbox: Outbox<Email>) -> Result<Emails, Box<dyn Error + Send + Sync>> {
        let found = outbox.unsent();
        let queue = WorkQueue::new(found.len().max(PLACES));
        for email in found {
            queue.submit(email)?;
        }
        Ok(Emails { queue, outbox })
    }

    /// Writes an email, which will be sent, in this run or the next one; blocks while the
    /// queue is full, until `token` is cancelled.
    pub(crate) fn write(&self, to: &str, subject: &str, token: &CancelToken) {
        let (to, subject) = (to.to_owned(), subject.to_owned());
        if let Some(email) = self.outbox.make(|id| Email { id, to, subject }) {
            // If the queue does not take it, the next run's will: it is in the outbox.
            let _ = self.queue.submit_until(token, email);
        }
    }
}

/// What each worker of the queue has.
pub(crate) struct Sender {
    emails: Emails,
    line: Line,
    breaker: CircuitBreaker,
    chaos: Chaos,
}

impl Sender {
    pub(crate) fn new(blog: &Blog, breaker: &CircuitBreaker) -> Sender {
        Sender {
            emails: blog.emails.clone(),
            line: blog.line,
            breaker: breaker.clone(),
            chaos: blog.chaos.clone(),
        }
    }

    /// Sends it, however often that takes, unless the sink refuses it for good. When the host
    /// stops, each email has one more attempt.
    pub(crate) fn send(
        &self,
        email: &Email,
        ctx: &ServiceContext,
    ) -> Result<ItemOutcome, Box<dyn Error + Send + Sync>> {
        ctx.note(email.to_string());
        let outcome = self.try_to_send(email, ctx);
        ctx.note("");
        outcome
    }

    fn try_to_send(
        &self,
        email: &Email,
        ctx: &ServiceContext,
    ) -> Result<ItemOutcome, Box<dyn Error + Send + Sync>> {
        self.chaos.at_work("emails")?;
        let backoff = Backoff::exponential(Duration::from_millis(20)).cap(Duration::from_secs(1));
        let retry = Retry::new(backoff).on_error(LineError::verdict);
        let request = json!({ "email": email.to_json() });
        let sent = retry.call(&ctx.host().token(), |_| {
            let emails = slice::from_ref(email);
            let send = || self.line.send(&request);
            let send = || self.emails.outbox.send(emails, send);
            self.breaker.call_counting(send, LineError::is_outage)
        });
        match sent {
            Ok(()) => {}
            Err(error) if error.gave_up() == GiveUpReason::Stopped => {
                return Ok(ItemOutcome::HandBack);
            }
            Err(error) => {
                // That is settled, too: it is not sent again.
                error!("{email}: {}", error.error());
                self.emails.outbox.refuse(email);
            }
        }
        Ok(ItemOutcome::Handled)
    }
}
