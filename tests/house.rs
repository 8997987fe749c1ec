//! The order of the house: who may import whom, and who may not print.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A later module may import an earlier one, never the reverse.
const ORDER: [&str; 30] = [
    "sync",
    "clock",
    "unwind",
    "record",
    "causes",
    "table",
    "threads",
    "cancel",
    "async_log",
    "timer",
    "store",
    "retry",
    "worker",
    "trace",
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
    "jobs",
    "watch",
    "serialize",
    "testing",
    "guide",
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
        ("rusqlite::", "store"),
        ("rustix::", "store"),
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

#[test]
fn every_log_record_has_one_of_the_documented_targets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let documented: BTreeSet<String> = read("lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `groundcrew::"))
        .map(|rest| rest.split('`').next().unwrap().to_owned())
        .collect();
    let defined = |text: &str| {
        let values = text.split("&str = \"groundcrew::").skip(1);
        let values = values.map(|rest| rest.split('"').next().unwrap().to_owned());
        values.collect::<BTreeSet<String>>()
    };
    let mut targets = defined(&read("record.rs"));
    targets.extend(defined(&read("unwind.rs")));
    assert_eq!(targets, documented);

    // The macros of `log` are called in three files. What others log names a constant of `record`.
    let mut records = 0;
    for (_, path, lines) in code() {
        let text = lines.join(" ");
        let is_one_of = |files: &[&str]| files.iter().any(|file| path == Path::new(file));
        for level in [
            "error",
            "warn",
            "info",
            "debug",
            "trace",
            "log",
            "log_enabled",
        ] {
            for (at, call) in text.match_indices(&format!("log::{level}!(")) {
                let arguments = text[at + call.len()..].trim_start();
                assert!(
                    is_one_of(&["async_log.rs", "record.rs", "unwind.rs"])
                        && arguments.starts_with("target: "),
                    "{path:?}: {call}{}",
                    &arguments[..60]
                );
            }
        }
        if is_one_of(&["async_log.rs"]) {
            continue;
        }
        for call in [
            "timer.log(",
            "log.write(",
            "log_or_stderr(",
            "log_or_stderr_in_time(",
        ] {
            for (at, _) in text.match_indices(call) {
                let arguments = text[at + call.len()..].trim_start();
                let target = arguments.strip_prefix("record::").unwrap_or_else(|| {
                    panic!("{path:?}: {call}{}", &arguments[..60]);
                });
                assert!(target.starts_with(|c: char| c.is_uppercase()), "{target}");
                records += 1;
            }
        }
    }
    assert!(records > 5, "the calls have other names now: {records}");
}

/// One file, by the path of its module: `["queue", "gate"]`; a `mod.rs` by its folder's.
struct Source {
    module: Vec<String>,
    /// Without comments and without what is behind `cfg(test)`, in one line.
    code: String,
}

fn production_sources() -> Vec<Source> {
    let mut found = Vec::new();
    for (_, path, lines) in code() {
        let mut module: Vec<String> = path
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        if module.iter().any(|part| part == "tests" || part == "model") {
            continue;
        }
        module.retain(|part| part != "mod" && part != "lib");
        let tests = lines
            .iter()
            .position(|line| line.contains("#[cfg(test)]") || line.contains("#[cfg(all(test,"));
        let code = lines[..tests.unwrap_or(lines.len())].join(" ");
        found.push(Source { module, code });
    }
    found
}

/// The root has what most programs write; everything else is in its module, and only there.
/// (`channel`, the crate that is re-exported, is a module to a program.)
#[test]
fn the_root_has_twenty_four_names_and_the_public_modules() {
    const NAMES: [&str; 24] = [
        "Batcher",
        "BoxError",
        "CancelToken",
        "Host",
        "HostBuilder",
        "HostHandle",
        "HostReport",
        "Pool",
        "PoolBuilder",
        "Retry",
        "Schedule",
        "Scheduler",
        "Service",
        "ServiceContext",
        "StopHandle",
        "StopPlan",
        "StopReport",
        "SubmitError",
        "Submitter",
        "TaskBuilder",
        "TaskContext",
        "TaskError",
        "TaskHandle",
        "WorkQueue",
    ];
    const MODULES: [&str; 17] = [
        "batch", "cancel", "channel", "guide", "host", "jobs", "parallel", "pool", "retry",
        "schedule", "signals", "stop", "store", "submit", "task", "testing", "watch",
    ];
    let (_, _, lines) = code()
        .into_iter()
        .find(|(module, ..)| module == "lib")
        .unwrap();
    let text = lines.join(" ");
    let mut modules: BTreeSet<String> = text
        .split("pub mod ")
        .skip(1)
        .map(|rest| words(rest).next().unwrap().to_owned())
        .collect();
    let mut exports = Vec::new();
    for statement in text.split("pub use ").skip(1) {
        let tree = statement.split(';').next().unwrap();
        paths_of(tree, &[], &mut exports);
    }
    let mut names: BTreeSet<String> = exports
        .iter()
        .map(|path| path.last().unwrap().clone())
        .collect();
    assert_eq!(names.len(), exports.len());
    if names.remove("channel") {
        modules.insert("channel".to_owned());
    }
    assert_eq!(names, NAMES.map(str::to_owned).into());
    assert_eq!(modules, MODULES.map(str::to_owned).into());
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// Every path below `prefix` in a tree such as `{gate::Gate, idle::{self, Waiters as W}}`.
fn paths_of(tree: &str, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    if let Some(inside) = tree.strip_prefix('{') {
        let inside = inside.strip_suffix('}').unwrap_or(inside);
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    paths_of(&inside[start..at], prefix, found);
                    start = at + 1;
                }
                _ => {}
            }
        }
        paths_of(&inside[start..], prefix, found);
        return;
    }
    let Some(first) = words(tree).next() else {
        return;
    };
    let mut path = prefix.to_vec();
    path.push(first.to_owned());
    match tree[first.len()..].trim_start().strip_prefix("::") {
        Some(rest) => paths_of(rest, &path, found),
        None => found.push(path),
    }
}

