//! The watching of a folder as a service of a host.

use super::changes::FileChanges;
use super::terms::FolderWatch;
use super::watcher::Watcher;
use crate::host::{
    IntoParts, IntoService, MakeService, Parts, Service, ServiceContext, ServiceResult,
};

impl FolderWatch {
    /// Returns a service that calls `handler` with the changes below the folder. Pass it to
    /// [`HostBuilder::add`](crate::HostBuilder::add).
    ///
    /// `handler` is called on the service's own thread. The [first call](FileChanges::is_initial)
    /// gets all existing files, even if there are none. The service is up when that call has
    /// returned, so services that are [after](crate::host::ServiceBuilder::after) it start once the
    /// existing files have been handled. After that, one call reports all files that were added,
    /// changed or removed, once the folder has been [quiet](FolderWatch::debounce).
    ///
    /// The service finds changes by comparing the length, the times and the inode of each file with
    /// their previous values. The times are those of the last modification, of the last change of
    /// any kind (`ctime`) and of the creation, if the system has them. No program can set the
    /// latter two, so the service detects a file that `cp -p` or `tar` replaced by one of the same
    /// length and time. It also detects changed permissions, owners and numbers of hard links.
    /// Events of the system only show where to look, so no change is lost if the system loses
    /// events, and each added or removed file is reported once.
    ///
    /// The times of files are exact to 20 ms. A file that was written within the last 20 ms may be
    /// reported as changed once more. (If they are only exact to a second, as on some network
    /// drives, a change that keeps the length may be missed.)
    ///
    /// If the folder is removed, all its files are reported as removed. The service checks four
    /// times a second whether the folder is back, and then reports its files. If a folder above it
    /// is replaced by another one, this is detected within two seconds. On Linux, mounts and
    /// unmounts below it are detected as quickly.
    ///
    /// The folder itself may be a link. Links to folders below it are not followed. Links to files
    /// are reported as files, and a change of their target is detected at the next [full
    /// rescan](FolderWatch::rescan_every). Pipes, sockets and devices are not reported.
    ///
    /// When its stop is requested, the service ends at once, except during the system call that
    /// begins to watch a huge tree, which takes 2 s for a hundred thousand folders. A handler that
    /// takes long should check its [token](ServiceContext::token). An error of the handler is an
    /// error of the service. After a [restart](crate::host::Restart), all files are reported again,
    /// as at the start. The pauses of this service use the system's clock, even in a host with a
    /// manual clock.
    ///
    /// # Errors
    ///
    /// The start of the service fails if the folder does not exist or cannot be read.
    ///
    /// A folder or file below it, or the folder itself later on, may become unreadable. Then a
    /// warning is logged once, [`FileChanges::unreadable`] lists the path, and its last known state
    /// is kept. When it can be read again, its changes are reported. If the system's limit on
    /// watched folders is reached (`fs.inotify.max_user_watches`), a warning is logged, and all
    /// folders are scanned every two seconds.
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
    /// # Ok::<(), groundcrew::BoxError>(())
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
        Box::new(Watcher::new(&self.watch, &mut self.handler))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::Host;
    use crate::sync::channel;
    use crate::watch::events::MOST_PATHS;
    use std::env;
    use std::fs;
    use std::io::{Write, stderr};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

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
