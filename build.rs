//! Looks for what the compiler's standard library has: `File::try_lock` came with Rust 1.89, and
//! older ones from 1.85 on will do without (src/schedule/memory/file.rs).

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(file_lock)");
    if minor_version().is_some_and(|minor| minor >= 89) {
        println!("cargo::rustc-cfg=file_lock");
    }
}

/// As in `rustc 1.89.0 (29483883e 2025-08-04)`.
fn minor_version() -> Option<u32> {
    let rustc = std::env::var_os("RUSTC")?;
    let output = Command::new(rustc).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split(' ').nth(1)?.strip_prefix("1.")?;
    version.split('.').next()?.parse().ok()
}
