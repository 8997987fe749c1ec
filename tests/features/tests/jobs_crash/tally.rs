//! What has happened.

use crate::records;
use std::fmt;
use std::path::Path;

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) kills: u32,
    /// Of these, players that had begun to open the store and had not done so.
    pub(crate) kills_opening: u32,
    /// How often all players were killed at once.
    pub(crate) kills_of_all: u32,
    /// Players that a job has killed.
    pub(crate) ends: u32,
    pub(crate) stops: u32,
    pub(crate) freezes: u32,
    /// Freezes for longer than others wait for a beat.
    pub(crate) silences: u32,
    /// Leases that the parent has taken over.
    pub(crate) taken_over: u32,
    pub(crate) full: u32,
    pub(crate) locked: u32,
    /// Players with system calls that fail.
    pub(crate) failing: u32,
    /// Players that `strace` has killed at a write.
    pub(crate) killed_writing: u32,
    /// Players with another clock.
    pub(crate) clocks: u32,
    /// What cannot be done here, and why.
    pub(crate) skipped: Vec<&'static str>,
}

const NO_DISK: &str = "no file system can be mounted, so no disk is full";
const NO_STRACE: &str = "there is no strace, so no system call fails, and none is the last";
const NO_FAKETIME: &str = "there is no faketime, so all clocks agree";

impl Tally {
    /// With what cannot be done here.
    pub(crate) fn new(has_disk: bool, has_strace: bool, has_faketime: bool) -> Tally {
        let wanted = [
            (has_disk, NO_DISK),
            (has_strace, NO_STRACE),
            (has_faketime, NO_FAKETIME),
        ];
        let missing = wanted.into_iter().filter(|(is_there, _)| !is_there);
        let skipped: Vec<&str> = missing.map(|(_, what)| what).collect();
        for what in &skipped {
            println!("SKIPPED: {what}");
        }
        Tally {
            skipped,
            ..Tally::default()
        }
    }

    /// Fails if nothing was done of a kind that can be done here. `is_long`: chance had enough tries
    /// at what it decides.
    pub(crate) fn expect_all_kinds(&self, folder: &Path, is_long: bool) {
        let has = |what| !self.skipped.contains(&what);
        let (disk, strace, faketime) = (has(NO_DISK), has(NO_STRACE), has(NO_FAKETIME));
        let errors = records::errors(folder);
        let error = |kinds: &[&str]| kinds.iter().filter_map(|kind| errors.get(*kind)).sum();
        let kinds: [(&str, bool, u32); 15] = [
            ("kills", true, self.kills),
            ("kills of all", true, self.kills_of_all),
            ("stops", true, self.stops),
            ("freezes", true, self.freezes),
            ("takeovers of what is frozen", true, self.taken_over),
            ("locked database", true, self.locked),
            ("full disk", disk, self.full),
            ("failing calls", strace, self.failing),
            ("clocks", faketime, self.clocks),
            (
                "kills while the store is opened",
                is_long,
                self.kills_opening,
            ),
            ("ends by a job", is_long, self.ends),
            ("kills at a write", is_long && strace, self.killed_writing),
            ("`Busy`", is_long, error(&["Busy"])),
            ("`Full`", is_long && disk, error(&["Full"])),
            (
                "`OutcomeUnknown` or `Unavailable`",
                is_long && strace,
                error(&["OutcomeUnknown", "Unavailable"]),
            ),
        ];
        println!("{self}; errors of the store: {errors:?}");
        for (what, is_expected, count) in kinds {
            assert!(!is_expected || count > 0, "there were no {what}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = [
            ("kills", self.kills),
            ("of these while the store was opened", self.kills_opening),
            ("times all were killed", self.kills_of_all),
            ("ends by a job", self.ends),
            ("stops", self.stops),
            ("freezes", self.freezes),
            ("of these for 35 s", self.silences),
            ("leases taken over", self.taken_over),
            ("times a full disk", self.full),
            ("times locked", self.locked),
            ("players with failing calls", self.failing),
            ("players killed at a write", self.killed_writing),
            ("players with another clock", self.clocks),
        ];
        let done: Vec<String> = done
            .into_iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        f.write_str(&done.join(", "))
    }
}
