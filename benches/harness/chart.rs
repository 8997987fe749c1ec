//! One bar for the median of each contender, one panel for each figure.

use super::figure::{Figure, median};
use super::report::number;
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

const WIDTH: u32 = 900;
const BAR: i32 = 22;
const LABEL: i32 = 210;
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb2);
const THEIRS: RGBColor = RGBColor(0xb8, 0xbf, 0xc6);

pub(crate) fn draw(file: &Path, figures: &[Figure]) -> Result<(), Box<dyn Error>> {
    let height: i32 = figures.iter().map(panel_height).sum();
    let root = SVGBackend::new(file, (WIDTH, height.max(1) as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut top = 0;
    for figure in figures {
        let title = format!("{} ({})", figure.title, figure.unit);
        root.draw(&Text::new(
            title,
            (12, top + 10),
            ("sans-serif", 17).into_font(),
        ))?;
        let medians: Vec<f64> = figure
            .series
            .iter()
            .map(|series| median(&series.values))
            .collect();
        let longest = medians.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        for (row, (series, value)) in figure.series.iter().zip(&medians).enumerate() {
            let y = top + 36 + BAR * row as i32;
            let end = LABEL + (f64::from(WIDTH as i32 - LABEL - 90) * value / longest) as i32;
            let color = match series.name.starts_with(figure.series[0].name) {
                true => OURS,
                false => THEIRS,
            };
            let font = ("sans-serif", 14).into_font();
            root.draw(&Text::new(series.name, (24, y + 2), font.clone()))?;
            root.draw(&Rectangle::new(
                [(LABEL, y), (end.max(LABEL + 1), y + BAR - 5)],
                color.filled(),
            ))?;
            root.draw(&Text::new(number(*value), (end + 8, y + 2), font))?;
        }
        top += panel_height(figure);
    }
    root.present()?;
    Ok(())
}

fn panel_height(figure: &Figure) -> i32 {
    50 + BAR * figure.series.len() as i32
}
