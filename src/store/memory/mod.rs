//! Jobs in memory.

// `store` is the handle and its lock. `model` has the verbs, each with the `now` of its moment; it is
// made of `table`, the jobs with their indexes, and `workers`, the leases; `operate`, `queues` and
// `recurring` have more of its verbs.

mod model;
mod operate;
mod queues;
mod recurring;
mod store;
mod table;
mod workers;

pub use store::MemoryStore;
