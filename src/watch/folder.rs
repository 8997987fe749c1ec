//! The folder that is watched, as long as it is the one at its path.

use super::events::EventSink;
use super::stamp::Identity;
use super::tree::Tree;
use super::warn::warn_unwatched;
use crate::sync::Arc;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct WatchedFolder {
    identity: Identity,
    /// The path is a link, for whose change the system reports nothing.
    is_link: bool,
    /// `None`: the system cannot watch it, so that only rescans find changes.
    tree: Option<Tree>,
}

impl WatchedFolder {
    /// Requests reports of the system; logs why, if it cannot.
    pub(super) fn watch(
        path: &Path,
        identity: Identity,
        events: &Arc<EventSink>,
        service: &str,
    ) -> WatchedFolder {
        let tree = Tree::watch(events, path);
        WatchedFolder {
            identity,
            is_link: path.is_symlink(),
            tree: tree
                .inspect_err(|error| warn_unwatched(service, error))
                .ok(),
        }
    }

    pub(super) fn is(&self, identity: Identity) -> bool {
        self.identity == identity
    }

    /// Whether the system reports nothing.
    pub(super) fn is_unwatched(&self) -> bool {
        self.tree.is_none()
    }

    /// Whether the system does not report everything.
    pub(super) fn is_partial(&self) -> bool {
        self.is_link || self.is_unwatched()
    }

    /// Whether each folder below has to be requested by itself.
    pub(super) fn is_each(&self) -> bool {
        self.tree.as_ref().is_some_and(Tree::is_each)
    }

    /// Requests reports on these folders too.
    pub(super) fn add(&mut self, folders: Vec<PathBuf>, service: &str) {
        let Some(tree) = &mut self.tree else { return };
        if let Err(error) = tree.add(&folders) {
            warn_unwatched(service, &error);
            self.unwatch();
        }
    }

    /// The system does not report everything any more.
    pub(super) fn unwatch(&mut self) {
        self.tree = None;
    }
}

/// Which folder is at the path now; `None`: none.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    metadata.is_dir().then(|| Identity::of(&metadata))
}
