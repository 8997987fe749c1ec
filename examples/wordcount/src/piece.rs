//! Files in pieces that can be counted apart.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A part of a file. Its range is approximate, since it is cut where no word is.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) path: Arc<Path>,
    /// It begins at the first separator from the start of this range on, and
    /// ends at the first one from the end on. Both ends of the file are taken
    /// as they are.
    range: Range<u64>,
    file_length: u64,
}

/// So large are all the pieces of a file but the last.
pub(crate) const PIECE: u64 = 1 << 20;

/// So far a separator is looked for; if there is none, the cut is here.
const FARTHEST: u64 = 64 << 10;

/// ASCII characters that are in no word. Their bytes are not part of any other
/// character, nor do they change how the bytes before and behind are read: so a
/// text may be cut here, whatever it consists of.
fn is_separator(byte: &u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_alphanumeric()
}

impl Piece {
    /// The pieces of a file that is so long.
    pub(crate) fn all(path: PathBuf, file_length: u64) -> impl Iterator<Item = Piece> {
        let path: Arc<Path> = path.into();
        let count = file_length.div_ceil(PIECE).max(1);
        (0..count).map(move |number| Piece {
            path: path.clone(),
            range: number * PIECE..((number + 1) * PIECE).min(file_length),
            file_length,
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// What is in the piece, in a buffer that is used again.
    pub(crate) fn read<'a>(&self, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let Range { start, end } = self.range;
        let read_to = (end + FARTHEST).min(self.file_length);
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(start))?;
        buffer.clear();
        file.take(read_to - start).read_to_end(buffer)?;

        let is_last = end == self.file_length;
        let first = if start == 0 { 0 } else { cut(buffer, 0) };
        let last = match is_last {
            true => buffer.len(),
            false => cut(buffer, (end - start) as usize),
        };
        Ok(&buffer[first.min(last)..last])
    }
}

/// Where a text is cut that was to be cut there.
fn cut(text: &[u8], there: usize) -> usize {
    let there = there.min(text.len()); // a file may have become shorter
    let farthest = text.len().min(there + FARTHEST as usize);
    let found = text[there..farthest].iter().position(is_separator);
    found.map_or(farthest, |found| there + found)
}
