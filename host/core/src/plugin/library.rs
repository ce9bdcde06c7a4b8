//! From a file to a checked plugin: find, read, stage, open, check.
//!
//! Facts behind each step, tried on Linux: the loader recognises a file by path and inode, so that a changed file under
//! the same path gives the old code again; and a mapped file that is overwritten crashes the process. So every load
//! opens a private copy under a name of its own. A library that was opened is never closed, since thread-locals,
//! vtables and type layouts of it can live anywhere.

use super::build::Build;
use super::dlopen::open;
use super::fingerprint::Fingerprint;
use super::image::Image;
use super::thread_storage;
use crate::calls::witness;
use crate::plugin::scratch::Scratch;
use plugin_api::abi::{EngineModuleRef, FileManifest};
use plugin_api::hosting::{EngineTables, Mismatch};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Where a bare file name is looked for last, after the current folder and the executable's.
const SYSTEM_FOLDER: &str = "/usr/lib/wshost";

/// How glibc's loader words it that there is no room for static thread-local storage.
const NO_THREAD_STORAGE: &str = "static TLS block";

/// Why a plugin is refused. Each says what happened, to which file, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No file of that name.
    #[error("no plugin {name:?}: looked for {}; build it with cargo build --release or give its path", list(looked))]
    NotFound {
        /// As it was given.
        name: PathBuf,
        /// All places that were tried.
        looked: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// No private copy of the file can be made that could be opened.
    #[error(
        "cannot make a private copy of {} in {}: {error}; set TMPDIR to a folder with room, whose files may be run",
        path.display(),
        folder.display()
    )]
    NotStaged {
        /// The file.
        path: PathBuf,
        /// Where the copy was to be.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no dynamic library of this machine's kind, or not a whole one.
    #[error("{} is {what}; give the .so that cargo builds from an engine's crate on this kind of machine", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// It has lost something on its way from the linker.
    #[error("{} is damaged, as shows in {what}: copy it again, or build it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage shows.
        what: String,
    },
    /// It says that it is the build that runs, and is not.
    #[error(
        "{} is not as it was built: it says that it is the build that runs ({build}), and its content is another. One of the \
         two is damaged, or was changed after it was linked: copy it again or build it again, or restart wshost to run it",
        path.display()
    )]
    NotAsBuilt {
        /// The file.
        path: PathBuf,
        /// The id of the build.
        build: String,
    },
    /// A library that it needs has changed since it was loaded.
    #[error(
        "{} needs another {needed} than the one that is loaded already, and the system's loader gives everyone the first of \
         a name, for as long as the process lives: restart wshost to run it, or give the library another name (soname)",
        path.display()
    )]
    OtherNeeded {
        /// The file.
        path: PathBuf,
        /// The library's name.
        needed: String,
    },
    /// It is not as it was linked, and others are.
    #[error(
        "{} is not as it was linked, as its build id shows ({build}), and the one that runs is: it is damaged, or was changed \
         since (by strip or patchelf, for example): copy it again or build it again, or restart wshost to run it as it is",
        path.display()
    )]
    NotAsLinked {
        /// The file.
        path: PathBuf,
        /// The id of the build.
        build: String,
    },
    /// The loader's reserve of static thread-local storage is used up.
    #[error(
        "{} needs static thread-local storage{}, as its generations before have taken for good, and the system's loader has no \
         more in reserve: restart wshost when it suits, for more reloads with GLIBC_TUNABLES={}={} in its environment; or \
         build the engine without (its allocator, mostly; mimalloc has the feature local_dynamic_tls)",
        path.display(),
        bytes.map(|bytes| format!(" of {bytes} bytes")).unwrap_or_default(),
        thread_storage::TUNABLE,
        thread_storage::enough(bytes.unwrap_or(512))
    )]
    NoThreadStorage {
        /// The file.
        path: PathBuf,
        /// How much it needs, if that is known.
        bytes: Option<u64>,
    },
    /// Its panics end the process, and that is not put up with.
    #[error(
        "engine {engine} from {} is built with panic = \"abort\", so that a panic in it ends wshost and everyone's connection, \
         which --strict refuses: build it with panic = \"unwind\"",
        path.display()
    )]
    PanicsAbort {
        /// The file.
        path: PathBuf,
        /// The engine's name and version.
        engine: String,
    },
    /// The system's loader refuses the library.
    #[error("{} cannot be opened: {error}; build it again on this machine", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        error: String,
    },
    /// A dynamic library, and no engine.
    #[error("{} is a library, but not an engine: it needs export_engine!(..) from plugin-api", path.display())]
    NotAnEngine {
        /// The file.
        path: PathBuf,
    },
    /// An engine for another revision of the boundary.
    #[error(
        "{}{} was built for another revision of plugin-api: {why}; this wshost has plugin-api {}: build both from one version",
        path.display(),
        named(engine),
        plugin_api::VERSION
    )]
    OtherRevision {
        /// The file.
        path: PathBuf,
        /// The engine's name and version, where the file has them.
        engine: Option<String>,
        /// The first difference.
        why: String,
    },
    /// The loader gave code that is loaded already.
    #[error("{} came out as a library that is loaded already; this is a fault of wshost, please report it", path.display())]
    SeenBefore {
        /// The file.
        path: PathBuf,
    },
}

