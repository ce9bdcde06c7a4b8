//! Why a plugin is refused.

use super::thread_storage;
use plugin_api::abi::FileManifest;
use std::io;
use std::path::{Path, PathBuf};

/// Why a plugin is refused. Each message says what happened, to which file, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no file of that name.
    #[error("no plugin {name:?}: looked for {}; build it with cargo build --release or give its path", list(looked))]
    NotFound {
        /// The name as it was given.
        name: PathBuf,
        /// All places that were tried.
        looked: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// No private copy of the file can be made and opened.
    #[error(
        "cannot make a private copy of {} in {}: {error}; set TMPDIR to a folder with room, whose files may be run",
        path.display(),
        folder.display()
    )]
    NotStaged {
        /// The file.
        path: PathBuf,
        /// The folder for the copy.
        folder: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is no dynamic library for this kind of machine, or only a part of one.
    #[error("{} is {what}; give the .so that cargo builds from an engine's crate on this kind of machine", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// The kind of file that it is instead.
        what: String,
    },
    /// The file was damaged after it was linked.
    #[error("{} is damaged, as shows in {what}: copy it again, or build it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The place at which the damage shows.
        what: String,
    },
    /// The file has the running build's id, but other content.
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
    /// The file is not as it was linked, while the running one is.
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
    /// Its panics end the process, which `--strict` refuses.
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
        /// The loader's message.
        error: String,
    },
    /// The file is a dynamic library, but no engine.
    #[error("{} is a library, but not an engine: it needs export_engine!(..) from plugin-api", path.display())]
    NotAnEngine {
        /// The file.
        path: PathBuf,
    },
    /// The engine is for another revision of the boundary.
    #[error(
        "{}{} was built for another revision of plugin-api: {why}; this wshost has plugin-api {}: build both from one version",
        path.display(),
        named(engine),
        plugin_api::VERSION
    )]
    OtherRevision {
        /// The file.
        path: PathBuf,
        /// The engine's name and version, if the file has them.
        engine: Option<String>,
        /// The first difference.
        why: String,
    },
    /// The loader returned code that is already loaded.
    #[error("{} came out as a library that is loaded already; this is a fault of wshost, please report it", path.display())]
    SeenBefore {
        /// The file.
        path: PathBuf,
    },
}

impl LoadError {
    /// [`LoadError::OtherRevision`], with the name in this manifest.
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
