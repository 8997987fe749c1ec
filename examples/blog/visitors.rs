//! Visitors: they stand for the world outside.

use crate::email::Emails;
use crate::event::Events;
use crate::jobs::{Cache, is_warm};
use crate::library::Library;
use groundcrew::{ServiceContext, ServiceResult};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub(crate) struct Visitors {
    pub(crate) library: Arc<Library>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) events: Events,
    pub(crate) emails: Emails,
    pub(crate) readers: Vec<String>,
    /// The time between two of them.
    pub(crate) pause: Duration,
}

impl Visitors {
    /// Each looks at a page; one in five writes a comment, of which a reader is told.
    pub(crate) fn visit(&self, ctx: &ServiceContext) -> ServiceResult {
        let mut count = 0_u64;
        while !ctx.is_cancelled() {
            if let Some(post) = fastrand::choice(self.library.posts()) {
                let page = post.path.display();
                let cache = match is_warm(&self.cache, &post.path) {
                    true => "cached",
                    false => "not cached",
                };
                self.events
                    .tell(format!("view of {page}, {cache}"), ctx.token());
                if fastrand::u8(..5) == 0 {
                    let subject = format!("a comment on {}", post.title);
                    let reader = fastrand::choice(&self.readers).map_or("", String::as_str);
                    self.emails.write(reader, &subject, ctx.token());
                }
                count += 1;
                ctx.note(format!("{count} so far"));
            }
            ctx.sleep(self.pause)?;
        }
        Ok(())
    }
}
