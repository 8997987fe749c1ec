#!/usr/bin/env bash
# anyhow 1.0.105: the error that `?` makes of an `anyhow::Error`, where a function returns
# `Box<dyn Error + Send + Sync>`, has the text and the causes of the error in it, and not its
# type.
#
# One would have guessed that what `anyhow::Error::downcast_ref` finds is found in the box, too.
# It is not: the box has a private type, and `downcast_ref` returns `None` for the error itself,
# but finds its causes. (The documentation of `reallocate_into_boxed_dyn_error_without_backtrace`
# says so, which is the conversion that keeps the type.) An error that others look for in a
# boxed one should therefore have a cause that says the same: `Cancelled`, `PermanentError` and
# `TaskError` do.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
anyhow = "=1.0.105"
TOML
cat > src/main.rs <<'RUST'
use std::error::Error;
use std::fmt;

macro_rules! error {
    ($name:ident, $source:expr) => {
        #[derive(Debug)]
        struct $name;
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                $source
            }
        }
    };
}
error!(Cause, None);
error!(Effect, Some(&Cause));

fn boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
    let fails = || -> anyhow::Result<()> { Err(Effect)? };
    assert!(fails().unwrap_err().is::<Effect>());
    Ok(fails()?)
}

fn main() {
    let error = boxed().unwrap_err();
    assert_eq!(error.to_string(), "Effect");
    assert!(!error.is::<Effect>(), "the box has the type of the error");
    assert!(error.source().unwrap().is::<Cause>(), "the cause is hidden, too");
    println!("anyhow 1.0.105: the type is hidden, the cause is not");
}
RUST
cargo run --quiet
