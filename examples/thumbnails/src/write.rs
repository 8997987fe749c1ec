//! Makes the thumbnails, and writes them.

use crate::{Result, folder, progress_bar, say, thumbnail};
use groundcrew::{CancelToken, Pool};
use log::debug;
use os_display::Quotable;
use std::path::{Path, PathBuf};
use std::time::Instant;

struct Picture {
    path: PathBuf,
    /// Not there if it was not begun, or given up.
    outcome: Option<Result<()>>,
}

/// Returns whether all are there; which are not, and why, was said.
pub(crate) fn all(pool: &Pool, paths: Vec<PathBuf>, output: &Path, size: u32) -> bool {
    let started = Instant::now();
    let token = pool.stop_handle().token();
    let bar = progress_bar(paths.len() as u64, "thumbnails");
    let unbegun = |path| Picture {
        path,
        outcome: None,
    };
    let mut pictures: Vec<Picture> = paths.into_iter().map(unbegun).collect();
    let all_begun = pool.for_each(&mut pictures, |picture| {
        let written = one(&picture.path, output, size, &token);
        if written.is_ok() || !token.is_cancelled() {
            picture.outcome = Some(written);
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
    debug!("for_each has returned {all_begun:?}");

    let mut done = 0;
    for Picture { path, outcome } in &pictures {
        match outcome {
            Some(Ok(())) => done += 1,
            Some(Err(error)) => say(format!("{}: {error}", path.maybe_quote())),
            None => {}
        }
    }
    let all = pictures.len();
    let output = output.maybe_quote();
    if done < all {
        say(format!("{done} of {all} are done, in {output}"));
        return false;
    }
    let seconds = started.elapsed().as_secs_f64();
    say(format!("{all} in {seconds:.2} s, in {output}"));
    true
}

fn one(path: &Path, output: &Path, size: u32, token: &CancelToken) -> Result<()> {
    let thumbnail = thumbnail::of(path, size, token)?;
    let name = path.file_name().unwrap_or_default();
    folder::write(&output.join(name), &thumbnail)?;
    debug!("{} is done", path.display());
    Ok(())
}
