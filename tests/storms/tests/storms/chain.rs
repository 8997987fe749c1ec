//! Starts in one folder, one after the other, and the account after each.

use crate::common::examples::{example, text};
use crate::disk::Disk;
use crate::fault::{Fault, Stop, Trouble};
use crate::items::{Ids, Kept, Told, in_files, in_inbox};
use crate::mails;
use crate::sink::Sink;
use crate::tally::{Count, Tally};
use crate::{LINKS, Program, Storm};
use fastrand::Rng;
use std::collections::HashMap;
use std::process::{Command, Output};
use tempfile::TempDir;

pub(crate) fn run(storm: &Storm, program: Program, number: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(storm.seed.wrapping_mul(1 << 20).wrapping_add(number));
    let folder = TempDir::new().unwrap();
    let has_disk = storm.can_mount && program != Program::Mailer && rng.u8(..3) == 0;
    let mut chain = Chain {
        program,
        disk: Disk::new(folder.path().join("disk"), has_disk),
        sink: Sink::start(),
        folder,
        allowed: HashMap::new(),
    };
    for link in 0..=LINKS {
        let fault = match link < LINKS {
            true => Fault::draw(&mut rng, chain.latest(), has_disk),
            false => Fault::none(),
        };
        fault.tally(tally);
        chain.link(storm, &fault, &mut rng, tally);
    }
}

struct Chain {
    program: Program,
    folder: TempDir,
    disk: Disk,
    sink: Sink,
    /// How often an item may be handed over, if that is not once.
    allowed: HashMap<String, usize>,
}

impl Chain {
    /// Until when a signal comes, in milliseconds.
    fn latest(&self) -> u64 {
        match self.program {
            Program::Queue | Program::Analytics => 400,
            Program::Mailer => 1_000,
            Program::Blog => 500,
        }
    }

    fn command(&self, storm: &Storm, fault: &Fault, rng: &mut Rng) -> Command {
        let is_last = fault.stop == Stop::None;
        let (name, options) = match (self.program, is_last) {
            (Program::Queue, false) => ("queue", "--emails=40 --takes=15 --stop-timeout=400"),
            (Program::Queue, true) => ("queue", "--emails=1 --takes=0"),
            (Program::Mailer, false) => ("mailer", "--failures=30 --stop-timeout=500"),
            (Program::Mailer, true) => ("mailer", "--failures=10"),
            (Program::Analytics, false) => (
                "analytics",
                "--events=400 --max-items=20 --bad-in=40 --full-in=3 --stop-timeout=400",
            ),
            (Program::Analytics, true) => ("analytics", "--events=1 --full-in=0"),
            (Program::Blog, false) => ("blog", "--visitors=2 --stop-timeout=800"),
            (Program::Blog, true) => ("blog", "--visitors=0 --run-for=1000"),
        };
        let mut command = example(name, &self.folder);
        command.args(options.split(' '));
        match self.program {
            Program::Queue => command.args(["--spool=disk/spool", "--inbox=inbox"]),
            Program::Mailer => command.args([
                format!("--mails={}", mails::MAILS),
                "--attempts=1000000".to_owned(),
                format!("--seed={}", rng.u32(..)),
            ]),
            Program::Analytics => {
                command.args(["--folder=disk", ["--pause=0", "--pause=1"][rng.usize(..2)]])
            }
            Program::Blog => command.arg(&storm.posts).args([
                "--state=disk".to_owned(),
                format!("--sink={}", self.sink.address),
            ]),
        };
        command
    }

    fn handed_over(&self) -> HashMap<String, usize> {
        match self.program {
            Program::Queue => in_inbox(&self.folder.path().join("inbox")),
            Program::Mailer => HashMap::new(),
            Program::Analytics => in_files(&self.disk.folder),
            Program::Blog => self.sink.taken(),
        }
    }

    fn link(&mut self, storm: &Storm, fault: &Fault, rng: &mut Rng, tally: &mut Tally) {
        let (before, had) = (self.program.kept(&self.disk.folder), self.handed_over());
        let mut command = self.command(storm, fault, rng);
        let output = fault.happen(&mut command, &mut self.disk, rng);
        self.disk.mend();
        if self.program == Program::Mailer {
            mails::check(fault, &output, tally);
            return;
        }
        let after = Account {
            kept: self.program.kept(&self.disk.folder),
            has: self.handed_over(),
            told: Told::by(self.program, &output),
            before,
            had,
        };
        let about = || {
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            format!("{fault:?} {:?}\n{stdout}{stderr}", output.status)
        };
        after.check_code(self.program, fault, &output, &about);
        after.check_lost(fault, &about);
        self.check_twice(&after, fault, &about, tally);
        after.tally(tally);
    }

