//! Errors of the program: what caused them, and what they say.

use crate::unwind;
use std::error::Error;
use std::fmt;
use std::io;

/// Any error. The code that a program gives to this crate, and that may fail, returns it:
/// services, startup tasks, the handlers of queues and batches, and the runs of schedules.
///
/// `?` converts every error into it, and those of `anyhow` and `eyre`, too; a text is converted
/// by `?` or `.into()`. So a closure ends with `Ok(())`, and a function that returns another
/// error is called as `Ok(function()?)`.
///
/// # Examples
///
/// ```
/// use groundcrew::{BoxError, Host};
///
/// fn count(words: &str) -> Result<usize, std::num::ParseIntError> {
///     words.parse()
/// }
///
/// fn check(words: &str) -> Result<(), BoxError> {
///     match count(words)? {
///         0 => Err("there are none")?,
///         _ => Ok(()),
///     }
/// }
///
/// let mut host = Host::builder();
/// host.startup_task("check", |_| check("7"));
/// host.startup_task("count", |_| {
///     println!("{} words", count("7")?);
///     Ok(())
/// });
/// assert!(host.build()?.run().is_clean());
/// assert_eq!(check("0").unwrap_err().to_string(), "there are none");
/// # Ok::<(), BoxError>(())
/// ```
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Marks an error as permanent: neither a restart nor a retry will help. If a service returns one,
/// alone or as the source of another error, it is not restarted, and the host stops, as it does
/// without a restart policy. A batch whose [handler](crate::Batcher#the-handler) returns one is
/// split until the bad items are isolated, and an item of a [queue](crate::WorkQueue::retry) is not
/// tried again. (The [retry](crate::TaskBuilder::retry) policy of a task
/// decides by its own closure instead, since a task can have errors of any type.)
///
/// # Examples
///
/// ```
/// use groundcrew::Host;
/// use groundcrew::host::Restart;
/// use groundcrew::retry::PermanentError;
///
/// let mut host = Host::builder();
/// host.background("mailer", |_| Err(PermanentError::new("no such account"))?)
///     .on_failure(Restart::new());
/// let report = host.build()?.run();
/// assert_eq!(report.services()[0].restarts(), 0);
/// # Ok::<(), groundcrew::BoxError>(())
/// ```
pub struct PermanentError(Permanent);

/// The cause of every [`PermanentError`], and what this crate looks for: `anyhow::Error`, when `?`
/// converts it into a boxed error, hides the type of the error in it, but not its causes. It has
/// the text and the causes of the program's error.
pub(crate) struct Permanent(BoxError);

impl PermanentError {
    /// Marks `error` as permanent.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> PermanentError {
        PermanentError(Permanent(error.into()))
    }
}

impl fmt::Display for PermanentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PermanentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(self, f, |f| {
            f.debug_tuple("PermanentError").field(&self.0.0).finish()
        })
    }
}

impl Error for PermanentError {
    /// Returns an error with the text and the causes of the one that was marked.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Permanent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Whether `error` is a `T`, or is caused by one.
pub(crate) fn has_cause<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    with_cause(error, |_: &T| Some(())).is_some()
}

/// Looks for the first `T` among `error` and its causes.
pub(crate) fn with_cause<T: Error + 'static, R>(
    error: &(dyn Error + 'static),
    look: impl Fn(&T) -> Option<R>,
) -> Option<R> {
    let found = unwind::catch(|| causes(error).find_map(|cause| look(cause.downcast_ref()?)));
    found.unwrap_or_else(|payload| {
        unwind::drop_payload(payload);
        None
    })
}

/// A chain longer than this is a circle.
const LONGEST_CHAIN: usize = 32;

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| source(*error)).take(LONGEST_CHAIN)
}

/// What an error was caused by. `io::Error` passes over the error that it was made of,
/// since it prints as that does.
fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The text of `error` and of its sources. One whose text ends the one before it, as with
/// errors that print their source themselves, is not repeated.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    guarded(|| join(causes(error).map(ToString::to_string)))
}

fn join(texts: impl Iterator<Item = String>) -> String {
    let mut all = String::new();
    for text in texts {
        if all.is_empty() {
            all = text;
        } else if !all.ends_with(&text) {
            all = format!("{all}: {text}");
        }
    }
    all
}

/// Errors are the program's code, which may panic.
fn guarded(text: impl FnOnce() -> String) -> String {
    unwind::catch(text).unwrap_or_else(|payload| {
        unwind::drop_payload(payload);
        "(an error whose text panicked)".to_owned()
    })
}

/// `Debug` for an error of this crate. `main` prints the error that it returns by `{:?}`, so
/// that is its text and its causes; `{:#?}` writes the fields.
pub(crate) fn debug<E: Error>(
    error: &E,
    f: &mut fmt::Formatter<'_>,
    fields: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if f.alternate() {
        return fields(f);
    }
    // Not `chain`, since `E` may borrow.
    f.write_str(&guarded(|| {
        let sources = error.source().into_iter().flat_map(causes);
        join(std::iter::once(error.to_string()).chain(sources.map(ToString::to_string)))
    }))
}

/// Implements `Debug` by [`debug`] for an error that is a struct with named fields, or an enum,
/// each of whose variants has one value, named fields, or neither.
macro_rules! error_debug {
    (struct $error:ident { $($field:ident),+ }) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let $error { $($field),+ } = self;
                $crate::causes::debug(self, f, |f| {
                    $crate::causes::error_debug!(@fields f $error { $($field),+ })
                })
            }
        }
    };
    (enum $error:ident {
        $($(#[$cfg:meta])? $variant:ident $(($value:ident))? $({ $($field:ident),+ })?),+ $(,)?
    }) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::causes::debug(self, f, |f| match self {
                    $($(#[$cfg])? $error::$variant $(($value))? $({ $($field),+ })? => {
                        $crate::causes::error_debug!(
                            @fields f $variant $(($value))? $({ $($field),+ })?
                        )
                    })+
                })
            }
        }
    };
    (@fields $f:ident $name:ident) => {
        $f.write_str(stringify!($name))
    };
    (@fields $f:ident $name:ident ($value:ident)) => {
        $f.debug_tuple(stringify!($name)).field($value).finish()
    };
    (@fields $f:ident $name:ident { $($field:ident),+ }) => {
        $f.debug_struct(stringify!($name))$(.field(stringify!($field), $field))+.finish()
    };
}

pub(crate) use error_debug;
