//! The command `du`.

use crate::folders::{Failure, Folder, measure, measure_alone};
use crate::{Outcome, program, progress_bar, say, say_speedup};
use clap::Args;
use groundcrew::Pool;
use groundcrew::cancel::Cancelled;
use indicatif::ProgressBar;
use os_display::Quotable;
use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Args)]
pub(crate) struct Options {
    /// The folder; links below it are not followed
    folder: PathBuf,

    /// Print only folders that are no deeper than this below the one given
    #[arg(long, value_name = "LEVELS", default_value_t = usize::MAX, hide_default_value = true)]
    depth: usize,
}

pub(crate) fn run(
    pool: &Pool,
    options: &Options,
    check: bool,
) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    let root = &options.folder;
    if let Err(error) = fs::read_dir(root) {
        let path = root.clone();
        return Err(Failure { path, error }.to_string().into());
    }
    let bar = progress_bar(None, "{spinner} {human_pos} folders, {elapsed}");
    let measured = measure(pool, root, &bar);
    bar.finish_and_clear();
    let Ok(mut folders) = measured else {
        say(format!("interrupted after {} folders", bar.position()));
        return Ok(Outcome::Interrupted);
    };
    folders.sort_unstable_by(|a, b| a.path.cmp(&b.path));

    let mut outcome = Outcome::Good;
    for failure in folders.iter().flat_map(|folder| &folder.failures) {
        say(failure);
        outcome = Outcome::Bad;
    }
    match print(&folders, options.depth) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Outcome::BrokenPipe),
        printed => printed.map_err(|error| format!("write error: {error}"))?,
    }
    if check {
        match same_alone(pool, root, folders) {
            Ok(true) => {}
            Ok(false) => outcome = Outcome::Bad,
            Err(Cancelled { .. }) => {
                say("interrupted: what is printed holds, the check has not ended");
                outcome = Outcome::Interrupted;
            }
        }
    }
    Ok(outcome)
}

/// A line for each folder, before the lines of those in it.
fn print(folders: &[Folder], depth: usize) -> io::Result<()> {
    let mut lines = Vec::new();
    for folder in folders.iter().filter(|folder| folder.depth <= depth) {
        lines.extend(format!("{}\t", folder.bytes).into_bytes());
        lines.extend(folder.path.as_os_str().as_encoded_bytes());
        lines.push(b'\n');
    }
    program::print(lines)
}

/// Whether one thread finds the same. The time is taken of a second run, since
/// the first one had to fetch everything from the disk.
fn same_alone(pool: &Pool, root: &Path, folders: Vec<Folder>) -> Result<bool, Cancelled> {
    let started = Instant::now();
    let mut expected = measure_alone(root, &pool.stop_handle().token())?;
    let alone = started.elapsed();
    let started = Instant::now();
    let mut again = measure(pool, root, &ProgressBar::hidden())?;
    let together = started.elapsed();

    expected.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    again.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    for found in [&folders, &again] {
        let differs = |(a, b): &(&Folder, &Folder)| (&a.path, a.bytes) != (&b.path, b.bytes);
        let difference = found.iter().zip(&expected).find(differs);
        if let Some((found, expected)) = difference {
            say(format!(
                "{}: {} bytes, but one thread has found {} in {}; did files change?",
                found.path.maybe_quote(),
                found.bytes,
                expected.bytes,
                expected.path.maybe_quote()
            ));
        }
        if difference.is_some() || found.len() != expected.len() {
            say("it is not what one thread finds");
            return Ok(false);
        }
    }
    say_speedup(alone, together);
    Ok(true)
}
