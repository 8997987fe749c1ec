//! `--once`: reads and indexes everything, and says how much faster than with one worker.

use crate::index::Index;
use crate::post::Post;
use crate::program;
use groundcrew::{Pool, StopPlan, TaskError, signals};
use log::debug;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use walkdir::{DirEntry, WalkDir};

/// So many rounds; the medians count.
const ROUNDS: usize = 7;

pub(crate) fn index_once(
    folder: &Path,
    threads: usize,
    stop_timeout: Duration,
) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let entries: Vec<DirEntry> = WalkDir::new(folder).into_iter().collect::<Result<_, _>>()?;
    let is_post = |path: &PathBuf| path.extension().is_some_and(|it| it == "md") && path.is_file();
    let files = entries.into_iter().map(DirEntry::into_path);
    let files: Vec<PathBuf> = files.filter(is_post).collect();
    let mut times = [Vec::new(), Vec::new()];
    let mut sizes = Vec::new();
    for _ in 0..ROUNDS {
        for (threads, times) in [1, threads].into_iter().zip(&mut times) {
            let pool = Pool::builder().threads(threads).name("index").build()?;
            let plan = StopPlan::cancel(stop_timeout);
            let signals = signals::stop_on_signal(&pool.stop_handle(), plan)?;
            debug!("{} posts with {threads} workers", files.len());
            let began = Instant::now();
            let indexed = index(&pool, &files);
            if signals.received() {
                let text = "interrupted: nothing is indexed";
                let _ = program::finish(|| true, move || writeln!(io::stdout(), "{text}"));
                return Ok(ExitCode::from(130));
            }
            let index = indexed??;
            times.push(began.elapsed().as_secs_f64());
            sizes.push(index.size());
            let report = pool.stop(stop_timeout);
            if !report.is_clean() {
                return Err(report.to_string().into());
            }
        }
    }
    assert!(
        sizes.iter().all(|size| *size == sizes[0]),
        "each time the same"
    );
    let ratios = times[0].iter().zip(&times[1]).map(|(one, all)| one / all);
    let ratio = median(ratios.collect());
    let [one, all] = times.map(median);
    let (posts, words) = sizes[0];
    writeln!(
        io::stdout(),
        "{posts} posts, {words} different words: {one:.2} s with 1 worker, {all:.2} s with \
         {threads}, {ratio:.2} times as fast"
    )?;
    Ok(ExitCode::SUCCESS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn index(pool: &Pool, files: &[PathBuf]) -> Result<io::Result<Index>, TaskError> {
    let index = Index::new();
    let added = pool.map(files, |path| {
        index.add(Arc::new(Post::read(path)?));
        Ok(())
    })?;
    let added: io::Result<()> = added.into_iter().collect();
    Ok(added.map(|()| index))
}
