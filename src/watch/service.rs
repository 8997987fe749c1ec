//! The body of the service.

use super::changes::FileChanges;
use super::hints::{self, Hints, Tree};
use super::mounts::Mounts;
use super::snapshot::{Identity, Look, Snapshot, Where, is_gone};
use super::terms::{FolderWatch, Only};
use crate::cancel::Cancelled;
use crate::causes::BoxError;
use crate::clock::{self, Clock, Deadline};
use crate::host::{
    IntoParts, IntoService, MakeService, Parts, Service, ServiceContext, ServiceResult,
};
use crate::sync::Arc;
use crate::sync::channel::{self, Receiver};
use crate::unwind::{self, RateLimit};
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

impl FolderWatch {
    /// The watch as a service that calls `handler` with what changes below the folder:
    /// [`HostBuilder::add`](crate::HostBuilder::add) takes it.
    ///
    /// `handler` is called on the service's own thread: at first with all that is there,
    /// also if that is nothing, as the [first look](FileChanges::is_initial). The service is up
    /// when that call has returned, so those that are [after](crate::host::ServiceBuilder::after) it
    /// find the work on what there was done. Then it is called whenever files were added,
    /// changed or removed and it has been [quiet](FolderWatch::debounce) for a moment, however
    /// many there are. A file that was created and removed in between is not reported.
    ///
    /// Changes are found by comparing what is there with what was, by the length, the times
    /// and the inode of each file. The times are those of the contents, that of the last
    /// change of any kind (`ctime`) and that of the creation, where the system has them; no
    /// program can set the latter two, so a file that `cp -p` or `tar` replaced by one of
    /// the same length and time is noticed. So is a file whose permissions, owner or number
    /// of hard links have changed. The system only says where to look. So nothing is lost
    /// where the system lost count, and what is added or removed is reported once. A file
    /// that was written within the last 20 ms, which is how exact the times of files are,
    /// may be reported as changed once more. (Where they are only exact to a second, as on
    /// some network drives, a change that leaves the length as it was may be missed.)
    ///
    /// If the folder is removed, all its files are; it is looked for four times a second,
    /// and its files are reported when it is back. That a folder above it was replaced by
    /// another one is noticed within two seconds; so is, on Linux, that something was
    /// mounted below it or no longer is. It may itself be a link. Links to folders below it
    /// are not followed; those to files are reported as files, and a change of their target
    /// is seen at the next [full rescan](FolderWatch::rescan_every). Pipes, sockets and devices
    /// are not reported.
    ///
    /// When its stop is requested, the service ends at once; a handler that takes long
    /// should check its [token](ServiceContext::token). (Only a call by which the system is
    /// asked to watch a huge tree is waited for: 2 s for a hundred thousand folders.) An
    /// error of the handler is one of the service: after a [restart](crate::host::Restart)
    /// everything is reported again, as in the beginning. The pauses of this service go by
    /// the system's clock, also in a host with a manual one.
    ///
    /// # Errors
    ///
    /// The start of the service fails if there is no such folder, or it may not be read.
    ///
    /// What cannot be read below it, or later on, is left out alone: a warning is logged
    /// once, [`FileChanges::unreadable`] lists it, and what was known of it is kept; once it
    /// can be read its changes are reported. Where the system watches no more folders (its
    /// limit is reached: `fs.inotify.max_user_watches`), a warning is logged, and
    /// everything is scanned every two seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use groundcrew::{Host, channel};
    /// use groundcrew::watch::FolderWatch;
    ///
    /// let folder = tempfile::tempdir()?;
    /// std::fs::write(folder.path().join("first.md"), "# First")?;
    ///
    /// let (sender, receiver) = channel::unbounded();
    /// let mut host = Host::builder();
    /// let posts = FolderWatch::new(folder.path());
    /// host.add("posts", posts.on_change(move |changes, _| Ok(sender.send(changes.to_string())?)));
    /// let host = host.build()?.start()?;
    /// assert_eq!(receiver.recv()?, "1 added, 0 changed, 0 removed");
    ///
    /// std::fs::rename(folder.path().join("first.md"), folder.path().join("1.md"))?;
    /// assert_eq!(receiver.recv()?, "1 added, 0 changed, 1 removed");
    /// assert!(host.stop().is_clean());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn on_change<F>(self, handler: F) -> impl IntoService + use<F>
    where
        F: FnMut(&FileChanges, &ServiceContext) -> ServiceResult + Send + 'static,
    {
        WatchMake {
            watch: self,
            handler,
        }
    }
}

impl<F> IntoService for WatchMake<F> where
    F: FnMut(&FileChanges, &ServiceContext) -> ServiceResult + Send + 'static
{
}

impl<F> IntoParts for WatchMake<F>
where
    F: FnMut(&FileChanges, &ServiceContext) -> ServiceResult + Send + 'static,
{
    fn into_parts(self, _: usize) -> Parts {
        Parts::new(self)
    }
}

