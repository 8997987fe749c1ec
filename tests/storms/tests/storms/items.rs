//! Where the items of an example are, seen from outside: kept, handed over, or named.

use crate::Program;
use crate::common::examples::text;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Output;

pub(crate) type Ids = HashSet<String>;

/// By the file they are kept in.
pub(crate) type Kept = BTreeMap<&'static str, Ids>;

impl Program {
    fn files(self) -> &'static [&'static str] {
        match self {
            Program::Queue => &["spool"],
            Program::Mailer => &[],
            Program::Analytics => &["spool.jsonl"],
            Program::Blog => &["emails.jsonl", "events.jsonl"],
        }
    }

    /// The id in a line of a file, or of a list on stdout.
    fn id(self, line: &str) -> Option<String> {
        let id = match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(event)) => event["id"].as_str().map(str::to_owned),
            _ if self == Program::Blog => line.split([' ', ':']).nth(1).map(str::to_owned),
            _ => line.split(' ').next().map(str::to_owned),
        };
        id.filter(|id| id.contains('-')) // and not "and 5 more"
    }

    /// What waits for the next start.
    pub(crate) fn kept(self, disk: &Path) -> Kept {
        let read = |file: &&'static str| {
            let text = fs::read_to_string(disk.join(file)).unwrap_or_default();
            let ids: Vec<String> = text
                .lines()
                .map(|line| self.id(line).unwrap_or_else(|| panic!("{file}: {line}")))
                .collect();
            let different: Ids = ids.iter().cloned().collect();
            assert_eq!(different.len(), ids.len(), "{file}: {ids:?}");
            (*file, different)
        };
        self.files().iter().map(read).collect()
    }
}

/// How often each email is in the inbox.
pub(crate) fn in_inbox(inbox: &Path) -> HashMap<String, usize> {
    let text = fs::read_to_string(inbox).unwrap_or_default();
    let mut counts = HashMap::new();
    for line in text.lines() {
        let id = Program::Queue.id(line);
        *counts.entry(id.expect("an email")).or_default() += 1;
    }
    counts
}

/// How often each event is in a file, or a dead letter.
pub(crate) fn in_files(disk: &Path) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for entry in fs::read_dir(disk).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_file = name.starts_with("events-") && name.ends_with(".jsonl");
        if !is_file && name != "dead.jsonl" {
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let value: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{}: {error}: {line:?}", path.display()));
            let event = if is_file { &value } else { &value["event"] };
            let id = event["id"].as_str().expect("an event");
            *counts.entry(id.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// What a start has said.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Whether it came to its account.
    pub(crate) has_ended: bool,
    pub(crate) made: usize,
    /// Those that are still to be handed over.
    pub(crate) unsent: usize,
    /// The files that could not be written.
    pub(crate) unsaved: HashSet<&'static str>,
    /// What should have been in those.
    pub(crate) named: Ids,
    /// What may be handed over twice.
    pub(crate) unknown: Ids,
}

impl Told {
    pub(crate) fn by(program: Program, output: &Output) -> Told {
        let stdout = text(&output.stdout);
        let mut told = Told::default();
        let mut title = "";
        for line in stdout.lines() {
            if let Some(item) = line.strip_prefix("  ") {
                let place = match title {
                    "no answer came in time, may be sent twice:" => &mut told.unknown,
                    "in no file but that:" | "not sent:" | "not flushed:" => &mut told.named,
                    _ => continue,
                };
                place.extend(program.id(item));
                continue;
            }
            title = line;
            if let Some(error) = line.strip_prefix("not saved, it is as before this run: ") {
                let files = program.files().iter();
                let unsaved = files.filter(|file| error.contains(&format!("/{file}: ")));
                told.unsaved.extend(unsaved);
            }
            let numbers = line.split([' ', ',']).filter_map(|word| word.parse().ok());
            let numbers: Vec<usize> = numbers.collect();
            let (made, unsent) = match (program, &numbers[..]) {
                (Program::Queue, [made, _, unsent]) if line.contains(" written, ") => {
                    (made, unsent)
                }
                (Program::Analytics, [made, _, _, _, unsent]) if line.contains(" made, ") => {
                    (made, unsent)
                }
                (Program::Blog, [_, made, _, _, unsent])
                    if line.starts_with("emails: ") || line.starts_with("events: ") =>
                {
                    (made, unsent)
                }
                _ => continue,
            };
            told.has_ended = true;
            told.made += made;
            told.unsent += unsent;
        }
        told
    }
}
