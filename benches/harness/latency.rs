//! How long tasks wait and run, for a note below a figure: with
//! `--features histogram`.

use super::figure::Figure;
use groundcrew::Pool;

/// Runs it once more, on a pool of two workers that measures its tasks, which
/// costs them some time: so this is none of the figure's values.
#[cfg(feature = "histogram")]
pub(crate) fn note(figure: Figure, run: impl FnOnce(&Pool)) -> Figure {
    let pool = Pool::builder().threads(2).latency_histogram().build();
    let pool = pool.unwrap();
    run(&pool);
    pool.wait_idle();
    let stats = pool.stats();
    let latency = stats.latency().unwrap();
    figure.note(format!("Its tasks: {latency}."))
}

#[cfg(not(feature = "histogram"))]
pub(crate) fn note(figure: Figure, _: impl FnOnce(&Pool)) -> Figure {
    figure
}
