//! The options of a watched folder.

use crate::sync::Arc;
use std::fmt;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

/// A folder to watch, with options. [`on_change`](Self::on_change) turns it into a service.
///
/// # Examples
///
/// ```
/// use groundcrew::watch::FolderWatch;
/// use std::time::Duration;
///
/// let posts = FolderWatch::new("posts")
///     .debounce(Duration::from_millis(50))
///     .only(|path| path.extension().is_some_and(|extension| extension == "md"));
/// ```
#[derive(Clone)]
#[must_use = "nothing is watched before it is added to a host, with `on_change`"]
pub struct FolderWatch {
    /// As the program names it.
    given: PathBuf,
    /// What it was when it was given: the current folder may be another one by now.
    pub(super) folder: PathBuf,
    pub(super) debounce: Duration,
    pub(super) max_delay: Duration,
    pub(super) rescan: Duration,
    pub(super) only: Option<Arc<Only>>,
}

pub(super) type Only = dyn Fn(&Path) -> bool + Send + Sync;

impl FolderWatch {
    /// Creates a watch of this folder and all folders below it. It is not started yet.
    ///
    /// A relative path is resolved here, against the current folder of the process. A later
    /// `set_current_dir` has no effect. Changes are reported with the path that is passed here.
    pub fn new(folder: impl Into<PathBuf>) -> FolderWatch {
        let given = folder.into();
        FolderWatch {
            // One that cannot be resolved cannot be watched either: the start fails.
            folder: path::absolute(&given).unwrap_or_else(|_| given.clone()),
            given,
            debounce: Duration::from_millis(100),
            max_delay: Duration::from_secs(1),
            rescan: Duration::from_secs(300),
            only: None,
        }
    }

    /// Sets the quiet period: changes are reported once no event has arrived for this time, since
    /// an editor writes a file in several steps. Defaults to 100 ms.
    pub fn debounce(mut self, quiet: Duration) -> FolderWatch {
        self.debounce = quiet;
        self
    }

    /// Sets the maximum delay before changes are reported under continuous activity. Defaults to 1
    /// s.
    pub fn max_delay(mut self, most: Duration) -> FolderWatch {
        self.max_delay = most;
        self
    }

    /// Sets the interval of full rescans, which find changes that the system does not report, as on
    /// a network file system. [`Duration::MAX`] means never, and less than 10 ms counts as 10 ms.
    /// Defaults to 5 minutes.
    pub fn rescan_every(mut self, period: Duration) -> FolderWatch {
        self.rescan = period;
        self
    }

    /// Reports only files for which `only` returns `true`. It gets the same path as the handler,
    /// and is called often, on the service's thread. Defaults to all files.
    pub fn only(mut self, only: impl Fn(&Path) -> bool + Send + Sync + 'static) -> FolderWatch {
        self.only = Some(Arc::new(only));
        self
    }
}

impl FolderWatch {
    /// The path as the program names it, of one that is below the folder.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.folder) {
            // Joined with nothing it would end with a slash.
            Ok(below) if below.as_os_str().is_empty() => self.given.clone(),
            Ok(below) => self.given.join(below),
            Err(_) => path.to_owned(),
        }
    }

    /// Whether the program names the folder by another path than this does.
    pub(super) fn is_renamed(&self) -> bool {
        self.given.as_os_str() != self.folder.as_os_str()
    }
}

impl fmt::Debug for FolderWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderWatch")
            .field("folder", &self.given)
            .field("debounce", &self.debounce)
            .field("max_delay", &self.max_delay)
            .field("rescan_every", &self.rescan)
            .finish_non_exhaustive()
    }
}
