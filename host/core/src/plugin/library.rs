//! An engine's library, opened and checked; or an engine that is linked into the program.

#[cfg(feature = "files")]
use super::files::Loaded;
use super::fingerprint::Fingerprint;
use plugin_api::abi::{EngineModuleRef, FileManifest};
use plugin_api::hosting::EngineTables;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An engine's library, opened and checked. Its code stays mapped until the process ends.
pub struct Plugin {
    path: PathBuf,
    /// The state of the file before it was read.
    fingerprint: Fingerprint,
    tables: EngineTables,
    copy: PathBuf,
    #[cfg(feature = "files")]
    loaded: Option<Loaded>,
}

impl Plugin {
    /// An engine that is linked into this program, which counts as its file. It is for tests and measurements, since
    /// there is no other file to load it again from.
    ///
    /// # Errors
    ///
    /// The system does not tell where the program is, or the engine was built with another plugin-api than this host.
    pub fn linked(module: EngineModuleRef) -> io::Result<Plugin> {
        let program = std::env::current_exe()?;
        let fingerprint = Fingerprint::of(&program).ok_or(io::ErrorKind::NotFound)?;
        let tables = EngineTables::of(module).map_err(|why| io::Error::other(why.to_string()))?;
        let copy = program.clone();
        Ok(Plugin {
            path: program,
            fingerprint,
            tables,
            copy,
            #[cfg(feature = "files")]
            loaded: None,
        })
    }

    /// One that was opened from the private copy of a file.
    #[cfg(feature = "files")]
    pub(super) fn of_file(
        path: PathBuf,
        fingerprint: Fingerprint,
        tables: EngineTables,
        copy: PathBuf,
        loaded: Loaded,
    ) -> Plugin {
        Plugin { path, fingerprint, tables, copy, loaded: Some(loaded) }
    }

    /// The file that it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state of that file when it was loaded.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The facts about its file.
    #[cfg(feature = "files")]
    pub(super) fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_ref()
    }

    /// The private copy that is mapped. Its name stays unique even when the file is gone.
    pub fn copy(&self) -> &Path {
        &self.copy
    }

    /// The engine's name.
    pub fn name(&self) -> &'static str {
        self.tables.manifest().name.as_str()
    }

    /// The engine's version.
    pub fn version(&self) -> &'static str {
        self.tables.manifest().version.as_str()
    }

    /// The description in the engine's package; may be empty.
    pub fn description(&self) -> &'static str {
        self.tables.manifest().description.as_str()
    }

    /// The version of plugin-api and the compiler that it was built with.
    pub fn built_with(&self) -> (&'static str, &'static str) {
        (self.tables.manifest().plugin_api.as_str(), self.tables.manifest().rustc.as_str())
    }

    /// The whole manifest, with the ids of all tables that the engine offers and this host knows.
    pub fn manifest(&self) -> FileManifest {
        FileManifest {
            name: self.name().to_owned(),
            version: self.version().to_owned(),
            description: self.description().to_owned(),
            plugin_api: self.tables.manifest().plugin_api.as_str().to_owned(),
            interfaces: self.tables.ids().map(str::to_owned).collect(),
            rustc: self.tables.manifest().rustc.as_str().to_owned(),
            target: self.tables.manifest().target.as_str().to_owned(),
            panic_unwinds: self.panic_unwinds(),
        }
    }

    /// Whether its panics unwind, so that they can be contained.
    pub fn panic_unwinds(&self) -> bool {
        self.tables.manifest().panic_unwinds
    }

    /// The engine's tables.
    pub(crate) fn tables(&self) -> EngineTables {
        self.tables
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({} {} from {})", self.name(), self.version(), self.path.display())
    }
}
