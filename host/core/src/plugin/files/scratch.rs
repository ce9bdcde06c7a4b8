//! Folders for temporary files, which are removed even if their process is killed.
//!
//! Each folder is locked for as long as its process lives. When the next wshost of the same user makes one, it removes
//! the folders that nobody holds any more.

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;
use tempfile::TempDir;

/// The start of these folders' names.
const PREFIX: &str = "wshost-scratch-";
/// Younger folders are left alone, since a folder exists for a moment before it is locked.
const YOUNG: Duration = Duration::from_secs(60);

/// A folder of this process's own in the system's temporary folder. It is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes a folder. The first call in a process first removes the folders that killed processes have left.
    ///
    /// # Errors
    ///
    /// The system cannot make or lock a folder.
    pub fn new() -> io::Result<Scratch> {
        static LOOKED: Once = Once::new();
        LOOKED.call_once(|| remove_abandoned(&env::temp_dir()));
        Scratch::within(&env::temp_dir())
    }

    fn within(temporary: &Path) -> io::Result<Scratch> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(temporary)?;
        let lock = File::open(folder.path())?;
        // If the file system has no locks, nobody else can lock the folder either, and it stays after a kill.
        let _ = flock(&lock, FlockOperation::NonBlockingLockExclusive);
        Ok(Scratch { folder, _lock: lock })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders that this user's processes have left there. A folder that cannot be examined or removed stays.
fn remove_abandoned(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&path) {
            match fs::remove_dir_all(&path) {
                Ok(()) => tracing::debug!("removed {}, left by a wshost that was killed", path.display()),
                Err(error) => {
                    tracing::warn!("cannot remove {}, left by a wshost that was killed: {error}", path.display())
                }
            }
        }
    }
}

fn is_abandoned(folder: &Path) -> bool {
    let Ok(metadata) = folder.symlink_metadata() else { return false };
    // Somebody else could have put a link there.
    let own = metadata.is_dir() && metadata.uid() == geteuid().as_raw();
    let old = metadata.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= YOUNG));
    own && old && File::open(folder).is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn age(folder: &Path) {
        File::open(folder).unwrap().set_modified(SystemTime::now() - 2 * YOUNG).unwrap();
    }

    /// A folder as a killed process leaves it.
    fn abandoned(temporary: &Path) -> std::path::PathBuf {
        let Scratch { folder, _lock } = Scratch::within(temporary).unwrap();
        fs::write(folder.path().join("file"), "content").unwrap();
        folder.keep()
    }

    #[test]
    fn what_a_killed_process_has_left_is_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = abandoned(temporary.path());
        age(&folder);
        remove_abandoned(temporary.path());
        assert!(!folder.exists());
    }

    #[test]
    fn what_is_in_use_or_young_or_of_others_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let young = abandoned(temporary.path());
        let used = Scratch::within(temporary.path()).unwrap();
        age(used.path());
        let foreign = temporary.path().join("wshost-0");
        fs::create_dir(&foreign).unwrap();
        age(&foreign);
        let target = tempfile::tempdir().unwrap();
        age(target.path());
        let link = temporary.path().join(format!("{PREFIX}link"));
        std::os::unix::fs::symlink(target.path(), &link).unwrap();
        remove_abandoned(temporary.path());
        assert!(young.exists() && used.path().exists() && foreign.exists() && link.exists());
    }

    #[test]
    fn goes_when_it_is_dropped() {
        let temporary = tempfile::tempdir().unwrap();
        let scratch = Scratch::within(temporary.path()).unwrap();
        fs::write(scratch.path().join("file"), "content").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }
}
