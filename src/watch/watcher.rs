//! The body of the service: waits for events, decides where to look, looks, and reports.

use super::changes::FileChanges;
use super::events::{EventSink, PendingEvents};
use super::folder::{self, WatchedFolder};
use super::mounts::Mounts;
use super::rescan::{self, Rescan, Signs};
use super::scan::Scan;
use super::snapshot::{Look, Snapshot, Where};
use super::terms::{FolderWatch, Only};
use super::unreadable::Unreadable;
use super::warn::warn;
use crate::cancel::Cancelled;
use crate::causes::BoxError;
use crate::clock::{self, Clock, Deadline};
use crate::host::{Service, ServiceContext, ServiceResult};
use crate::sync::Arc;
use crate::sync::channel::{self, Receiver};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a folder that is gone is looked for.
const LOOK_FOR_FOLDER: Duration = Duration::from_millis(250);
/// A shorter one would do nothing else.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
/// How often a folder is scanned for which the system does not report everything; and how
/// often it is checked whether it still is the one at its path, since a folder above it may
/// be another one now, and whether something was mounted below it.
const LOOK_BY_ITSELF: Duration = Duration::from_secs(2);

pub(super) struct Watcher<'a, F> {
    watch: &'a FolderWatch,
    handler: &'a mut F,
    events: Arc<EventSink>,
    woken: Receiver<()>,
    snapshot: Snapshot,
    /// `None`: the folder is gone, or is to be watched again.
    watched: Option<WatchedFolder>,
    mounts: Mounts,
    unreadable: Unreadable,
}

impl<F: FnMut(&FileChanges, &ServiceContext) -> ServiceResult> Service for Watcher<'_, F> {
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
        self.mounts = Mounts::below(folder);
        self.watch_folder(ctx);
        let mut look = self.look(&Where::All { was_reported: true }, ctx)?;
        self.watch_more(&look, &BTreeSet::new(), true, ctx);
        look.changes.is_initial = true;
        (self.handler)(&look.changes, ctx)
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        let stopped = ctx.token().receiver();
        let period = self.watch.rescan.max(SHORTEST_PERIOD);
        let mut rescan_at = Deadline::after(period);
        loop {
            self.wait_for_events(rescan_at, &stopped)?;
            let events = self.events.take();
            let is_time = rescan_at.has_passed(clock::now());
            if self.has_to_be_watched_again(&events, is_time) {
                self.watched = None;
            }
            let is_another = self.watch_folder(ctx);
            self.obey_trouble(&events, ctx);
            let signs = Signs {
                has_paths: !events.paths.is_empty(),
                has_link: events.paths.iter().any(|path| path.is_symlink()),
                lost_events: events.all,
                is_another,
                is_time,
                is_partial: self.watched.as_ref().is_none_or(WatchedFolder::is_partial),
            };
            let place = match rescan::decide(signs) {
                Rescan::None => continue,
                Rescan::Paths => Where::Paths(&events.paths),
                Rescan::All => Where::All {
                    was_reported: signs.lost_events || signs.has_paths,
                },
            };
            let look = self.look(&place, ctx)?;
            self.watch_more(&look, &events.paths, is_another, ctx);
            if is_time {
                rescan_at = Deadline::after(period);
            }
            if !look.new_folders.is_empty() {
                // What came into them before the system watched them is seen next time.
                self.events.add(look.new_folders);
            }
            if !look.changes.is_empty() {
                (self.handler)(&look.changes, ctx)?;
            }
        }
    }
}

