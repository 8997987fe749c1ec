//! Events: what visitors do, in batches.

use crate::chaos::Chaos;
use crate::line::Line;
use crate::outbox::{Item, Outbox};
use groundcrew::retry::Backoff;
use groundcrew::{Batcher, CancelToken, Retry, Submitter};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Event {
    id: String,
    /// As in `search for rust`.
    what: String,
}

impl Event {
    fn to_json(&self) -> Value {
        json!({ "id": self.id, "what": self.what })
    }
}

impl Item for Event {
    fn id(&self) -> &str {
        &self.id
    }

    fn to_line(&self) -> String {
        self.to_json().to_string()
    }

    fn from_line(line: &str) -> Option<Event> {
        let value: Value = serde_json::from_str(line).ok()?;
        Some(Event {
            id: value["id"].as_str()?.to_owned(),
            what: value["what"].as_str()?.to_owned(),
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.id, self.what)
    }
}

/// Where events are put. A clone leads to the same place.
#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) batcher: Batcher<Event>,
    pub(crate) outbox: Outbox<Event>,
    /// What an earlier run has left, until it is on its way.
    found: Arc<Mutex<Vec<Event>>>,
}

impl Events {
    /// A batch is sent when it has a hundred events, or is a second old.
    pub(crate) fn new(
        outbox: Outbox<Event>,
        line: Line,
        network: Submitter,
        chaos: Chaos,
    ) -> Result<Events, Box<dyn Error + Send + Sync>> {
        let (found, flushed) = (outbox.unsent(), outbox.clone());
        let send = move |batch: &mut Vec<Event>| {
            chaos.at_work("analytics")?;
            let events: Vec<Value> = batch.iter().map(Event::to_json).collect();
            Ok(flushed.send(batch, || line.send(&json!({ "events": events })))?)
        };
        let backoff = Backoff::exponential(Duration::from_millis(20)).cap(Duration::from_secs(1));
        let batcher = Batcher::builder("events")
            .max_items(100)
            .max_age(Duration::from_secs(1))
            .capacity(found.len().max(1000))
            .retry(Retry::new(backoff))
            .build(network, move |batch: &mut Vec<Event>, _| send(batch))?;
        Ok(Events {
            batcher,
            outbox,
            found: Arc::new(Mutex::new(found)),
        })
    }

    /// Sends those that an earlier run has left. Not before the sink is there: a pool works at
    /// once, whatever the host does.
    pub(crate) fn resume(&self) {
        let found = mem::take(&mut *self.found.lock().unwrap());
        for event in found {
            // If a signal was faster, the next run sends it: it is in the outbox.
            let _ = self.batcher.submit(event);
        }
    }

    /// As [`tell`](Self::tell), for who cannot wait: where there is no room, the next run
    /// tells.
    pub(crate) fn tell_at_once(&self, what: String) {
        if let Some(event) = self.outbox.make(|id| Event { id, what }) {
            let _ = self.batcher.try_submit(event);
        }
    }

    /// Tells of something, in this run or the next one; blocks while there is no room, until
    /// `token` is cancelled.
    pub(crate) fn tell(&self, what: String, token: &CancelToken) {
        if let Some(event) = self.outbox.make(|id| Event { id, what }) {
            // If the batcher does not take it, the next run's will: it is in the outbox.
            let _ = self.batcher.submit_until(token, event);
        }
    }
}
