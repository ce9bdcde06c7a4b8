//! Tells one state of a file from another without reading the file.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The identity and state of a file. A file that was replaced or written to has another fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Fingerprint {
    /// The fingerprint of a file, after following all symbolic links. `None` if there is none that can be examined.
    pub fn of(file: &Path) -> Option<Fingerprint> {
        fs::metadata(file).ok().map(|metadata| Fingerprint::of_metadata(&metadata))
    }

    /// Whether it is of the same file or folder, changed or not.
    pub fn is_same_file(&self, other: &Fingerprint) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(super) fn of_metadata(metadata: &Metadata) -> Fingerprint {
        Fingerprint {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_or_replaced_has_another() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, other) = (folder.path().join("file"), folder.path().join("link"), folder.path().join("other"));
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let first = Fingerprint::of(&link).unwrap();
        assert_eq!(Fingerprint::of(&file), Some(first));
        fs::write(&file, "three").unwrap();
        let second = Fingerprint::of(&link).unwrap();
        assert_ne!(first, second);
        assert!(first.is_same_file(&second));
        fs::write(&other, "three").unwrap();
        fs::rename(&other, &file).unwrap();
        assert!(!Fingerprint::of(&link).unwrap().is_same_file(&second));
        fs::remove_file(&file).unwrap();
        assert_eq!(Fingerprint::of(&link), None);
    }
}
