//! The blog: what its services share.

use crate::archive::Archive;
use crate::chaos::Chaos;
use crate::email::Emails;
use crate::event::Events;
use crate::jobs::{Cache, Triggers};
use crate::line::Line;
use crate::screen::Screen;
use crate::sink::Mood;
use groundcrew::Submitter;
use std::sync::Arc;

/// A clone is the same blog.
#[derive(Clone)]
pub(crate) struct Blog {
    pub(crate) archive: Arc<Archive>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) emails: Emails,
    pub(crate) events: Events,
    /// Who gets the newsletter, and is told of comments.
    pub(crate) readers: Arc<[String]>,
    /// Where posts are read, indexed and checked.
    pub(crate) workers: Submitter,
    pub(crate) triggers: Arc<Triggers>,
    pub(crate) mood: Arc<Mood>,
    pub(crate) line: Line,
    pub(crate) screen: Screen,
    pub(crate) chaos: Chaos,
}