    /// What was handed over is not kept as well, but where that was announced.
    fn check_twice(
        &mut self,
        account: &Account,
        fault: &Fault,
        about: &dyn Fn() -> String,
        tally: &mut Tally,
    ) {
        for (id, count) in &account.has {
            let allowed = self.allowed.get(id).copied().unwrap_or(1);
            assert!(*count <= allowed, "{id}, {count} times: {}", about());
            let before = account.had.get(id).copied().unwrap_or(0);
            tally.count(Count::Again, (*count - before).min(*count - 1));
        }
        for (file, kept) in &account.kept {
            for id in kept {
                let count = account.has.get(id).copied().unwrap_or(0);
                let allowed = self.allowed.entry(id.clone()).or_insert(1);
                if count < *allowed {
                    continue;
                }
                let is_as_before = fault.stop == Stop::Kill || account.told.unsaved.contains(file);
                let was_there = account.before[file].contains(id);
                let is_announced = account.told.unknown.contains(id);
                assert!(
                    is_as_before && was_there || is_announced,
                    "{id} is handed over, and kept: {}",
                    about()
                );
                *allowed = count + 1;
            }
        }
    }
}

/// Where everything is after a start, and where it was before.
struct Account {
    before: Kept,
    had: HashMap<String, usize>,
    kept: Kept,
    has: HashMap<String, usize>,
    told: Told,
}

fn all(kept: &Kept) -> impl Iterator<Item = &String> {
    kept.values().flatten()
}

impl Account {
    fn check_code(
        &self,
        program: Program,
        fault: &Fault,
        output: &Output,
        about: &dyn Fn() -> String,
    ) {
        let (code, told) = (output.status.code(), &self.told);
        let is_empty = all(&self.kept).next().is_none();
        let is_right = match code {
            // Killed, or stopped before it could take signals.
            None => fault.stop == Stop::Kill || !told.has_ended && self.kept == self.before,
            Some(0) => is_empty && told.unsent == 0 && told.unsaved.is_empty(),
            // The blog's services have other work, too.
            Some(75) => {
                let is_left = told.unsent > 0 || program == Program::Blog;
                told.has_ended && told.unsaved.is_empty() && is_left
            }
            Some(1) => fault.trouble != Trouble::None,
            Some(_) => false,
        };
        assert!(is_right, "{}", about());
        if fault.stop == Stop::None && program != Program::Blog {
            assert_eq!(code, Some(0), "{}", about());
        }
    }

    /// Everything that there was, or was made, is somewhere.
    fn check_lost(&self, fault: &Fault, about: &dyn Fn() -> String) {
        let told = &self.told;
        let is_somewhere = |id: &String| {
            let is_kept = self.kept.values().any(|kept| kept.contains(id));
            is_kept || self.has.contains_key(id) || told.named.contains(id)
        };
        for id in all(&self.before) {
            assert!(is_somewhere(id), "{id} is lost: {}", about());
        }
        if fault.stop == Stop::Kill {
            return;
        }
        if !told.has_ended {
            assert_eq!(self.kept, self.before, "{}", about());
        }
        for file in &told.unsaved {
            assert_eq!(self.kept[file], self.before[file], "{}", about());
        }
        let is_new = |id: &&String| {
            let was_there = self.before.values().any(|before| before.contains(*id));
            !was_there && !self.had.contains_key(*id)
        };
        let places = all(&self.kept).chain(self.has.keys()).chain(&told.named);
        let made: Ids = places.filter(is_new).cloned().collect();
        assert_eq!(made.len(), told.made, "made, and lost: {}", about());
        let kept = all(&self.kept).count();
        if told.unsaved.is_empty() && told.unknown.is_empty() && told.has_ended {
            assert_eq!(kept, told.unsent, "{}", about());
        }
    }

    fn tally(&self, tally: &mut Tally) {
        let total = |counts: &HashMap<String, usize>| counts.values().sum::<usize>();
        tally.count(Count::Made, self.told.made);
        tally.count(Count::HandedOver, total(&self.has) - total(&self.had));
        tally.count(Count::Kept, all(&self.kept).count());
        tally.count(Count::Unknown, self.told.unknown.len());
        if !self.told.unsaved.is_empty() {
            tally.count(Count::Named, self.told.named.len());
        }
    }
}
