//! On which file system a file lies.

use crate::store::StoreError;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Refuses a folder whose file system is shared over a network: its locks do not hold between
/// machines, and its memory is not shared.
pub(super) fn check(folder: &Path, file: &Path) -> Result<(), StoreError> {
    // Other systems than Linux have no such file, and are trusted.
    let Ok(mounts) = fs::read("/proc/self/mountinfo") else {
        return Ok(());
    };
    match file_system(&mounts, folder.as_os_str().as_bytes()) {
        Some(file_system) if is_network(&file_system) => Err(StoreError::NetworkFileSystem {
            path: file.to_owned(),
            file_system,
        }),
        _ => Ok(()),
    }
}

fn is_network(file_system: &str) -> bool {
    let names = [
        "9p", "afs", "ceph", "cifs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs",
    ];
    names.contains(&file_system) || file_system.starts_with("fuse")
}

/// The type of the file system of `folder`, an absolute path without links. Of several mounts on
/// the same folder the last one is seen.
fn file_system(mounts: &[u8], folder: &[u8]) -> Option<String> {
    let mut best: Option<(usize, &[u8])> = None;
    for line in mounts.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(mount_point) = fields.nth(4).map(unescaped) else {
            continue;
        };
        // A varying number of optional fields ends with a dash.
        let Some(file_system) = fields.skip_while(|field| *field != b"-").nth(1) else {
            continue;
        };
        let is_longer = best.is_none_or(|(length, _)| mount_point.len() >= length);
        if is_longer && is_below(folder, &mount_point) {
            best = Some((mount_point.len(), file_system));
        }
    }
    best.map(|(_, file_system)| String::from_utf8_lossy(file_system).into_owned())
}

fn is_below(folder: &[u8], mount_point: &[u8]) -> bool {
    match folder.strip_prefix(mount_point) {
        Some(rest) => rest.is_empty() || rest[0] == b'/' || mount_point == b"/",
        None => false,
    }
}

/// Spaces and the like are written as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match (first, digits) {
            (b'\\', Some(byte)) => {
                plain.push(byte);
                rest = &after[3..];
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = br"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /srv rw - nfs4 server:/export rw
31 30 0:27 / /srv/local\040disk rw,nosuid shared:5 master:2 - xfs /dev/vdb rw
32 22 0:28 / /home/a rw - fuse.sshfs a@b: rw
33 22 0:29 / /twice rw - ext4 /dev/vdc rw
34 33 0:30 / /twice rw - 9p share rw
";

    fn of(folder: &str) -> String {
        file_system(MOUNTS, folder.as_bytes()).unwrap()
    }

    #[test]
    fn the_innermost_mount_counts_and_of_those_in_one_place_the_last() {
        assert_eq!(of("/"), "ext4");
        assert_eq!(of("/srvr"), "ext4");
        assert_eq!(of("/srv"), "nfs4");
        assert_eq!(of("/srv/a/b"), "nfs4");
        assert_eq!(of("/srv/local disk/jobs"), "xfs");
        assert_eq!(of("/home/a/b"), "fuse.sshfs");
        assert_eq!(of("/home/ab"), "ext4");
        assert_eq!(of("/twice/x"), "9p");
        assert_eq!(file_system(b"not a mount\n\n", b"/"), None);
    }

    #[test]
    fn file_systems_of_networks_are_known_by_name() {
        for name in [
            "nfs",
            "nfs4",
            "cifs",
            "9p",
            "fuse",
            "fuse.sshfs",
            "virtiofs",
        ] {
            assert!(is_network(name), "{name}");
        }
        for name in ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs"] {
            assert!(!is_network(name), "{name}");
        }
    }
}
