//! What survives what.

/// What has to survive before a command is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power failure: each commit waits until the disk has it. Commits that are asked for at the
    /// same time share that wait. The default.
    #[default]
    Full,
    /// The death of the process. A power failure may lose the last commits, but does not damage
    /// the store.
    Normal,
}
