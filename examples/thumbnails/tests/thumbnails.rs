//! The example `thumbnails`, run as its users run it.
#![cfg(unix)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::examples::{example, finish, interrupt, output, start_telling, text, wait_until_told};
use png::{BitDepth, ColorType, Decoder, Encoder};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn thumbnails(folder: &TempDir) -> Command {
    example("thumbnails", folder)
}

/// What is in the folder.
fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

struct Kind {
    color: ColorType,
    depth: BitDepth,
    palette: Option<Vec<u8>>,
    transparency: Option<Vec<u8>>,
}

fn kind(color: ColorType, depth: BitDepth) -> Kind {
    Kind {
        color,
        depth,
        palette: None,
        transparency: None,
    }
}

/// Writes a PNG file with these bytes, and returns them as they are in it.
fn write(path: impl AsRef<Path>, width: u32, height: u32, kind: Kind, bytes: &[u8]) {
    let mut encoder = Encoder::new(File::create(path).unwrap(), width, height);
    encoder.set_color(kind.color);
    encoder.set_depth(kind.depth);
    if let Some(palette) = kind.palette {
        encoder.set_palette(palette);
    }
    if let Some(transparency) = kind.transparency {
        encoder.set_trns(transparency);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(bytes).unwrap();
    writer.finish().unwrap();
}

/// A picture whose colours differ from one to the next.
fn write_plain(folder: &TempDir, name: &str, width: u32, height: u32) {
    let bytes: Vec<u8> = (0..width * height).map(|at| (at * 7 % 251) as u8).collect();
    let gray = kind(ColorType::Grayscale, BitDepth::Eight);
    write(folder.path().join(name), width, height, gray, &bytes);
}

/// The width, the height, the kind of colours, and the samples.
fn read(path: impl AsRef<Path>) -> (u32, u32, ColorType, Vec<u8>) {
    let file = File::open(path).unwrap();
    let mut reader = Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut samples = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut samples).unwrap();
    reader.finish().unwrap();
    assert_eq!(frame.bit_depth, BitDepth::Eight);
    (frame.width, frame.height, frame.color_type, samples)
}

/// Pictures of 32 by 16 pixels, black on the left and white on the right.
#[test]
fn every_kind_of_png_keeps_its_colours() {
    use BitDepth::{Eight, Four, One, Sixteen, Two};
    use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};

    let folder = TempDir::new().unwrap();
    let mut expected = Vec::new();
    let mut add = |kind: Kind, expected_color: ColorType, black: &[u8], white: &[u8]| {
        let bits = kind.depth as usize * kind.color.samples();
        let half = |pixels: &[u8]| pixels.repeat(16 * bits / 8 / pixels.len());
        let row = [half(black), half(white)].concat();
        let name = format!("{:?} {:?} {}.png", kind.color, kind.depth, expected.len());
        write(folder.path().join(&name), 32, 16, kind, &row.repeat(16));
        expected.push((name, expected_color));
    };
    for depth in [One, Two, Four, Eight, Sixteen] {
        add(kind(Grayscale, depth), Grayscale, &[0], &[255]);
        let transparency = Some(vec![0, 7]); // of a gray that is not there
        let with_key = Kind {
            transparency,
            ..kind(Grayscale, depth)
        };
        if depth as u8 >= 4 {
            add(with_key, GrayscaleAlpha, &[0], &[255]);
        }
    }
    for depth in [Eight, Sixteen] {
        let opaque = depth as usize / 8;
        let pixel =
            |colors: usize, color: u8| [vec![color; colors * opaque], vec![255; opaque]].concat();
        add(kind(Rgb, depth), Rgb, &[0], &[255]);
        add(
            kind(GrayscaleAlpha, depth),
            GrayscaleAlpha,
            &pixel(1, 0),
            &pixel(1, 255),
        );
        add(kind(Rgba, depth), Rgba, &pixel(3, 0), &pixel(3, 255));
    }
    for (depth, one) in [(One, 255), (Two, 0x55), (Four, 0x11), (Eight, 1)] {
        for transparency in [None, Some(vec![255, 255])] {
            let expected = if transparency.is_some() { Rgba } else { Rgb };
            let palette = Some(vec![0, 0, 0, 255, 255, 255]);
            let indexed = Kind {
                palette,
                transparency,
                ..kind(Indexed, depth)
            };
            add(indexed, expected, &[0], &[one]);
        }
    }

    let output = output(thumbnails(&folder).args(["--size", "8", "."]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        names(folder.path().join("thumbnails")).len(),
        expected.len()
    );
    for (name, expected_color) in expected {
        let (width, height, color, samples) = read(folder.path().join("thumbnails").join(&name));
        assert_eq!((width, height, color), (8, 4, expected_color), "{name}");
        let (alphas, channels) = match color {
            GrayscaleAlpha => (1, 1),
            Rgba => (1, 3),
            color => (0, color.samples()),
        };
        let pixel = |color: u8| [vec![color; channels], vec![255; alphas]].concat();
        let row = [pixel(0).repeat(4), pixel(255).repeat(4)].concat();
        assert_eq!(samples, row.repeat(4), "{name}");
    }
}

