//! The service that has the pages ready before anybody asks.

use crate::count;
use groundcrew::host::ServiceResult;
use groundcrew::{Service, ServiceContext};
use log::info;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) type Pages = HashMap<&'static str, &'static str>;

/// Renders the pages before anybody is let in, and then has nothing to do: its `run`
/// is the one that waits for the stop.
pub(crate) struct Warmer {
    pub(crate) pages: Arc<Mutex<Pages>>,
    pub(crate) takes: Duration,
}

impl Service for Warmer {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        ctx.sleep(self.takes)?; // ends at once if it is stopped
        let pages = Pages::from([("greeting", "Welcome, "), ("empty", "Who is there?\n")]);
        info!("pages: {} rendered", count(pages.len(), "page"));
        *self.pages.lock().unwrap() = pages;
        Ok(())
    }
}
