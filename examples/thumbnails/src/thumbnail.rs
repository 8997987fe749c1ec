//! Makes one picture small: the task.

use groundcrew::CancelToken;
use png::{BitDepth, ColorType, Decoder, Encoder, Transformations};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The PNG file at `path`, as another one, of at most `size` pixels each way. An
/// error when the token is cancelled meanwhile.
pub(crate) fn of(
    path: &Path,
    size: u32,
    token: &CancelToken,
) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let file = File::open(path)?;
    let picture = decode(BufReader::new(Heeding { file, token }))?;
    Ok(encode(&shrink(&picture, size))?)
}

struct Picture {
    width: usize,
    height: usize,
    color: ColorType,
    /// Row by row, one byte for each sample.
    samples: Vec<u8>,
}

/// A picture takes no more memory than this: a small file can be a huge one.
const MOST_BYTES: usize = 512 << 20;

/// Decodes any kind of PNG; of an animated one, its first picture.
fn decode(file: BufReader<Heeding<'_>>) -> Result<Picture, Box<dyn Error + Send + Sync>> {
    let mut decoder = Decoder::new(file);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info()?;
    let bytes = reader.output_buffer_size();
    let bytes = bytes.filter(|bytes| *bytes <= MOST_BYTES);
    let mut samples = vec![0; bytes.ok_or("the picture is too large")?];
    let frame = reader.next_frame(&mut samples)?;
    samples.truncate(frame.buffer_size());
    Ok(Picture {
        width: frame.width as usize,
        height: frame.height as usize,
        color: frame.color_type,
        samples,
    })
}

/// Each pixel of the result is the average of a box of pixels; one that is
/// transparent counts for as little as it is seen. One that is small enough
/// stays as it is.
fn shrink(picture: &Picture, size: u32) -> Picture {
    let (width, height) = (picture.width, picture.height);
    let longer = width.max(height);
    let shorten = |side: usize| (side * longer.min(size as usize) / longer).max(1);
    let (small_width, small_height) = (shorten(width), shorten(height));

    let channels = picture.color.samples();
    let has_alpha = matches!(picture.color, ColorType::GrayscaleAlpha | ColorType::Rgba);
    let mut samples = Vec::with_capacity(small_width * small_height * channels);
    let rows: Vec<&[u8]> = picture.samples.chunks_exact(width * channels).collect();
    for y in 0..small_height {
        let rows = &rows[y * height / small_height..(y + 1) * height / small_height];
        for x in 0..small_width {
            let columns = x * width / small_width..(x + 1) * width / small_width;
            let columns = columns.start * channels..columns.end * channels;
            let pixels = (rows.iter()).flat_map(|row| row[columns.clone()].chunks_exact(channels));
            let average = match has_alpha {
                true => Average::of(
                    pixels
                        .map(|pixel| pixel.split_at(channels - 1))
                        .map(|(colors, alpha)| (colors, u64::from(alpha[0]))),
                ),
                false => Average::of(pixels.map(|colors| (colors, OPAQUE))),
            };
            samples.extend(&average.colors[..channels - usize::from(has_alpha)]);
            samples.extend(has_alpha.then_some(average.alpha));
        }
    }
    Picture {
        width: small_width,
        height: small_height,
        color: picture.color,
        samples,
    }
}

const OPAQUE: u64 = 255;

struct Average {
    /// As many as the pixels have.
    colors: [u8; 3],
    alpha: u8,
}

impl Average {
    /// Of pixels with their alphas.
    fn of<'p>(pixels: impl Iterator<Item = (&'p [u8], u64)>) -> Average {
        let (mut count, mut alphas, mut sums) = (0, 0, [0_u64; 3]);
        for (colors, alpha) in pixels {
            count += 1;
            alphas += alpha;
            for (sum, color) in sums.iter_mut().zip(colors) {
                *sum += alpha * u64::from(*color);
            }
        }
        let rounded = |sum: u64, of: u64| ((sum + of / 2) / of.max(1)) as u8;
        Average {
            colors: sums.map(|sum| rounded(sum, alphas)),
            alpha: rounded(alphas, count),
        }
    }
}

fn encode(picture: &Picture) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(picture.color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.samples)?;
    writer.finish()?;
    Ok(bytes)
}

/// A file that cannot be read any more when the token is cancelled. The decoder
/// knows nothing of tokens, but reads on every few kilobytes.
struct Heeding<'a> {
    file: File,
    token: &'a CancelToken,
}

impl Read for Heeding<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.token.check().map_err(io::Error::other)?;
        self.file.read(bytes)
    }
}

impl Seek for Heeding<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