impl<'a, F> Watcher<'a, F> {
    pub(super) fn new(watch: &'a FolderWatch, handler: &'a mut F) -> Watcher<'a, F> {
        let (events, woken) = EventSink::new();
        Watcher {
            watch,
            handler,
            events,
            woken,
            snapshot: Snapshot::default(),
            watched: None,
            mounts: Mounts::default(),
            unreadable: Unreadable::default(),
        }
    }

    /// Blocks until there are events, and then until it has been quiet; or until it is time
    /// to look without any.
    fn wait_for_events(
        &self,
        rescan_at: Deadline,
        stopped: &Receiver<Infallible>,
    ) -> Result<(), Cancelled> {
        let by = match &self.watched {
            None => Deadline::after(LOOK_FOR_FOLDER),
            Some(_) => rescan_at.earlier(Deadline::after(LOOK_BY_ITSELF)),
        };
        if self.wait(by, stopped)? {
            self.wait_until_quiet(stopped)?;
        }
        Ok(())
    }

    /// Blocks until nothing has been reported for the quiet period, but not for longer than
    /// the maximum delay.
    fn wait_until_quiet(&self, stopped: &Receiver<Infallible>) -> Result<(), Cancelled> {
        let most = Deadline::after(self.watch.max_delay);
        while self.wait(most.earlier(Deadline::after(self.watch.debounce)), stopped)?
            && !most.has_passed(clock::now())
        {}
        Ok(())
    }

    /// Blocks until something is reported (`true`), or `by` has come (`false`).
    fn wait(&self, by: Deadline, stopped: &Receiver<Infallible>) -> Result<bool, Cancelled> {
        let by = by.moment().map_or_else(channel::never, channel::at);
        channel::select! {
            recv(stopped) -> _ => Err(Cancelled),
            recv(self.woken) -> _ => Ok(true),
            recv(by) -> _ => Ok(false),
        }
    }

    /// Whether the system may not watch what is there now: a folder that was removed and made
    /// again, perhaps even with the same number, or one that it could not read before.
    fn has_to_be_watched_again(&mut self, events: &PendingEvents, is_time: bool) -> bool {
        // Both keep what they find for the next time, whatever else is the case.
        let has_become_readable = self.unreadable.has_become_readable();
        let is_mounted = self.mounts_have_changed();
        let is_unwatched = self
            .watched
            .as_ref()
            .is_none_or(WatchedFolder::is_unwatched);
        events.all
            || events.may_be_gone
            || has_become_readable
            || is_mounted
            || is_unwatched && is_time
    }

    fn mounts_have_changed(&mut self) -> bool {
        let mounts = Mounts::below(&self.watch.folder);
        let have_changed = mounts != self.mounts;
        self.mounts = mounts;
        have_changed
    }

    /// Watches the folder, unless it is watched already. Returns whether it is another one
    /// now, or none.
    fn watch_folder(&mut self, ctx: &ServiceContext) -> bool {
        let path = &self.watch.folder;
        let Some(identity) = folder::identity(path) else {
            return self.watched.take().is_some();
        };
        if self.watched.as_ref().is_some_and(|it| it.is(identity)) {
            return false;
        }
        // The watch of the other one ends first: the system has a limit for them.
        self.watched = None;
        let watched = WatchedFolder::watch(path, identity, &self.events, ctx.name());
        self.watched = Some(watched);
        true
    }

    /// The system does not report everything any more.
    fn obey_trouble(&mut self, events: &PendingEvents, ctx: &ServiceContext) {
        if let Some(trouble) = &events.trouble {
            let what = format!("full rescans every 2 s from now on: {trouble}");
            warn(ctx.name(), &what);
            if let Some(watched) = &mut self.watched {
                watched.unwatch();
            }
        }
    }

    /// Requests reports on what the system does not watch by itself. `is_new`: everything was
    /// requested just before the look.
    fn watch_more(
        &mut self,
        look: &Look,
        reported: &BTreeSet<PathBuf>,
        is_new: bool,
        ctx: &ServiceContext,
    ) {
        let Some(watched) = &mut self.watched else {
            return;
        };
        if watched.is_unwatched() {
            return;
        }
        if !watched.is_each() {
            // The system was refused on its way through the tree, or still watches the folder
            // that was there before.
            if !is_new && (look.is_newly_refused || look.has_unreported_replacement(reported)) {
                self.watched = None;
            }
            return;
        }
        let known = &self.snapshot;
        let folders: BTreeSet<&PathBuf> = match is_new {
            true => known.folders().collect(),
            // The system forgets folders that are renamed, which it reports.
            false => {
                let changed = look.new_folders.iter().chain(&look.replaced);
                known.folders_of(changed.chain(reported)).collect()
            }
        };
        watched.add(folders.into_iter().cloned().collect(), ctx.name());
        if is_new {
            // What came into them meanwhile is seen next time. The watched folder stands for
            // all of them: by their own names they might be more than are remembered, and then
            // everything would be requested again, and so on without end.
            self.events.add([self.watch.folder.clone()]);
        }
    }

    /// Looks, and logs what cannot be read, once.
    fn look(&mut self, place: &Where<'_>, ctx: &ServiceContext) -> Result<Look, Cancelled> {
        let watch = self.watch;
        let by_given_name = watch.clone();
        let only_given = move |path: &Path| {
            let only = by_given_name.only.as_ref();
            only.is_none_or(|only| only(&by_given_name.shown(path)))
        };
        let only: Option<&Only> = match watch.is_renamed() {
            true => Some(&only_given),
            false => watch.only.as_deref(),
        };
        let scan = Scan {
            folder: &watch.folder,
            only,
            is_cancelled: &|| ctx.is_cancelled(),
            began: Clock::default().read().wall,
        };
        let mut look = self.snapshot.look(&scan, place)?;
        for (path, error) in &look.unreadable {
            if self.unreadable.add(path) {
                look.is_newly_refused = true;
                let shown = watch.shown(path);
                let what = format!(
                    "{} cannot be read and is left out: {error}",
                    shown.display()
                );
                warn(ctx.name(), &what);
            }
        }
        let mut changes = mem::take(&mut look.changes);
        changes.unreadable = self.unreadable.to_vec();
        look.changes = match watch.is_renamed() {
            true => changes.map(|path| watch.shown(path)),
            false => changes,
        };
        Ok(look)
    }
}
