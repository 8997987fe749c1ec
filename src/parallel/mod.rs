//! Parallel loops over collections and iterators, and scopes for closures that borrow.
//!
//! They are methods of a pool and of its submitters: [`scope`](crate::Pool::scope),
//! [`map`](crate::Pool::map), [`for_each`](crate::Pool::for_each),
//! [`map_reduce`](crate::Pool::map_reduce) and [`stream`](crate::Pool::stream).

mod loops;
mod map;
mod pace;
mod scope;
mod stream;

pub use map::ParallelItems;
pub use scope::{Scope, ScopedHandle, ScopedTaskBuilder};
pub use stream::Stream;
