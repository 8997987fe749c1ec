//! The order of the house: who may import whom, and who may not print.

use std::fs;
use std::path::{Path, PathBuf};

/// A later module may import an earlier one, never the reverse.
const ORDER: [&str; 25] = [
    "sync",
    "clock",
    "unwind",
    "causes",
    "table",
    "cancel",
    "threads",
    "async_log",
    "timer",
    "retry",
    "worker",
    "queue",
    "task",
    "submit",
    "stop",
    "pool",
    "parallel",
    "signals",
    "host",
    "schedule",
    "batch",
    "watch",
    "serialize",
    "testing",
    "model",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file with the module it belongs to and its lines that are no
/// comments.
fn code() -> Vec<(String, PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).unwrap().to_owned();
            let first = inside.iter().next().unwrap().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(str::to_owned)
                .collect();
            (module, inside, lines)
        })
        .collect()
}

#[test]
fn imports_go_one_way() {
    let place = |module: &str| ORDER.iter().position(|other| *other == module);
    for (module, path, lines) in code() {
        if module == "lib" {
            continue;
        }
        let own = place(&module).unwrap_or_else(|| panic!("{module} has no place in ORDER"));
        for line in lines {
            for part in line.split("crate::").skip(1) {
                let name: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                // `crate::Pool` and the like are re-exports, used in docs and macros.
                if let Some(imported) = place(&name) {
                    assert!(imported <= own, "{path:?} imports {name}: {line}");
                }
            }
        }
    }
}

#[test]
fn only_their_own_modules_name_threads_locks_channels_and_clocks() {
    let allowed = [
        ("std::sync", "sync"),
        ("parking_lot", "sync"),
        ("crossbeam_", "sync"),
        ("shuttle::", "sync"),
        ("loom::", "sync"),
        ("std::thread", "threads"),
        ("Instant::now", "clock"),
        ("SystemTime::now", "clock"),
        ("Timestamp::now", "clock"),
        ("Zoned::now", "clock"),
        ("ctrlc::", "signals"),
        ("errno::", "signals"),
        ("libc::", "signals"),
        ("signal_hook::", "signals"),
        ("croner::", "schedule"),
        ("jiff::", "schedule"),
        ("notify::", "watch"),
        ("catch_unwind", "unwind"),
    ];
    for (module, path, lines) in code() {
        if module == "model" || path.to_str().unwrap().contains("tests") {
            continue;
        }
        // What is behind `cfg(test)` is at the end of its file.
        let tests = lines
            .iter()
            .position(|line| line.contains("#[cfg(test)]") || line.contains("#[cfg(all(test,"));
        for line in &lines[..tests.unwrap_or(lines.len())] {
            for (name, owner) in allowed {
                assert!(
                    !line.contains(name) || module == owner,
                    "{path:?} names {name}: {line}"
                );
            }
        }
    }
}

#[test]
fn the_library_never_prints_and_is_safe_code_but_for_two_modules() {
    for (_, path, lines) in code() {
        for line in lines {
            for word in ["println!", "eprintln!", "dbg!", "todo!", "unimplemented!"] {
                assert!(!line.contains(word), "{path:?}: {line}");
            }
            let argued_for = ["parallel/scope/borrowed.rs", "signals/unix/first.rs"];
            let is_argued_for = argued_for.iter().any(|file| path == Path::new(file));
            assert!(
                is_argued_for || !line.contains("unsafe {"),
                "{path:?}: {line}"
            );
        }
    }
}
