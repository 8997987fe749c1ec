//! What a program enqueues.

use crate::causes::BoxError;
use serde::Serialize;

/// A type of job: plain data with a name. An instance of it is enqueued as JSON, and handed to the
/// handler of its kind.
///
/// A type that is only enqueued may borrow. A handler needs one that also implements
/// [`DeserializeOwned`](serde::de::DeserializeOwned).
///
/// # Changes of a type
///
/// A store may hold jobs that an older or a newer release of the program has enqueued.
///
/// - Unknown fields are ignored, as `serde` does. A new field needs `#[serde(default)]`, or jobs of
///   the older release cannot be decoded.
/// - A job that cannot be decoded is a failed attempt, whose error names the kind and the field. It
///   is retried by the policy of the handler, since a worker of the other release may know it.
/// - To rename a kind, keep its older name in [`ALIASES`](Self::ALIASES) until no job of that name
///   is left.
///
/// # Examples
///
/// ```
/// use groundcrew::jobs::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct SendWelcome {
///     user: u64,
///     #[serde(default)]
///     language: Option<String>, // added later
/// }
///
/// impl Job for SendWelcome {
///     const KIND: &'static str = "send-welcome";
/// }
///
/// let old = r#"{"user":7}"#;
/// assert_eq!(serde_json::from_str::<SendWelcome>(old)?.language, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub trait Job: Serialize {
    /// The name of the type in a store. It stays the same across releases.
    const KIND: &'static str;

    /// Older names of the kind, whose jobs the handler still takes.
    const ALIASES: &'static [&'static str] = &[];
}

/// What a handler returns that uses `?`, which converts every error into it.
pub type JobResult<T = ()> = Result<T, BoxError>;
