//! The watcher: it reads what is new, or was changed.

use crate::chaos::Chaos;
use crate::library::Library;
use groundcrew::{Changes, ServiceContext, ServiceResult, Submitter};
use log::{info, warn};
use std::path::Path;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Watcher {
    pub(crate) library: Arc<Library>,
    pub(crate) workers: Submitter,
    pub(crate) chaos: Chaos,
}

impl Watcher {
    /// Reads each post in a task of its own. A post that cannot be read is no reason not to
    /// serve the others.
    pub(crate) fn read(&self, changes: &Changes, ctx: &ServiceContext) -> ServiceResult {
        if changes.is_initial() {
            self.chaos.at_start("posts")?;
        }
        self.library.announce(changes.present());
        for path in changes.removed() {
            self.library.remove(path);
        }
        let mut tasks = Vec::new();
        for path in changes.present() {
            let (watcher, token, post) = (self.clone(), ctx.token().clone(), path.to_owned());
            let task = self.workers.task(format!("read {}", path.display()));
            let read = move || {
                token.check()?; // told to stop, the watcher does not wait for thousands
                watcher.chaos.at_work("posts")?;
                watcher.library.read(&post).map_err(Into::into)
            };
            tasks.push((path, task.submit(read)?));
            ctx.token().check()?;
        }
        let count = tasks.len();
        for (at, (path, task)) in tasks.into_iter().enumerate() {
            ctx.note(format!("{at} of {count}"));
            let outcome: ServiceResult = match task.join() {
                Ok(outcome) => outcome,
                Err(error) => Err(error.into()),
            };
            ctx.token().check()?;
            if let Err(error) = outcome {
                self.give_up(path, &error.to_string());
            }
        }
        if changes.is_initial() {
            self.library.forget_saved();
        }
        ctx.note(format!("{changes}"));
        info!("posts: {changes}");
        Ok(())
    }

    fn give_up(&self, path: &Path, why: &str) {
        if !path.exists() {
            return self.library.remove(path); // the watcher will be told of that, too
        }
        warn!("{} cannot be read: {why}", path.display());
        self.library.blame(path, why.to_owned());
    }
}
