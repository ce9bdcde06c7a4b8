//! An engine under a path: its present generation, and the gate through which its connections open.

use crate::engine::Instance;
use crate::lock::Lock;
use crate::plugin::{Fingerprint, Plugin};
use arc_swap::ArcSwap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{MutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// An engine and the path under which it is served.
#[derive(Debug)]
pub struct Mount {
    path: Option<String>,
    plugin_file: ArcSwap<PathBuf>,
    config_file: Option<PathBuf>,
    current: ArcSwap<Instance>,
    /// Held shared from the engine's answer to a client until its connection is open; held alone by a swap.
    gate: Arc<RwLock<()>>,
    swapping: tokio::sync::Mutex<()>,
    /// A state of the file that was refused.
    refused: Lock<Option<Fingerprint>>,
    /// The libraries loaded for it so far. None is ever unloaded.
    loaded: Lock<Vec<LoadedLibrary>>,
}

/// A library that was loaded and stays mapped until the process ends.
#[derive(Clone, Debug)]
pub struct LoadedLibrary {
    /// The private copy that is mapped.
    pub copy: PathBuf,
    /// The size of that file. It takes space while it is mapped, even without a name.
    pub bytes: u64,
}

impl LoadedLibrary {
    fn of(plugin: &Plugin) -> LoadedLibrary {
        let bytes = plugin.copy().metadata().map_or(0, |metadata| metadata.len());
        LoadedLibrary { copy: plugin.copy().to_owned(), bytes }
    }
}

/// The right to open a connection. While it is held, the present generation stays present.
pub type Pass = OwnedRwLockReadGuard<()>;

impl Mount {
    /// Serves an engine under `path`, or with `None` under every path that no other engine has. The operator named
    /// these files; a reload searches for them again.
    pub fn new(
        path: Option<String>,
        instance: Arc<Instance>,
        plugin_file: PathBuf,
        config_file: Option<PathBuf>,
    ) -> Mount {
        let loaded = Lock::new(vec![LoadedLibrary::of(instance.plugin())]);
        Mount {
            path,
            plugin_file: ArcSwap::from_pointee(plugin_file),
            config_file,
            current: ArcSwap::new(instance),
            gate: Arc::default(),
            swapping: tokio::sync::Mutex::new(()),
            refused: Lock::default(),
            loaded,
        }
    }

    /// `/chat`, or `None` for every path.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The plugin's file, as the operator named it.
    pub fn plugin_file(&self) -> Arc<PathBuf> {
        self.plugin_file.load_full()
    }

    /// Loads the engine from another file from now on.
    pub fn set_plugin_file(&self, file: &Path) {
        self.plugin_file.store(Arc::new(file.to_owned()));
    }

    /// The configuration file, if there is one.
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }

    /// The present generation.
    pub fn current(&self) -> Arc<Instance> {
        self.current.load_full()
    }

    pub(crate) fn set_current(&self, instance: Arc<Instance>) {
        instance.begin();
        self.current.store(instance);
    }

    /// How many libraries have been loaded for it so far.
    pub fn loaded(&self) -> usize {
        self.loaded_libraries().len()
    }

    /// The libraries that were loaded for it, including the present one and those of generations that never ran.
    pub fn loaded_libraries(&self) -> Vec<LoadedLibrary> {
        self.loaded.hold().clone()
    }

    pub fn note_loaded(&self, plugin: &Plugin) {
        self.loaded.hold().push(LoadedLibrary::of(plugin));
    }

    /// Whether this state of the plugin's file runs or was refused, so that loading it is no use.
    pub fn knows(&self, state: &Fingerprint) -> bool {
        let refused = *self.refused.hold();
        refused.as_ref() == Some(state) || self.current.load().plugin().fingerprint() == state
    }

    /// Notes that the plugin's file must not be loaded in this state unless the operator asks for it.
    pub fn note_refused(&self, state: Fingerprint) {
        *self.refused.hold() = Some(state);
    }

    /// Waits for the right to open a connection.
    pub async fn pass(&self) -> Pass {
        Arc::clone(&self.gate).read_owned().await
    }

    /// Lets no connection open while the guard is held. Waits for those that are opening.
    pub(super) async fn close_gate(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// Waits for the right to swap.
    pub async fn wait_to_swap(&self) -> MutexGuard<'_, ()> {
        self.swapping.lock().await
    }

    /// The right to swap, or `None` if another swap has it.
    pub fn swap_alone(&self) -> Option<MutexGuard<'_, ()>> {
        self.swapping.try_lock().ok()
    }
}
