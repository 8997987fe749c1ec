//! Draws pictures to try it with.

use crate::folder;
use groundcrew::{Pool, TaskError};
use indicatif::ProgressBar;
use log::debug;
use png::{ColorType, Compression, Encoder};
use std::fs;
use std::io;
use std::path::Path;

const WIDTH: u32 = 1600;
const HEIGHT: u32 = 1200;

/// Puts so many pictures into the folder, which is made if it is not there.
/// Those that are there stay. An error of the pool's if a stop cuts it short.
pub(crate) fn pictures(
    pool: &Pool,
    into: &Path,
    count: u32,
    bar: &ProgressBar,
) -> Result<io::Result<()>, TaskError> {
    if let Err(error) = fs::create_dir_all(into) {
        return Ok(Err(error));
    }
    let drawn = pool.map(1..count.saturating_add(1), |number| {
        let path = into.join(format!("picture-{number:04}.png"));
        if !path.exists() {
            folder::write(&path, &draw(number)?)?;
            debug!("{} is drawn", path.display());
        }
        bar.inc(1);
        Ok(())
    })?;
    Ok(drawn.into_iter().collect())
}

/// Waves in three colours.
fn draw(number: u32) -> io::Result<Vec<u8>> {
    let waves = |side: u32, phase: f32| -> Vec<[f32; 3]> {
        let wave = |at: u32, color: u32| {
            let long = (7 + (number * 5 + color * 3) % 11) as f32;
            (at as f32 / side as f32 * long + color as f32 + phase).sin()
        };
        (0..side)
            .map(|at| [0, 1, 2].map(|color| wave(at, color)))
            .collect()
    };
    let across = waves(WIDTH, 0.0);
    let mut samples = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for down in waves(HEIGHT, 3.0) {
        for across in &across {
            let sample = |color: usize| 128.0 + 63.0 * (across[color] + down[color]);
            samples.extend([0, 1, 2].map(|color| sample(color) as u8));
        }
    }

    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(ColorType::Rgb);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&samples)?;
    writer.finish()?;
    Ok(bytes)
}
