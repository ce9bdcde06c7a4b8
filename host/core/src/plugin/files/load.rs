//! From a file to a checked plugin: find, read, stage, open, check.
//!
//! Two facts, tried on Linux, shape these steps. The loader recognises a file by path and inode, so a changed file
//! under the same path gives the old code again. And a mapped file that is overwritten crashes the process. So every
//! load opens a private copy under a name of its own. An opened library is never closed, since its thread-locals,
//! vtables and type layouts can live anywhere.

use super::build::Build;
use super::dlopen::open;
use super::error::LoadError;
use super::image::Image;
use super::scratch::Scratch;
use crate::calls::witness;
use crate::plugin::Fingerprint;
use crate::plugin::Plugin;
use plugin_api::abi::FileManifest;
use std::path::{Path, PathBuf};

/// The last folder in which a bare file name is searched for, after the current folder and the executable's.
const SYSTEM_FOLDER: &str = "/usr/lib/wshost";

/// The words in which glibc's loader reports that static thread-local storage has run out.
const NO_THREAD_STORAGE: &str = "static TLS block";

/// The facts about a plugin's file.
#[derive(Debug)]
pub(in crate::plugin) struct Loaded {
    build: Option<Build>,
    /// Owns the private copy. It stays, since debuggers and profilers need the file that is mapped.
    _staged: Option<Scratch>,
}

/// Finds the file that an operator means. A bare name is searched for in the current folder, beside the executable, and
/// in `/usr/lib/wshost`; anything with a slash is a path.
///
/// # Errors
///
/// [`LoadError::NotFound`] with all places that were tried.
pub fn find(name: &Path) -> Result<PathBuf, LoadError> {
    let mut looked = vec![name.to_owned()];
    if name.components().count() == 1 && !name.is_absolute() {
        looked = vec![Path::new(".").join(name)];
        if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
            looked.push(folder.join(name));
        }
        looked.push(Path::new(SYSTEM_FOLDER).join(name));
    }
    match looked.iter().find(|path| path.exists()) {
        Some(path) => Ok(path.clone()),
        None => Err(LoadError::NotFound { name: name.to_owned(), looked }),
    }
}

impl Plugin {
    /// Reads the library at `path`, opens a copy of it and checks that it is an engine of this host's revision.
    ///
    /// # Errors
    ///
    /// Those of [`Image::read`] and [`Plugin::open`].
    pub fn load(path: &Path) -> Result<Plugin, LoadError> {
        Self::open(&Image::read(path)?)
    }

    /// Opens a copy of the library and checks that it is an engine of this host's revision.
    ///
    /// # Errors
    ///
    /// The plugin is refused. None of the engine's code has run then, except for the library's initialisers. A plugin
    /// whose manifest names another revision is not even opened.
    pub fn open(image: &Image) -> Result<Plugin, LoadError> {
        image.stage()?.open()
    }

    /// Opens a private copy of `path` that another process has made and looks after.
    ///
    /// # Errors
    ///
    /// Those of [`Image::read`] and [`Staged::open`](super::staged::Staged::open).
    pub fn open_copy_of(path: &Path, copy: &Path) -> Result<Plugin, LoadError> {
        let image = Image::read(copy)?;
        Self::of_copy(path.to_owned(), image.fingerprint(), image.manifest(), None, None, copy.to_owned(), None)
    }

    pub(super) fn of_copy(
        path: PathBuf,
        fingerprint: Fingerprint,
        told: Option<&FileManifest>,
        build: Option<Build>,
        thread_storage: Option<u64>,
        copy: PathBuf,
        staged: Option<Scratch>,
    ) -> Result<Plugin, LoadError> {
        let tables = open(&path, told, &copy).map_err(|error| match error {
            LoadError::Refused { path, error } if error.contains(NO_THREAD_STORAGE) => {
                LoadError::NoThreadStorage { path, bytes: thread_storage }
            }
            other => other,
        });
        let plugin = Plugin::of_file(path, fingerprint, tables?, copy, Loaded { build, _staged: staged });
        witness::library_opened(plugin.copy(), plugin.name(), plugin.version());
        Ok(plugin)
    }

    /// The build, if the file has an id.
    pub(super) fn build(&self) -> Option<&Build> {
        self.loaded()?.build.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn refusal(content: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libx.so");
        fs::write(&path, content).unwrap();
        Plugin::load(&path).unwrap_err().to_string()
    }

    #[test]
    fn refuses_what_is_no_library() {
        assert!(refusal(b"").contains("is empty"));
        assert!(refusal(b"#!/bin/sh\n").contains("is not a dynamic library"));
        assert!(refusal(b"\x7fELF").contains("is not a 64-bit dynamic library"));
    }

    #[test]
    fn refuses_another_architecture() {
        let mut program = fs::read(std::env::current_exe().unwrap()).unwrap();
        program[18] = 0xf3; // e_machine
        program[19] = 0x7f;
        assert!(refusal(&program).contains("another architecture"));
    }

    #[test]
    fn a_copy_that_is_gone_when_it_is_to_be_opened_is_not_blamed_on_the_file() {
        // Without section headers, the exports of a file are unknown until it is opened.
        let mut program = fs::read(std::env::current_exe().unwrap()).unwrap();
        program[40..48].fill(0); // e_shoff
        program[60..64].fill(0); // e_shnum and e_shstrndx
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libx.so");
        fs::write(&path, program).unwrap();
        let image = Image::read(&path).unwrap();
        let staged = image.stage().unwrap();
        fs::remove_file(staged.copy()).unwrap();
        let Err(error) = staged.open() else { panic!("opened what is not there") };
        assert!(matches!(error, LoadError::NotStaged { .. }), "{error}");
    }

    #[test]
    fn names_every_place_that_was_looked_at() {
        let error = find(Path::new("libnowhere.so")).unwrap_err().to_string();
        assert!(error.contains("./libnowhere.so") && error.contains("/usr/lib/wshost/libnowhere.so"), "{error}");
    }
}
