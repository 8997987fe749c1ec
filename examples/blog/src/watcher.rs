//! The watcher: it reads what is new, or was changed.

use crate::archive::Archive;
use crate::blog::Blog;
use groundcrew::ServiceContext;
use groundcrew::host::ServiceResult;
use groundcrew::watch::FileChanges;
use log::{info, warn};
use std::path::Path;
use std::time::Duration;

/// So often who waits for a post looks whether there is still time.
const LOOK_AT_TOKEN: Duration = Duration::from_millis(50);

/// Reads each post in a task of its own. A post that cannot be read is no reason not to
/// serve the others.
pub(crate) fn read(blog: &Blog, changes: &FileChanges, ctx: &ServiceContext) -> ServiceResult {
    if changes.is_initial() {
        blog.chaos.at_start("posts")?;
        if let Err(error) = blog.archive.load() {
            warn!("every post is read anew: {error}");
        }
    }
    blog.archive.announce(changes.present());
    for path in changes.removed() {
        blog.archive.remove(path);
    }
    let mut tasks = Vec::new();
    for path in changes.present() {
        let (archive, chaos) = (blog.archive.clone(), blog.chaos.clone());
        let (token, post) = (ctx.token().clone(), path.to_owned());
        let task = blog.workers.task(format!("read {}", path.display()));
        let read = move || {
            token.check()?; // in a stop, the watcher does not wait for thousands
            chaos.at_work("posts")?;
            archive.read(&post).map_err(Into::into)
        };
        tasks.push((path, task.submit(read)?));
        ctx.token().check()?;
    }
    let count = tasks.len();
    for (at, (path, task)) in tasks.into_iter().enumerate() {
        ctx.note(format!("{at} of {count}"));
        while !task.wait_timeout(LOOK_AT_TOKEN) {
            ctx.token().check()?;
        }
        let outcome: ServiceResult = match task.join() {
            Ok(outcome) => outcome,
            Err(error) => Err(error.into()),
        };
        ctx.token().check()?;
        if let Err(error) = outcome {
            give_up(&blog.archive, path, &error.to_string());
        }
    }
    if changes.is_initial() {
        blog.archive.forget_saved();
    }
    ctx.note(format!("{changes}"));
    info!("posts: {changes}");
    Ok(())
}

fn give_up(archive: &Archive, path: &Path, why: &str) {
    if !path.exists() {
        return archive.remove(path); // the watcher will be told of that, too
    }
    warn!("{} cannot be read: {why}", path.display());
    archive.blame(path, why.to_owned());
}
