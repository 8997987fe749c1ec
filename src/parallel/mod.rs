//! Parallel loops over collections and iterators, and scopes for closures that borrow.
//!
//! They are methods of a pool and of its submitters: [`scope`](crate::Pool::scope),
//! [`map`](crate::Pool::map), [`try_map`](crate::Pool::try_map),
//! [`for_each`](crate::Pool::for_each), [`map_reduce`](crate::Pool::map_reduce),
//! [`find_any`](crate::Pool::find_any) and [`stream`](crate::Pool::stream). With a name or a token
//! they are methods of a [`ParallelBuilder`].

mod builder;
mod error;
mod loops;
mod map;
mod options;
mod pace;
mod scope;
mod stream;

pub use builder::ParallelBuilder;
pub use error::{StreamError, TryMapError};
pub use map::ParallelItems;
pub use scope::{Scope, ScopedHandle, ScopedTaskBuilder};
pub use stream::Stream;
