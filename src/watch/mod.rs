//! A watched folder: [`FolderWatch`] says which one and how, [`FileChanges`] what changed in it.
//! With the feature `watch`.

// What the system reports is a hint only, since it may come twice, late, in another order
// or not at all: it says where to look. What has changed is found by a comparison with
// what was there at the last look.
//
// - `changes`: what is reported to the program.
// - `snapshot`: what is there, and how it differs from what was.
// - `hints`: where to look, from the thread of the system's watcher.
// - `mounts`: what is mounted there, which the system's watcher does not report.
// - `terms`: what can be set.
// - `service`: the body of the service.

mod changes;
mod hints;
mod mounts;
mod service;
mod snapshot;
mod terms;

pub use changes::FileChanges;
pub use terms::FolderWatch;
