//! A plugin's private copy. It is the copy that is opened, so no change to the file reaches it.

use super::beside::Beside;
use super::build::Build;
use super::error::LoadError;
use super::image::Image;
use super::scratch::Scratch;
use crate::plugin::Fingerprint;
use crate::plugin::Plugin;
use plugin_api::abi::FileManifest;
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A copy of a plugin's file under a name that no load has had, ready to be opened. Dropping this removes the copy.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    fingerprint: Fingerprint,
    manifest: Option<FileManifest>,
    build: Option<Build>,
    thread_storage: Option<u64>,
    beside: Beside,
    copy: PathBuf,
    folder: Scratch,
}

impl Staged {
    pub(super) fn of(image: &Image) -> Result<Staged, LoadError> {
        let beside = Beside::of(image.path(), image.content());
        let (folder, copy) = copy(image, &beside).map_err(|error| not_staged(image.path(), error))?;
        Ok(Staged {
            path: image.path().to_owned(),
            fingerprint: image.fingerprint(),
            manifest: image.manifest().cloned(),
            build: image.build().cloned(),
            thread_storage: image.thread_storage(),
            beside,
            copy,
            folder,
        })
    }

    /// The file that it is a copy of.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The copy.
    pub fn copy(&self) -> &Path {
        &self.copy
    }

    /// Opens the copy and checks that it is an engine of this host's revision.
    ///
    /// # Errors
    ///
    /// The plugin is refused. None of the engine's code has run then, except for the library's initialisers.
    pub fn open(self) -> Result<Plugin, LoadError> {
        let Staged { path, fingerprint, manifest, build, thread_storage, beside, copy, folder } = self;
        let claim = beside.claim(&path, copy.parent().unwrap_or(Path::new("")))?;
        let opened = Plugin::of_copy(path, fingerprint, manifest.as_ref(), build, thread_storage, copy, Some(folder));
        if let Some(claim) = claim {
            claim.note_loaded();
        }
        opened
    }
}

/// The error that no copy could be made.
pub(super) fn not_staged(path: &Path, error: io::Error) -> LoadError {
    LoadError::NotStaged { path: path.to_owned(), folder: env::temp_dir(), error }
}

fn copy(image: &Image, beside: &Beside) -> io::Result<(Scratch, PathBuf)> {
    static GENERATION: AtomicU64 = AtomicU64::new(1);
    let mut hasher = DefaultHasher::new();
    image.content().hash(&mut hasher);
    let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
    let file_name = image.path().file_name().unwrap_or_default().to_string_lossy();
    let folder = Scratch::new()?;
    // The loader's message does not mention it.
    if statvfs(folder.path()).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::NOEXEC)) {
        return Err(io::Error::other("it is mounted noexec"));
    }
    let copy = beside.lay_out(folder.path())?.join(format!("{generation}-{:016x}-{file_name}", hasher.finish()));
    fs::write(&copy, image.content())?;
    Ok((folder, copy))
}
