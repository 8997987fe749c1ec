//! What the pool counts at a time, found as it is wanted.

use crate::count::{Words, count};
use crate::piece::{PIECE, Piece};
use crate::total::{Counted, Failure};
use std::io;
use std::path::PathBuf;
use std::vec;
use walkdir::{DirEntry, WalkDir};

/// Pieces of one file or of many, as large together as one large piece.
#[derive(Debug, Default)]
pub(crate) struct Portion {
    pieces: Vec<Piece>,
    /// What the walk could not look into meanwhile.
    failures: Vec<Failure>,
}

/// A file costs about as much as this number of bytes, even if it has none.
const FILE: u64 = 2 << 10;

impl Portion {
    /// This is the task. It does not look whether it is to end, since a portion
    /// takes some milliseconds.
    pub(crate) fn count(self, words: &mut Words) -> Counted {
        let mut counted = Counted {
            bytes: 0,
            failures: self.failures,
        };
        let mut buffer = Vec::new();
        for piece in self.pieces {
            match piece.read(&mut buffer) {
                Ok(text) => {
                    count(text, words);
                    counted.bytes += piece.len();
                }
                Err(error) => {
                    let path = piece.path.to_path_buf();
                    counted.failures.push(Failure::new(path, &error));
                }
            }
        }
        counted
    }
}

/// The portions of all the regular files at and below the paths given.
pub(crate) struct Portions {
    paths: vec::IntoIter<PathBuf>,
    /// The path where the walk is.
    walk: Option<walkdir::IntoIter>,
    /// The file where the walk is.
    pieces: Box<dyn Iterator<Item = Piece> + Send>,
}

impl Portions {
    pub(crate) fn new(paths: Vec<PathBuf>) -> Portions {
        Portions {
            paths: paths.into_iter(),
            walk: None,
            pieces: Box::new([].into_iter()),
        }
    }

    /// The next piece, of this file or of the next one.
    fn next_piece(&mut self) -> Option<Result<Piece, Failure>> {
        loop {
            if let Some(piece) = self.pieces.next() {
                return Some(Ok(piece));
            }
            let Some(walk) = &mut self.walk else {
                self.walk = Some(WalkDir::new(self.paths.next()?).into_iter());
                continue;
            };
            match walk.next().map(file_length) {
                None => self.walk = None,
                Some(Ok(None)) => {}
                Some(Ok(Some((path, length)))) => self.pieces = Box::new(Piece::all(path, length)),
                Some(Err(failure)) => return Some(Err(failure)),
            }
        }
    }
}

/// The length of what was found, if it is a file.
fn file_length(found: Result<DirEntry, walkdir::Error>) -> Result<Option<(PathBuf, u64)>, Failure> {
    let entry = found.map_err(|error| {
        let path = error.path().map(PathBuf::from).unwrap_or_default();
        Failure::new(path, &without_path(error))
    })?;
    let kind = entry.file_type();
    if kind.is_file() {
        return match entry.metadata() {
            Ok(metadata) => Ok(Some((entry.into_path(), metadata.len()))),
            Err(error) => Err(Failure::new(entry.into_path(), &without_path(error))),
        };
    }
    if entry.depth() == 0 && !kind.is_dir() {
        let error = io::Error::other("not a regular file"); // it might never end
        return Err(Failure::new(entry.into_path(), &error));
    }
    Ok(None)
}

/// Only what the system says: the path is told once.
fn without_path(error: walkdir::Error) -> io::Error {
    let looped = io::Error::other("a link to a folder above it");
    error.into_io_error().unwrap_or(looped)
}

impl Iterator for Portions {
    type Item = Portion;

    fn next(&mut self) -> Option<Portion> {
        let mut portion = Portion::default();
        let mut size = 0;
        while size < PIECE {
            match self.next_piece() {
                Some(Ok(piece)) => {
                    size += FILE + piece.len();
                    portion.pieces.push(piece);
                }
                Some(Err(failure)) => {
                    size += FILE;
                    portion.failures.push(failure);
                }
                None if size == 0 => return None,
                None => break,
            }
        }
        Some(portion)
    }
}
