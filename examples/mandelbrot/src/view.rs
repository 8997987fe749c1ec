//! What is drawn: points of the plane, and their colours.

use groundcrew::CancelToken;
use groundcrew::cancel::Cancelled;
use std::fmt;
use std::str::FromStr;

/// How large the picture is, in pixels.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Size {
    const MOST: u32 = 32_768;

    pub(crate) fn pixels(self) -> f64 {
        f64::from(self.width) * f64::from(self.height)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let side = |text: &str| {
            let side = text.parse().ok();
            side.filter(|side| (1..=Size::MOST).contains(side))
        };
        let (width, height) = text.split_once('x').unwrap_or_default();
        match (side(width), side(height)) {
            (Some(width), Some(height)) => Ok(Size { width, height }),
            _ => Err(format!(
                "write it like 1200x800, each from 1 to {}",
                Size::MOST
            )),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Which part of the plane is seen: the whole set, in the middle.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) size: Size,
    steps: u32,
    /// The side of a pixel, in the plane.
    scale: f64,
}

const MIDDLE: (f64, f64) = (-0.75, 0.0);
const WIDTH: f64 = 3.3;
const HEIGHT: f64 = 2.5;

impl View {
    pub(crate) fn new(size: Size, steps: u32) -> View {
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        View {
            size,
            steps,
            scale: (WIDTH / width).max(HEIGHT / height),
        }
    }

    /// The colours of one row, as numbers of the palette. This is the task: it
    /// looks after every pixel whether it is to end.
    pub(crate) fn row(&self, y: u32, token: &CancelToken) -> Result<Vec<u8>, Cancelled> {
        let from_middle =
            |at: u32, side: u32| (f64::from(at) + 0.5 - f64::from(side) / 2.0) * self.scale;
        let im = MIDDLE.1 - from_middle(y, self.size.height);
        let mut row = Vec::with_capacity(self.size.width as usize);
        for x in 0..self.size.width {
            token.check()?;
            let re = MIDDLE.0 + from_middle(x, self.size.width);
            row.push(color(escape(re, im, self.steps)));
        }
        Ok(row)
    }

    /// What stands for a row that was not finished.
    pub(crate) fn plain_row(&self) -> Vec<u8> {
        vec![UNFINISHED; self.size.width as usize]
    }
}

/// After how many steps, and fractions of one, the point is far away; `None` if
/// it never is.
fn escape(re: f64, im: f64, steps: u32) -> Option<f64> {
    const FAR: f64 = 256.0;
    let (mut x, mut y) = (0.0_f64, 0.0_f64);
    for step in 0..steps {
        let (xx, yy) = (x * x, y * y);
        if xx + yy > FAR {
            return Some(f64::from(step) - (xx + yy).log2().log2());
        }
        (x, y) = (xx - yy + re, 2.0 * x * y + im);
    }
    None
}

/// Points of the set, which are black.
const INSIDE: u8 = 0;
/// The others have the colours 1 to 254, round and round.
const OUTSIDE: u8 = 254;
/// Points of a row that was not finished, which are grey.
const UNFINISHED: u8 = 255;

fn color(escape: Option<f64>) -> u8 {
    let Some(steps) = escape else { return INSIDE };
    let round = (steps.max(0.0) + 1.0).ln() * 0.4 + 0.15;
    1 + (round.fract() * f64::from(OUTSIDE)) as u8
}

/// Red, green and blue of each colour.
pub(crate) fn palette() -> Vec<u8> {
    let wave = |at: u8, shift: f64| {
        let angle = (f64::from(at) / f64::from(OUTSIDE) - shift) * std::f64::consts::TAU;
        (127.5 - 127.5 * angle.cos()) as u8
    };
    let colors = (0..=255).flat_map(|color| match color {
        INSIDE => [0, 0, 0],
        UNFINISHED => [128, 128, 128],
        _ => [wave(color, 0.2), wave(color, 0.1), wave(color, 0.0)],
    });
    colors.collect()
}
