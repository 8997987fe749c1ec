//! Makes the thumbnails twice, and writes none.

use crate::{Result, progress_bar, say, thumbnail};
use groundcrew::Pool;
use os_display::Quotable;
use std::path::PathBuf;
use std::time::Instant;

/// Returns whether the pool and one thread make the same of every picture; what
/// is wrong was said.
pub(crate) fn all(pool: &Pool, paths: &[PathBuf], size: u32) -> Result<bool> {
    let token = pool.stop_handle().token();
    let bar = progress_bar(2 * paths.len() as u64, "thumbnails, each twice");
    let make = |path: &PathBuf| {
        let made = thumbnail::of(path, size, &token).map_err(|error| error.to_string());
        bar.inc(1);
        made
    };
    // The pool goes first: if files come from the disk, it is it who waits.
    let started = Instant::now();
    let by_pool = pool.map(paths, make);
    let together = started.elapsed();
    let by_pool = by_pool.map_err(|_stopped| "nothing was compared")?;
    let started = Instant::now();
    let by_one: Vec<_> = paths.iter().map(make).collect();
    let alone = started.elapsed();
    bar.finish_and_clear();
    token.check().map_err(|_stopped| "nothing was compared")?;

    let mut good = true;
    for ((path, by_pool), by_one) in paths.iter().zip(by_pool).zip(by_one) {
        if by_pool != by_one {
            say(format!(
                "{}: not the same by one thread",
                path.maybe_quote()
            ));
            good = false;
        } else if let Err(error) = by_one {
            say(format!("{}: {error}", path.maybe_quote()));
            good = false;
        }
    }
    if good {
        let (together, alone) = (together.as_secs_f64(), alone.as_secs_f64());
        let times = alone / together;
        say(format!(
            "{} in {together:.2} s; the same by one thread in {alone:.2} s: {times:.2} times as fast",
            paths.len()
        ));
    }
    Ok(good)
}
