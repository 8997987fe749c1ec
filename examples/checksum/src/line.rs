//! How a sum is printed.

use std::path::Path;

/// `<sum>  <name>`, the name in its own bytes. If it has a character that would
/// break the line, those are escaped, and the line begins with a backslash.
pub(crate) fn line(sum: &[u8; 32], path: &Path) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    let name = path.as_os_str().as_encoded_bytes();
    let mut line = Vec::with_capacity(2 * sum.len() + name.len() + 4);
    if name.iter().any(|byte| escape(*byte).is_some()) {
        line.push(b'\\');
    }
    for byte in sum {
        line.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
    }
    line.extend(b"  ");
    for byte in name {
        match escape(*byte) {
            Some(escaped) => line.extend(escaped),
            None => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

/// As coreutils do since 9.0; before that they left a carriage return alone.
fn escape(byte: u8) -> Option<&'static [u8; 2]> {
    match byte {
        b'\\' => Some(br"\\"),
        b'\n' => Some(br"\n"),
        b'\r' => Some(br"\r"),
        _ => None,
    }
}