struct WatchMake<F> {
    watch: FolderWatch,
    handler: F,
}

impl<F: FnMut(&FileChanges, &ServiceContext) -> ServiceResult + Send> MakeService for WatchMake<F> {
    fn make(&mut self) -> Box<dyn Service + '_> {
        let (hints, rung) = Hints::new();
        Box::new(WatchService {
            watch: &self.watch,
            handler: &mut self.handler,
            hints,
            rung,
            snapshot: Snapshot::default(),
            sight: None,
            mounts: Mounts::default(),
            refused: BTreeSet::new(),
        })
    }
}

struct WatchService<'a, F> {
    watch: &'a FolderWatch,
    handler: &'a mut F,
    hints: Arc<Hints>,
    rung: Receiver<()>,
    snapshot: Snapshot,
    /// `None`: the folder is gone.
    sight: Option<WatchedFolder>,
    mounts: Mounts,
    /// What could not be read, and so is not watched either.
    refused: BTreeSet<PathBuf>,
}

/// The folder that is watched.
struct WatchedFolder {
    folder: Identity,
    /// The program's path to it is a link, for which the system reports nothing.
    is_link: bool,
    /// `None`: the system cannot; one looks by oneself.
    tree: Option<Tree>,
}

impl WatchedFolder {
    /// Whether the system does not report everything.
    fn is_blind(&self) -> bool {
        self.is_link || self.tree.is_none()
    }
}

