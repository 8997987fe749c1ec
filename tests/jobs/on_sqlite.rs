//! The tests of jobs, on a store in an SQLite file.
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

mod contracts;
mod face;
mod faulty;
mod followers;
mod lease;
mod limits;
mod observe;
mod operate;
mod outage;
mod outcomes;
mod parts;
mod payloads;
mod random;
mod recurring;
mod rolling;
#[path = "sqlite.rs"]
mod setup;
mod stop;
mod unreadable;