impl LoadError {
    /// With the name in this manifest.
    pub(super) fn other_revision(path: &Path, manifest: Option<&FileManifest>, why: String) -> Self {
        let engine = manifest.map(|manifest| format!("{} {}", manifest.name, manifest.version));
        LoadError::OtherRevision { path: path.to_owned(), engine, why }
    }
}

fn named(engine: &Option<String>) -> String {
    engine.as_ref().map(|engine| format!(" (engine {engine})")).unwrap_or_default()
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// An engine's library, opened and checked. Its code stays mapped until the process ends.
pub struct Plugin {
    path: PathBuf,
    /// How the file was before it was read.
    fingerprint: Fingerprint,
    tables: EngineTables,
    build: Option<Build>,
    copy: PathBuf,
    /// Has the private copy: tools such as debuggers and profilers want the file of what is mapped.
    _staged: Option<Scratch>,
}

/// Finds the file that an operator means: a bare name is looked for in the current folder, beside the executable, and
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
    /// As of [`Image::read`] and [`Plugin::open`].
    pub fn load(path: &Path) -> Result<Plugin, LoadError> {
        Self::open(&Image::read(path)?)
    }

    /// Opens a copy of the library and checks that it is an engine of this host's revision.
    ///
    /// # Errors
    ///
    /// Why it is refused. Nothing of the engine's own code has run then, except what the library runs when it is opened;
    /// one whose manifest names another revision is not even opened.
    pub fn open(image: &Image) -> Result<Plugin, LoadError> {
        image.stage()?.open()
    }

    /// Opens a private copy of `path` that another process has made and looks after.
    ///
    /// # Errors
    ///
    /// As of [`Image::read`] and [`Staged::open`](super::staged::Staged::open).
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
        let plugin = Plugin { path, fingerprint, tables: tables?, build, copy, _staged: staged };
        witness::library_opened(&plugin.copy, plugin.name(), plugin.version());
        Ok(plugin)
    }

    /// An engine that is linked into this program, which counts as its file. For tests and measurements: there is no other
    /// file to load it again from.
    ///
    /// # Errors
    ///
    /// [`LoadError::Unreadable`]: the system does not tell where the program is. [`LoadError::OtherRevision`]: the engine was
    /// built with another plugin-api than this host.
    pub fn linked(module: EngineModuleRef) -> Result<Plugin, LoadError> {
        let unreadable = |error| LoadError::Unreadable { path: "this program".into(), error };
        let program = std::env::current_exe().map_err(unreadable)?;
        let fingerprint = Fingerprint::of(&program).ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
        let other = |why: Mismatch| LoadError::other_revision(&program, None, why.to_string());
        let tables = EngineTables::of(module).map_err(other)?;
        let copy = program.clone();
        Ok(Plugin { path: program, fingerprint, tables, build: None, copy, _staged: None })
    }

    /// The file that it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How that file was when it was loaded.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Which build it is, if it says so.
    pub(super) fn build(&self) -> Option<&Build> {
        self.build.as_ref()
    }

    /// The private copy that is mapped. Its name stays the only one of its kind when the file has gone.
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

    /// What the engine's package says that it is; may be empty.
    pub fn description(&self) -> &'static str {
        self.tables.manifest().description.as_str()
    }

    /// The version of plugin-api and the compiler that it was built with.
    pub fn built_with(&self) -> (&'static str, &'static str) {
        (self.tables.manifest().plugin_api.as_str(), self.tables.manifest().rustc.as_str())
    }

    /// All that it says of itself, and the ids of all tables that it offers and this host knows.
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

    /// What it offers.
    pub(crate) fn tables(&self) -> EngineTables {
        self.tables
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({} {} from {})", self.name(), self.version(), self.path.display())
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
        // Without section headers, what a file exports is not known before it is opened.
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
