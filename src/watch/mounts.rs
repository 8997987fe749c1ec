//! What is mounted below a folder. A mount hides what is below it and puts other folders
//! there, and the system's watcher hears nothing of it.

use std::path::Path;

/// Changes when something is mounted below the folder, or no longer is. Always the same
/// where the system has no table of what is mounted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts(Vec<Vec<u8>>);

impl Mounts {
    #[cfg(target_os = "linux")]
    pub(super) fn below(folder: &Path) -> Mounts {
        use std::fs;
        let table = fs::read("/proc/self/mountinfo");
        let (Ok(table), Ok(folder)) = (table, fs::canonicalize(folder)) else {
            return Mounts::default();
        };
        Mounts::in_table(&table, &folder)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn below(_: &Path) -> Mounts {
        Mounts::default()
    }

    /// A line for each mount: its number, that of its parent, the device, the root, where it is.
    #[cfg(target_os = "linux")]
    fn in_table(table: &[u8], folder: &Path) -> Mounts {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let is_below = |line: &&[u8]| {
            let place = line.split(|byte| *byte == b' ').nth(4);
            let place = place.map(unescaped).unwrap_or_default();
            Path::new(OsStr::from_bytes(&place)).starts_with(folder)
        };
        let lines = table.split(|byte| *byte == b'\n').filter(is_below);
        Mounts(lines.map(<[u8]>::to_vec).collect())
    }
}

/// In which spaces and the like are written as three octal digits after a backslash.
#[cfg(target_os = "linux")]
fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        text = rest;
        let digits = rest.get(..3).filter(|_| *first == b'\\');
        let value = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match value.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                text = &rest[3..];
            }
            None => plain.push(*first),
        }
    }
    plain
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
        22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
        40 22 0:40 / /srv/posts/deep rw - tmpfs tmpfs rw\n\
        41 22 0:41 / /srv/posts/with\\040space rw - tmpfs tmpfs rw\n\
        42 22 0:42 / /srv/posts-and-more rw - tmpfs tmpfs rw\n";

    #[test]
    fn only_what_is_mounted_below_the_folder_counts() {
        let below = |folder: &str| Mounts::in_table(TABLE, Path::new(folder)).0.len();
        assert_eq!(below("/"), 4);
        assert_eq!(below("/srv/posts"), 2);
        assert_eq!(below("/srv/posts/with space"), 1);
        assert_eq!(below("/home"), 0);
    }

    #[test]
    fn names_with_escapes_and_without_are_read() {
        assert_eq!(unescaped(br"a\040b\134\011"), b"a b\\\t");
        assert_eq!(unescaped(br"\9x\04"), br"\9x\04");
    }
}
