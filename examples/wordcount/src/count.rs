//! What a word is.

use std::collections::HashMap;

/// How often each word comes, in parts that can be added up side by side: a word
/// is always in the same one.
#[derive(Default, PartialEq)]
pub(crate) struct Words([Part; PARTS]);

pub(crate) type Part = HashMap<String, u64>;

const PARTS: usize = 16;

impl Words {
    fn part(&mut self, word: &str) -> &mut Part {
        let bytes = word.bytes().take(4);
        let sum = bytes.fold(word.len(), |sum, byte| 31 * sum + usize::from(byte));
        &mut self.0[sum % PARTS]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let parts = self.0.iter().flatten();
        parts.map(|(word, count)| (word.as_str(), *count))
    }

    /// The first part of each, the second of each, and so on.
    pub(crate) fn by_part(tables: Vec<Words>) -> Vec<Vec<Part>> {
        let mut by_part: Vec<Vec<Part>> = (0..PARTS).map(|_| Vec::new()).collect();
        for table in tables {
            for (same, part) in by_part.iter_mut().zip(table.0) {
                same.push(part);
            }
        }
        by_part
    }

    /// Of all parts, in their order.
    pub(crate) fn of_parts(parts: Vec<Part>) -> Words {
        let mut words = Words::default();
        for (place, part) in words.0.iter_mut().zip(parts) {
            *place = part;
        }
        words
    }
}

/// Counts the words of a text: runs of letters and digits, in lower case. What
/// is no UTF-8 is read as a character that is neither.
pub(crate) fn count(text: &[u8], words: &mut Words) {
    let mut lower = String::new();
    for chunk in text.utf8_chunks() {
        for word in chunk.valid().split(|c: char| !c.is_alphanumeric()) {
            if word.is_empty() {
                continue;
            }
            lower.clear();
            if word.is_ascii() {
                lower.push_str(word);
                lower.make_ascii_lowercase();
            } else {
                lower = word.to_lowercase();
            }
            let part = words.part(&lower);
            match part.get_mut(&lower) {
                Some(count) => *count += 1,
                None => {
                    part.insert(lower.clone(), 1);
                }
            }
        }
    }
}

/// How often they come in all of them.
pub(crate) fn add_up(parts: Vec<Part>) -> Part {
    let mut parts = parts;
    parts.sort_by_key(HashMap::len);
    let mut sum = parts.pop().unwrap_or_default();
    for (word, count) in parts.into_iter().flatten() {
        *sum.entry(word).or_default() += count;
    }
    sum
}