/// A path as it stands in the code of `module`, from the root of the crate; `None` if it leads
/// to another crate.
fn from_the_root(
    path: &[String],
    module: &[String],
    folders: &[Vec<String>],
) -> Option<Vec<String>> {
    let mut at = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        child => {
            let child = [module, &[child.to_owned()]].concat();
            return folders.contains(&child).then(|| [module, path].concat());
        }
    };
    for part in &path[1..] {
        match part.as_str() {
            "super" => drop(at.pop()),
            "self" => {}
            _ => at.push(part.clone()),
        }
    }
    Some(at)
}

/// What the code of a file names of the crate: by `use`, and by paths inside of expressions.
/// What it re-exports is apart.
fn named(source: &Source, modules: &[Vec<String>]) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for statement in source.code.split(['{', ';', '}']).map(str::trim) {
        // Paths of expressions; those of `use` have their braces below.
        if !statement.contains("use ") {
            for (at, _) in statement.match_indices("::") {
                let first = statement[..at]
                    .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap();
                let start = at - first.len();
                if !statement[..start].ends_with("::") {
                    paths_of(&statement[start..], &[], &mut imports);
                }
            }
        }
    }
    for (at, _) in source.code.match_indices("use ") {
        let before = source.code[..at].trim_end();
        let tree = source.code[at + 4..].split(';').next().unwrap();
        let is_export = before.ends_with("pub") || before.ends_with(')');
        paths_of(
            tree,
            &[],
            if is_export {
                &mut exports
            } else {
                &mut imports
            },
        );
    }
    let resolve = |paths: Vec<Vec<String>>| {
        let absolute = paths
            .iter()
            .filter_map(|path| from_the_root(path, &source.module, modules));
        absolute.collect()
    };
    (resolve(imports), resolve(exports))
}

#[test]
fn the_files_of_a_folder_import_each_other_one_way() {
    let sources = production_sources();
    let modules: Vec<Vec<String>> = sources.iter().map(|source| source.module.clone()).collect();
    let named: Vec<_> = sources
        .iter()
        .map(|source| named(source, &modules))
        .collect();
    let mut circles = Vec::new();
    let folders: BTreeSet<&[String]> = modules
        .iter()
        .filter(|module| module.len() > 1)
        .map(|module| &module[..module.len() - 1])
        .collect();
    for folder in folders {
        let children: BTreeSet<&String> = modules
            .iter()
            .filter(|module| module.len() == folder.len() + 1 && module.starts_with(folder))
            .map(|module| &module[folder.len()])
            .collect();
        // Where a name that the folder's own file re-exports comes from.
        let own = modules.iter().position(|module| module == folder).unwrap();
        let origin = |name: &String| {
            let export = named[own].1.iter().find(|path| path.last() == Some(name));
            export.and_then(|path| path.get(folder.len())).cloned()
        };
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (source, (imports, _)) in sources.iter().zip(&named) {
            if !source.module.starts_with(folder) {
                continue;
            }
            let from = source.module.get(folder.len());
            let from = from.cloned().unwrap_or_else(|| "mod".to_owned());
            for path in imports.iter().filter(|path| path.starts_with(folder)) {
                let Some(next) = path.get(folder.len()) else {
                    continue;
                };
                let to = match children.contains(next) {
                    true => next.clone(),
                    false => origin(next).unwrap_or_else(|| "mod".to_owned()),
                };
                if to != from {
                    edges.entry(from.clone()).or_default().insert(to);
                }
            }
        }
        if edges.len() > 1 {
            circles.extend(
                circles_in(&edges)
                    .into_iter()
                    .map(|circle| (folder.join("::"), circle)),
            );
        }
    }
    assert!(
        circles.is_empty(),
        "files that import each other: {circles:#?}"
    );
}

/// The sets of files of which each leads to every other. A builder and what it builds may know
/// each other, which counts as one way.
fn circles_in(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let mut edges = edges.clone();
    let knows_back = edges.clone();
    for (from, to) in &mut edges {
        if from == "build" || from.ends_with("builder") {
            to.retain(|built| {
                !knows_back
                    .get(built)
                    .is_some_and(|back| back.contains(from))
            });
        }
    }
    let reached = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(at) = next.pop() {
            for to in edges.get(at).into_iter().flatten() {
                if seen.insert(to) {
                    next.push(to);
                }
            }
        }
        seen
    };
    let mut circles: Vec<Vec<String>> = Vec::new();
    for from in edges.keys() {
        let circle: Vec<String> = reached(from)
            .into_iter()
            .filter(|to| reached(to).contains(from))
            .cloned()
            .collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}
