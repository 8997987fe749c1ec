//! Jobs in memory.

// `store` is the handle and its lock, `changes` wakes those that wait. `model` has the verbs, each
// with the `now` of its moment; it is made of `table`, the jobs with their indexes, and `workers`,
// the leases. `row` is one job, and knows what an outcome makes of it.

mod changes;
mod model;
mod place;
mod row;
mod store;
mod table;
mod workers;

pub use store::MemoryStore;