#[test]
fn a_pixel_is_the_average_of_its_box_and_transparent_ones_count_for_nothing() {
    let folder = TempDir::new().unwrap();
    let gray = kind(ColorType::Grayscale, BitDepth::Eight);
    let bytes = [0, 100, 10, 20, 200, 100, 30, 41];
    write(folder.path().join("gray.png"), 4, 2, gray, &bytes);
    let rgba = kind(ColorType::Rgba, BitDepth::Eight);
    let bytes = [[255, 0, 0, 0], [0, 0, 255, 255], [0, 0, 0, 0], [9, 9, 9, 0]];
    write(folder.path().join("rgba.png"), 4, 1, rgba, &bytes.concat());

    let output = output(thumbnails(&folder).args(["--size", "2", "."]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let small = folder.path().join("thumbnails");
    let (width, height, _, samples) = read(small.join("gray.png"));
    assert_eq!((width, height, samples), (2, 1, vec![100, 25]));
    let (width, height, _, samples) = read(small.join("rgba.png"));
    let expected = vec![0, 0, 255, 128, 0, 0, 0, 0];
    assert_eq!((width, height, samples), (2, 1, expected));
}

#[test]
fn sides_keep_their_ratio_and_what_is_small_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let sizes = [
        ((100, 50), (10, 5)),
        ((50, 100), (5, 10)),
        ((1000, 3), (10, 1)),
        ((11, 11), (10, 10)),
        ((10, 3), (10, 3)),
        ((1, 1), (1, 1)),
    ];
    for ((width, height), _) in sizes {
        write_plain(&folder, &format!("{width}x{height}.PNG"), width, height);
    }
    let output = output(thumbnails(&folder).args(["--size=10", "--output=small/10", "."]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for ((width, height), expected) in sizes {
        let name = format!("{width}x{height}.PNG");
        let small = read(folder.path().join("small/10").join(&name));
        assert_eq!((small.0, small.1), expected);
        if (width, height) == expected {
            assert_eq!(small, read(folder.path().join(&name)));
        }
    }
}

#[test]
fn files_are_the_same_with_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    for number in 0..20 {
        write_plain(&folder, &format!("{number}.png"), 30 + number, 50);
    }
    let made_by = |threads: &str| {
        let output = output(thumbnails(&folder).args(["--size=9", "--threads", threads, "."]));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let told = text(&output.stderr);
        assert!(told.starts_with("thumbnails: 20 in "), "{told}");
        let small = folder.path().join("thumbnails");
        let bytes = |name: &String| fs::read(small.join(name)).unwrap();
        names(&small).iter().map(bytes).collect::<Vec<_>>()
    };
    let by_one = made_by("1");
    assert_eq!(by_one.len(), 20);
    for threads in ["2", "3", "32"] {
        assert!(made_by(threads) == by_one, "{threads} threads");
    }
}

#[test]
fn a_file_that_fails_is_named_in_order_and_the_others_go_on() {
    let folder = TempDir::new().unwrap();
    for name in ["good.png", "cut.png", "taken.png"] {
        write_plain(&folder, name, 40, 40);
    }
    let path = |name: &str| folder.path().join(name);
    let whole = fs::read(path("cut.png")).unwrap();
    fs::write(path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(path("a text.png"), "not a picture at all").unwrap();
    fs::write(path("text.txt"), "not meant").unwrap();
    fs::create_dir(path("folder.png")).unwrap();
    // One whose header promises a picture that takes 64 GB.
    let mut huge = whole.clone();
    huge[16..24].copy_from_slice(&[0, 4, 0, 0, 0, 4, 0, 0]);
    let sum = crc(&huge[12..29]).to_be_bytes();
    huge[29..33].copy_from_slice(&sum);
    fs::write(path("huge.png"), huge).unwrap();
    // One whose thumbnail cannot take its name.
    fs::create_dir_all(path("thumbnails/taken.png/in the way")).unwrap();

    let output = output(thumbnails(&folder).arg("."));
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    let [text, cut, huge, taken, sum] = lines[..] else {
        panic!("{told}")
    };
    assert!(text.starts_with("thumbnails: './a text.png': "), "{told}");
    assert!(cut.starts_with("thumbnails: ./cut.png: "), "{told}");
    assert_eq!(huge, "thumbnails: ./huge.png: the picture is too large");
    assert!(taken.starts_with("thumbnails: ./taken.png: "), "{told}");
    assert_eq!(sum, "thumbnails: 1 of 5 are done, in ./thumbnails");
    assert_eq!(names(path("thumbnails")), ["good.png", "taken.png"]);
}

/// The check sum of a chunk.
fn crc(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

#[test]
fn check_compares_with_one_thread_and_writes_nothing() {
    let folder = TempDir::new().unwrap();
    for number in 0..5 {
        write_plain(&folder, &format!("{number}.png"), 60, 50);
    }
    let good = output(thumbnails(&folder).args(["--check", "."]));
    let told = text(&good.stderr);
    assert_eq!(good.status.code(), Some(0), "{told}");
    assert!(told.starts_with("thumbnails: 5 in "), "{told}");
    assert!(told.ends_with(" times as fast\n"), "{told}");

    fs::write(folder.path().join("3.png"), "").unwrap();
    let bad = output(thumbnails(&folder).args(["--check", "."]));
    let told = text(&bad.stderr);
    assert_eq!(bad.status.code(), Some(1), "{told}");
    assert!(told.starts_with("thumbnails: ./3.png: "), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(!folder.path().join("thumbnails").exists());
}

#[test]
fn make_draws_pictures_and_leaves_those_that_are_there() {
    let folder = TempDir::new().unwrap();
    let pictures = folder.path().join("new/pictures");
    fs::create_dir_all(&pictures).unwrap();
    write_plain(&folder, "new/pictures/picture-0002.png", 3, 3);
    let output = output(thumbnails(&folder).args(["--make=3", "--size=16", "new/pictures"]));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let three = ["picture-0001.png", "picture-0002.png", "picture-0003.png"];
    assert_eq!(names(pictures.join("thumbnails")), three);
    assert_eq!(read(pictures.join(three[1])).0, 3);
    let (width, height, color, samples) = read(pictures.join("thumbnails").join(three[2]));
    assert_eq!((width, height, color), (16, 12, ColorType::Rgb));
    assert!(samples.iter().any(|sample| *sample != samples[0]));
}

#[test]
fn what_cannot_be_done_is_an_error_of_one_line() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    write_plain(&folder, "a.png", 3, 3);
    let no_such_file = "No such file or directory (os error 2)";
    for (args, why) in [
        (&["empty"][..], "no PNG files in 'empty': --make draws some"),
        (
            &["nowhere"],
            &format!("cannot read 'nowhere': {no_such_file}"),
        ),
        (
            &["--output", ".", "."],
            "the thumbnails would replace the pictures",
        ),
        (
            &["--output", "a.png", "."],
            "cannot make 'a.png': File exists (os error 17)",
        ),
    ] {
        let output = output(thumbnails(&folder).args(args));
        assert_eq!(text(&output.stderr), format!("thumbnails: {why}\n"));
        assert_eq!(output.status.code(), Some(1));
    }
    for wrong in [
        &[][..],
        &["--size=0", "."],
        &["--size=x", "."],
        &["--threads=0", "."],
        &["--make=0", "."],
        &["--make=10000", "."],
    ] {
        let output = output(thumbnails(&folder).args(wrong));
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(names(&folder), ["a.png", "empty"]);
}

/// The lines about the pictures do not fit into the pipe: until somebody reads
/// on, there is a picture left to do.
#[test]
fn ctrl_c_leaves_whole_thumbnails_and_says_how_many() {
    let folder = TempDir::new().unwrap();
    let name = |number: u32| format!("{number:03}{}.png", "-".repeat(200));
    write_plain(&folder, &name(0), 300, 200);
    for number in 1..999 {
        fs::hard_link(
            folder.path().join(name(0)),
            folder.path().join(name(number)),
        )
        .unwrap();
    }
    fs::write(folder.path().join("!broken.png"), "").unwrap();
    let (child, mut stderr) = start_telling(thumbnails(&folder).args(["--threads=2", "."]));
    wait_until_told(&mut stderr, vec!["/005-"]);
    interrupt(&child);

    let mut told = String::new();
    stderr.read_to_string(&mut told).unwrap();
    assert_eq!(finish(child).status.code(), Some(130), "{told}");
    let small = folder.path().join("thumbnails");
    let made = names(&small);
    assert!((5..999).contains(&made.len()), "{}", made.len());
    for name in &made {
        let (width, height, ..) = read(small.join(name));
        assert_eq!((width, height), (256, 170), "{name}");
    }
    assert!(told.contains("\nthumbnails: ./!broken.png: "), "{told}");
    let count = made.len();
    let sum = format!("\nthumbnails: {count} of 1000 are done, in ./thumbnails\n");
    assert!(told.contains(&sum), "{told}");
    assert!(told.contains("\nstop: "), "{told}");
}
