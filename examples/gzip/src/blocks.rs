//! Cuts the input into blocks, and makes a member of each.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Read, Write};

/// The input in blocks, all of the same size but the last. An empty input is one
/// empty block, because a gzip file has at least one member.
pub(crate) struct Blocks<R> {
    input: R,
    size: usize,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Fresh,
    Read,
    Ended,
}

impl<R: Read> Blocks<R> {
    pub(crate) fn new(input: R, size: usize) -> Blocks<R> {
        Blocks {
            input,
            size,
            state: State::Fresh,
        }
    }
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        if self.state == State::Ended {
            return None;
        }
        let mut block = Vec::with_capacity(self.size);
        let mut input = self.input.by_ref().take(self.size as u64);
        let read = input.read_to_end(&mut block);
        let is_wanted = read.is_err() || !block.is_empty() || self.state == State::Fresh;
        self.state = match read {
            Ok(length) if length == self.size => State::Read,
            _ => State::Ended,
        };
        is_wanted.then(|| read.map(|_| block))
    }
}

/// What the pool makes of a block.
pub(crate) struct Member {
    pub(crate) bytes: Vec<u8>,
    /// How long it is when it is decompressed.
    pub(crate) length: usize,
}

impl Member {
    /// This is the task. It does not look whether it is to end, since a block
    /// takes some milliseconds.
    pub(crate) fn new(block: &[u8], level: u32) -> io::Result<Member> {
        let bytes = Vec::with_capacity(block.len() / 2);
        let mut encoder = GzEncoder::new(bytes, Compression::new(level));
        encoder.write_all(block)?;
        Ok(Member {
            bytes: encoder.finish()?,
            length: block.len(),
        })
    }
}
