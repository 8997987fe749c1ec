//! Jobs in memory.

// `store` is the handle and its lock. `model` has the verbs, each with the `now` of its moment; it is
// made of `table`, the jobs with their indexes, of which `limited` is one, and `workers`, the leases;
// `operate`, `queues` and `recurring` have more of its verbs. `settle` is what follows from each verb.

mod followers;
mod limited;
mod model;
mod operate;
mod queues;
mod recurring;
mod settle;
mod store;
mod table;
mod workers;

pub use store::MemoryStore;
