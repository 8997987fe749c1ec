//! What a word is.

use std::collections::HashMap;

/// How often each word comes.
pub(crate) type Words = HashMap<String, u64>;

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
            match words.get_mut(&lower) {
                Some(count) => *count += 1,
                None => {
                    words.insert(lower.clone(), 1);
                }
            }
        }
    }
}

/// How often they come in both texts.
pub(crate) fn add(a: Words, b: Words) -> Words {
    let (mut sum, fewer) = if a.len() < b.len() { (b, a) } else { (a, b) };
    for (word, count) in fewer {
        *sum.entry(word).or_default() += count;
    }
    sum
}
