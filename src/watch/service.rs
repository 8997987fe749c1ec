//! The body of the service.

use super::changes::Changes;
use super::hints::{self, Hints};
use super::snapshot::{Look, Snapshot, Where, identity};
use super::terms::Watch;
use crate::cancel::Cancelled;
use crate::causes::BoxError;
use crate::clock::{self, Clock, Deadline};
use crate::host::{HostBuilder, Make, Service, ServiceBuilder, ServiceContext, ServiceResult};
use crate::sync::Arc;
use crate::sync::channel::{self, Receiver};
use crate::unwind::{self, RateLimit};
use notify::RecommendedWatcher;
use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// So often one looks for a folder that is gone.
const LOOK_FOR_FOLDER: Duration = Duration::from_millis(250);
/// A shorter one would do nothing else.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
/// So often one looks at a folder of which the system does not tell everything; and whether
/// it still is the one at its path, since a folder above it may be another one now.
const LOOK_BY_ITSELF: Duration = Duration::from_secs(2);

impl HostBuilder {
    /// Adds a service that tells `handler` what changes below a folder, with the feature
    /// `watch`. Does not block.
    ///
    /// `handler` is called on the service's own thread: at first with all that is there,
    /// also if that is nothing, as the [first look](Changes::is_initial). The service is up
    /// when that call has returned, so those that are [after](ServiceBuilder::after) it find
    /// the work on what there was done. Then it is called whenever files were added, changed
    /// or removed and it has been [quiet](Watch::debounce) for a moment, however many there
    /// are. What came and went in between is not told of.
    ///
    /// What is told is found by comparing what is there with what was, by length, time and
    /// inode of each file. The system only says where to look. So nothing is lost where the
    /// system lost count, and what is added or removed is told of once. A file that was written
    /// within the last 20 ms, which is how exact the times of files are, may be told of as
    /// changed once more. (Where they are only exact to a second, as on some network drives, a
    /// change that leaves the length as it was may be missed.)
    ///
    /// If the folder is removed, all its files are; it is looked for four times a second, and
    /// told of when it is back. That a folder above it was replaced by another one is noticed
    /// within two seconds. It may itself be a link. Links to folders below it are not
    /// followed; those to files are told of as files, and what changes where they lead to is
    /// seen at the next [look at everything](Watch::rescan_every). Pipes, sockets and devices
    /// are not told of.
    ///
    /// Told to stop, the service ends at once; a handler that takes long looks at its
    /// [token](ServiceContext::token). (Only a call by which the system is asked to watch a
    /// huge tree is waited for: 2 s for a hundred thousand folders.) An error of the handler is one of the service: after a
    /// [restart](crate::Restart) everything is told of again, as in the beginning. The pauses
    /// of this service go by the system's clock, also in a host with a manual one.
    ///
    /// # Errors
    ///
    /// The start of the service fails if there is no such folder, or it may not be read. What
    /// cannot be read below it, or later on, is warned of, and what was known of it stays; once
    /// it can be read it is told of. Where the system
    /// watches no more folders (its limit is reached: `fs.inotify.max_user_watches`), that is
    /// warned of, and everything is looked at every two seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, Watch, channel};
    ///
    /// let folder = tempfile::tempdir()?;
    /// std::fs::write(folder.path().join("first.md"), "# First")?;
    ///
    /// let (tell, told) = channel::unbounded();
    /// let mut host = Host::builder();
    /// host.watch("posts", Watch::new(folder.path()), move |changes, _| {
    ///     Ok(tell.send(changes.to_string())?)
    /// });
    /// let host = host.build()?.start()?;
    /// assert_eq!(told.recv()?, "1 added, 0 changed, 0 removed");
    ///
    /// std::fs::rename(folder.path().join("first.md"), folder.path().join("1.md"))?;
    /// assert_eq!(told.recv()?, "1 added, 0 changed, 1 removed");
    /// assert!(host.stop().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn watch(
        &mut self,
        name: impl Into<String>,
        watch: Watch,
        handler: impl FnMut(&Changes, &ServiceContext) -> ServiceResult + Send + 'static,
    ) -> ServiceBuilder<'_> {
        self.made(name.into(), WatchMake { watch, handler })
    }
}

struct WatchMake<F> {
    watch: Watch,
    handler: F,
}

impl<F: FnMut(&Changes, &ServiceContext) -> ServiceResult + Send> Make for WatchMake<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        let (hints, rung) = Hints::new();
        Box::new(WatchService {
            watch: &self.watch,
            handler: &mut self.handler,
            hints,
            rung,
            snapshot: Snapshot::default(),
            sight: None,
            refused: Vec::new(),
        })
    }
}

struct WatchService<'a, F> {
    watch: &'a Watch,
    handler: &'a mut F,
    hints: Arc<Hints>,
    rung: Receiver<()>,
    snapshot: Snapshot,
    /// `None`: the folder is gone.
    sight: Option<Sight>,
    /// Folders that could not be read, and so are not watched either.
    refused: Vec<PathBuf>,
}

/// The folder that is watched.
struct Sight {
    folder: (u64, u64),
    /// The program's path to it is a link, of which the system tells nothing.
    is_link: bool,
    /// `None`: the system cannot; one looks by oneself.
    watcher: Option<RecommendedWatcher>,
}

impl Sight {
    /// Whether the system does not tell everything.
    fn is_blind(&self) -> bool {
        self.is_link || self.watcher.is_none()
    }
}

