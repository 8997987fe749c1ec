//! Watching a folder: [`FolderWatch`] sets the folder and the options, and [`FileChanges`] lists
//! what changed. Requires the feature `watch`.

// What the system reports is a hint only, since it may come twice, late, in another order
// or not at all: it says where to look. What has changed is found by a comparison with
// what was there at the last look. From the bottom up:
//
// - `changes`, `terms`: what the program gets, and what it sets.
// - `stamp`, `scan`, `snapshot`: what is there, and how it differs from what was.
// - `mounts`, `unreadable`: what hides parts of the folder.
// - `events`, `tree`, `folder`: where to look, from the thread of the system's watcher.
// - `rescan`: how much to look at again; pure.
// - `watcher`: the body of the service; `service` adds it to a host.

mod changes;
mod events;
mod folder;
mod mounts;
mod rescan;
mod scan;
mod service;
mod snapshot;
mod stamp;
mod terms;
mod tree;
mod unreadable;
mod warn;
mod watcher;

pub use changes::FileChanges;
pub use terms::FolderWatch;
