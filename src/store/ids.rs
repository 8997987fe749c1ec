//! The numbers by which a store knows things.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($inner);

        impl $name {
            /// Makes one of the number that a store keeps.
            pub const fn new(number: $inner) -> $name {
                $name(number)
            }

            /// The number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A job in its store. Ids grow in the order of enqueuing, and none is used twice.
    JobId(i64)
}

number! {
    /// A process in a store, from its [registration](super::Store::register) to the end of its
    /// lease. They grow in the order of registering, and none is used twice.
    WorkerId(i64)
}

number! {
    /// The number of a claim. It grows with every claim of the whole store, whichever process makes
    /// it, and never goes back. What has been written with a higher fence must not be overwritten
    /// with a lower one: that is how a resource outside the store refuses an attempt that was taken
    /// over.
    ///
    /// Jobs that were claimed together may have the same fence.
    Fence(u64)
}

number! {
    /// A sign of life of a process. It changes with every renewal of the lease; what it counts is
    /// the store's own business.
    Beat(u64)
}

number! {
    /// How far a store had come when it was asked ([`Store::version`](super::Store::version)).
    Version(u64)
}

/// One attempt of a job: the job and the fence of its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId {
    /// The job.
    pub job: JobId,
    /// The fence with which it was claimed.
    pub fence: Fence,
}