impl<F: FnMut(&FileChanges, &ServiceContext) -> ServiceResult> Service for WatchService<'_, F> {
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
        self.find(ctx)?;
        let mut look = self.look(&Where::All { was_told: true }, ctx)?;
        self.watch_more(&look, &BTreeSet::new(), true, ctx);
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
            let is_let_in = self.is_let_in();
            let is_mounted = self.is_mounted();
            let is_blind = self.sight.as_ref().is_none_or(|it| it.tree.is_none());
            // What the system does not watch, or did not allow to be read, is watched
            // again: perhaps a folder that was removed and made again, even with the same
            // number.
            if told.all || told.is_gone || is_let_in || is_mounted || is_blind && is_time {
                self.sight = None;
            }
            let is_another = self.find(ctx)?;
            if let Some(trouble) = told.trouble {
                warn(
                    ctx.name(),
                    &format!("looking every 2 s from now on: {trouble}"),
                );
                if let Some(sight) = &mut self.sight {
                    sight.tree = None;
                }
            }
            let is_blind = self.sight.as_ref().is_none_or(WatchedFolder::is_blind);
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
            self.watch_more(&look, &told.paths, is_another, ctx);
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
    /// Blocks until something is reported, or `by` has come; returns which.
    fn wait(&self, by: Deadline, stopped: &Receiver<Infallible>) -> Result<bool, Cancelled> {
        let by = by.moment().map_or_else(channel::never, channel::at);
        channel::select! {
            recv(stopped) -> _ => Err(Cancelled),
            recv(self.rung) -> _ => Ok(true),
            recv(by) -> _ => Ok(false),
        }
    }

    /// Blocks until nothing more is reported for a moment, but not for too long.
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
            .map(|it| Identity::of(&it))
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
        let tree = match self.hints.watch(&self.watch.folder) {
            Ok(tree) => Some(tree),
            Err(error) => {
                warn_of(ctx.name(), &error);
                None
            }
        };
        self.sight = Some(WatchedFolder {
            folder,
            is_link: self.watch.folder.is_symlink(),
            tree,
        });
        Ok(true)
    }

    /// Whether something can be read that could not; forgets that, and what is gone.
    fn is_let_in(&mut self) -> bool {
        let is_readable = |path: &Path| match fs::metadata(path)?.is_dir() {
            true => fs::read_dir(path).map(drop),
            false => Ok(()),
        };
        let mut is_let_in = false;
        self.refused.retain(|path| match is_readable(path) {
            Ok(()) => {
                is_let_in = true;
                false
            }
            Err(error) => !is_gone(&error),
        });
        is_let_in
    }

    /// Whether something was mounted below the folder, or no longer is.
    fn is_mounted(&mut self) -> bool {
        let mounts = Mounts::below(&self.watch.folder);
        let is_mounted = mounts != self.mounts;
        self.mounts = mounts;
        is_mounted
    }

    /// Asks the system to report on what it does not watch by itself. `is_new`: it was
    /// asked for everything just before the look.
    fn watch_more(
        &mut self,
        look: &Look,
        told: &BTreeSet<PathBuf>,
        is_new: bool,
        ctx: &ServiceContext,
    ) {
        let Some(sight) = &mut self.sight else { return };
        let Some(tree) = &mut sight.tree else { return };
        if tree.is_each() {
            let known = &self.snapshot;
            let folders: BTreeSet<PathBuf> = match is_new {
                true => known.folders().cloned().collect(),
                // It may have lost those that were renamed, which it reports.
                false => {
                    let changed = look.new_folders.iter().chain(&look.replaced);
                    known.folders_of(changed.chain(told)).cloned().collect()
                }
            };
            if let Err(error) = tree.add(&folders) {
                warn_of(ctx.name(), &error);
                sight.tree = None;
            }
            if is_new {
                // What came into them meanwhile is seen next time. All is below the one that
                // is watched: by their own names they might be too many to be remembered, and
                // then everything would be asked for anew, and so on without end.
                self.hints.add([self.watch.folder.clone()]);
            }
        } else if !is_new && (look.is_newly_refused || look.is_replaced_untold(told)) {
            // It was stopped there on its way through the tree, or is at the one before.
            self.sight = None;
        }
    }

    /// Looks, and warns of what cannot be read, once.
    fn look(&mut self, place: &Where<'_>, ctx: &ServiceContext) -> Result<Look, Cancelled> {
        let watch = self.watch;
        let by_name = watch.clone();
        let shown = move |path: &Path| {
            let only = by_name.only.as_ref();
            only.is_none_or(|only| only(&by_name.shown(path)))
        };
        let only: Option<&Only> = match watch.is_renamed() {
            true => Some(&shown),
            false => watch.only.as_deref(),
        };
        let now = Clock::default().read().wall;
        let is_cancelled = || ctx.is_cancelled();
        let mut look = self
            .snapshot
            .look(&watch.folder, place, only, &is_cancelled, now)?;
        for (path, error) in &look.unreadable {
            if self.refused.insert(path.clone()) {
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
        changes.unreadable = self.refused.iter().cloned().collect();
        look.changes = match watch.is_renamed() {
            true => changes.map(|path| watch.shown(path)),
            false => changes,
        };
        Ok(look)
    }
}

/// Nothing is watched, then.
fn warn_of(service: &str, error: &notify::Error) {
    let hint = match hints::is_limit(error) {
        true => "; raise fs.inotify.max_user_watches",
        false => "",
    };
    warn(service, &format!("looking every 2 s: {error}{hint}"));
}

fn warn(service: &str, what: &str) {
    static LIMIT: RateLimit = RateLimit::new();
    if let Some(unlogged) = LIMIT.admit(clock::now()) {
        let more = unwind::and_more(unlogged, "were told");
        unwind::log_guarded(|| log::warn!("watch {service:?}: {what}{more}"));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::Host;
    use crate::watch::hints::MOST_PATHS;
    use std::env;
    use std::io::{Write, stderr};
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const CHILD: &str = "GROUNDCREW_NO_ROOT";

    /// Runs this test again, in a process that may not read everything, unless this is one.
    fn is_no_root(test: &str) -> bool {
        let way = [
            "setpriv",
            "--bounding-set",
            "-dac_override,-dac_read_search",
        ];
        if env::var_os(CHILD).is_some() {
            return true;
        }
        let probe = Command::new(way[0]).args(&way[1..]).arg("true").output();
        if !probe.is_ok_and(|output| output.status.success()) {
            let _ = writeln!(stderr(), "SKIPPED: setpriv cannot be had");
            return false;
        }
        let output = Command::new(way[0])
            .args(&way[1..])
            .arg(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{error}");
        assert!(said.contains("1 passed"), "{said}{error}");
        false
    }

    #[test]
    fn more_folders_than_are_remembered_with_an_unreadable_one_are_not_looked_at_all_the_time() {
        if !is_no_root(
            "watch::service::tests::\
             more_folders_than_are_remembered_with_an_unreadable_one_are_not_looked_at_all_the_time",
        ) {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        for number in 0..2 * MOST_PATHS {
            fs::create_dir(place.path().join(number.to_string())).unwrap();
        }
        let secret = place.path().join("lost+found");
        fs::create_dir(&secret).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o0)).unwrap();
        // Each look at everything asks for it once.
        fs::write(place.path().join("counts"), "").unwrap();
        let looks = Arc::new(AtomicUsize::new(0));
        let only = {
            let looks = looks.clone();
            move |path: &Path| {
                looks.fetch_add(usize::from(path.ends_with("counts")), Ordering::SeqCst);
                true
            }
        };
        let (tell, told) = channel::unbounded();
        let mut host = Host::builder();
        let watch = FolderWatch::new(place.path())
            .only(only)
            .rescan_every(Duration::MAX)
            .debounce(Duration::from_millis(1));
        host.add(
            "folders",
            watch.on_change(move |changes, _| {
                for path in changes.added() {
                    tell.send(path.to_owned())?;
                }
                Ok(())
            }),
        );
        let host = host.build().unwrap().start().unwrap();
        // If all was looked at all the time, each of these would be found that way.
        for number in 0..20 {
            let file = place.path().join(number.to_string()).join("new.md");
            fs::write(&file, "").unwrap();
            while told.recv_timeout(Duration::from_secs(60)).unwrap() != file {}
        }
        let looks = looks.load(Ordering::SeqCst);
        assert!(looks < 10, "{looks} looks at everything");
        assert!(host.stop().is_clean());
    }
}
