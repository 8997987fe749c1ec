//! The pool: its builder, the verbs of submit, the loops, the stop and the drop.

#[path = "../common/mod.rs"]
mod common;

mod builder;
mod drop;
mod drops_that_panic;
mod expire;
mod idle;
mod join;
mod map;
mod observe;
mod overflow;
mod panics;
mod scope;
mod scope_soundness;
mod state;
mod stop;
mod stopping;
mod stream;
mod submit;
mod ways_in;