impl<F: FnMut(&Changes, &ServiceContext) -> ServiceResult> Service for WatchService<'_, F> {
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let folder = &self.watch.folder;
        let cannot = |error: &dyn std::fmt::Display| -> BoxError {
            format!("the folder {folder:?} cannot be watched: {error}").into()
        };
        let metadata = fs::metadata(folder).map_err(|error| cannot(&error))?;
        if !metadata.is_dir() {
            return Err(cannot(&"it is a file; give the folder that it is in"));
        }
        fs::read_dir(folder).map_err(|error| cannot(&error))?;
        self.find(ctx)?;
        let mut look = self.look(&Where::All { was_told: true }, ctx)?;
        look.changes.is_initial = true;
        (self.handler)(&look.changes, ctx)
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let stopped = ctx.token().receiver();
        let period = self.watch.rescan.max(SHORTEST_PERIOD);
        let mut rescan = Deadline::after(period);
        loop {
            let by = match &self.sight {
                None => Deadline::after(LOOK_FOR_FOLDER),
                Some(_) => rescan.earlier(Deadline::after(LOOK_BY_ITSELF)),
            };
            let was_rung = self.wait(by, &stopped)?;
            if was_rung {
                self.settle(&stopped)?;
            }
            let told = self.hints.take();
            let is_time = rescan.has_passed(clock::now());
            let is_readable = |path: &PathBuf| fs::read_dir(path).is_ok();
            let is_let_in = self.refused.iter().any(is_readable);
            let is_blind = self.sight.as_ref().is_none_or(|it| it.watcher.is_none());
            // What the system does not know of, or did not let one see, is watched anew; a
            // folder that was removed, perhaps, and made again, even with the same number.
            if told.all || told.is_gone || is_let_in || is_blind && is_time {
                self.sight = None;
                self.refused.clear();
            }
            let is_another = self.find(ctx)?;
            if let Some(trouble) = told.trouble {
                warn(
                    ctx.name(),
                    &format!("looking every 2 s from now on: {trouble}"),
                );
                if let Some(sight) = &mut self.sight {
                    sight.watcher = None;
                }
            }
            let is_blind = self.sight.as_ref().is_none_or(Sight::is_blind);
            if told.paths.is_empty() && !told.all && !is_another && !is_time && !is_blind {
                continue;
            }
            // Files anywhere may be reached by way of it.
            let is_by_link = told.paths.iter().any(|path| path.is_symlink());
            let was_told = told.all || !told.paths.is_empty();
            let place = match told.all || is_by_link || is_another || is_time || is_blind {
                true => Where::All { was_told },
                false => Where::Paths(&told.paths),
            };
            let look = self.look(&place, ctx)?;
            if is_time {
                rescan = Deadline::after(period);
            }
            if !look.new_folders.is_empty() {
                // What came into them before the system watched them is seen next time.
                self.hints.add(look.new_folders);
            }
            if !look.changes.is_empty() {
                (self.handler)(&look.changes, ctx)?;
            }
        }
    }
}

impl<F> WatchService<'_, F> {
    /// Blocks until something is told, or `by` has come; returns which.
    fn wait(&self, by: Deadline, stopped: &Receiver<Infallible>) -> Result<bool, Cancelled> {
        let by = by.moment().map_or_else(channel::never, channel::at);
        channel::select! {
            recv(stopped) -> _ => Err(Cancelled),
            recv(self.rung) -> _ => Ok(true),
            recv(by) -> _ => Ok(false),
        }
    }

    /// Blocks until nothing more is told for a moment, but not for too long.
    fn settle(&self, stopped: &Receiver<Infallible>) -> Result<(), Cancelled> {
        let most = Deadline::after(self.watch.max_delay);
        while self.wait(most.earlier(Deadline::after(self.watch.debounce)), stopped)?
            && !most.has_passed(clock::now())
        {}
        Ok(())
    }

    /// Looks whether the folder is there and the one that is watched; watches it if not.
    /// Returns whether it is another one now, or none.
    fn find(&mut self, ctx: &ServiceContext) -> Result<bool, BoxError> {
        let metadata = fs::metadata(&self.watch.folder);
        let Some(folder) = metadata
            .ok()
            .filter(|it| it.is_dir())
            .map(|it| identity(&it))
        else {
            return Ok(self.sight.take().is_some());
        };
        if self
            .sight
            .as_ref()
            .is_some_and(|sight| sight.folder == folder)
        {
            return Ok(false);
        }
        self.sight = None;
        let watcher = match self.hints.clone().watch(&self.watch.folder) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                let hint = match hints::is_limit(&error) {
                    true => "; raise fs.inotify.max_user_watches",
                    false => "",
                };
                warn(ctx.name(), &format!("looking every 2 s: {error}{hint}"));
                None
            }
        };
        self.sight = Some(Sight {
            folder,
            is_link: self.watch.folder.is_symlink(),
            watcher,
        });
        Ok(true)
    }

    /// Looks, and warns of what cannot be read, once.
    fn look(&mut self, place: &Where<'_>, ctx: &ServiceContext) -> Result<Look, Cancelled> {
        let (folder, only) = (&self.watch.folder, self.watch.only.as_deref());
        let now = Clock::default().read().wall;
        let is_cancelled = || ctx.is_cancelled();
        let look = self
            .snapshot
            .look(folder, place, only, &is_cancelled, now)?;
        for (path, error) in &look.unreadable {
            if !self.refused.contains(path) {
                let shown = path.display();
                warn(ctx.name(), &format!("{shown} cannot be read: {error}"));
                self.refused.push(path.clone());
            }
        }
        Ok(look)
    }
}

fn warn(service: &str, what: &str) {
    static LIMIT: RateLimit = RateLimit::new();
    if let Some(unlogged) = LIMIT.admit(clock::now()) {
        let more = unwind::and_more(unlogged, "were told");
        unwind::log_guarded(|| log::warn!("watch {service:?}: {what}{more}"));
    }
}
