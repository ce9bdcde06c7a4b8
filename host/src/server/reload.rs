//! A reload: loads a plugin again and lets the new generation of its engine take over.

use super::loading::{NotLoaded, load_next};
use super::settings::ReloadLimits;
use super::state::Server;
use crate::http::are_same;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use wshost_core::engine::Config;
use wshost_core::plugin::find;
use wshost_core::serving::mount::Mount;
use wshost_core::serving::swap::{self, Probation, Reloaded, Successor, Trial, succeed};

/// Why the old generation goes on as if nothing had happened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReloaded {
    /// No engine serves this path.
    #[error("no engine is served under {path}; there are {paths}")]
    NoSuchPath {
        /// The path that was asked for.
        path: String,
        /// The paths that exist.
        paths: String,
    },
    /// The host is ending.
    #[error("wshost is ending")]
    Ending,
    /// Every generation costs memory for good, since its code stays mapped.
    #[error("{loaded} generations are loaded, and --max-generations is {most}: restart wshost when it suits")]
    TooMany {
        /// The number so far.
        loaded: usize,
        /// The limit.
        most: usize,
    },
    /// The file is no engine for this host, or would do harm.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// The configuration cannot be read.
    #[error("cannot read the engine configuration {file}: {error}")]
    Config {
        /// The file.
        file: PathBuf,
        /// The error.
        error: std::io::Error,
    },
    /// The new generation did not take over.
    #[error(transparent)]
    Swap(#[from] swap::Refused),
}

impl Server {
    /// Loads an engine's plugin again, and lets the new generation take over. `path` is the engine's, or `None` for the
    /// only one or the one without a path. It blocks, so an event loop must not call it. Reloads of different engines
    /// may run at the same time; of two of the same engine, the second is refused.
    ///
    /// # Errors
    ///
    /// The reason for which the old generation goes on as if nothing had happened.
    pub(crate) fn reload(&self, path: Option<&str>) -> Result<Reloaded, NotReloaded> {
        self.load(path, None)
    }

    /// Does the same with another file. If it takes over, the engine keeps this file.
    ///
    /// # Errors
    ///
    /// Those of [`Server::reload`].
    pub(crate) fn reload_from(&self, path: Option<&str>, file: &Path) -> Result<Reloaded, NotReloaded> {
        self.load(path, Some(file))
    }

    fn load(&self, path: Option<&str>, file: Option<&Path>) -> Result<Reloaded, NotReloaded> {
        let mount = self.mount(path)?;
        if *self.draining.borrow() {
            return Err(NotReloaded::Ending);
        }
        let usual = mount.plugin_file();
        let reloaded = self.runtime.block_on(reload(mount, file, &self.settings.reload));
        let file = file.unwrap_or(&usual).display();
        match reloaded {
            Ok((reloaded, trial)) => {
                self.show_present_engines();
                if let Some(probation) = self.settings.reload.probation {
                    self.try_out(mount, trial, probation);
                }
                let Reloaded { engine, version, generation, way } = &reloaded;
                let pause_ms = way.pause().map(|pause| pause.as_secs_f64() * 1000.0);
                tracing::info!(%file, engine, version, generation, pause_ms, "reloaded: {way}");
                Ok(reloaded)
            }
            Err(refused) => {
                tracing::error!(%file, "reload refused, the engine runs on as it was: {refused}");
                Err(refused)
            }
        }
    }

    /// Loads every engine's plugin again, one after another. The results are in the log.
    pub(crate) fn reload_all(&self) {
        for mount in &self.mounts {
            loop {
                // Do not count on a reload that is under way: it may have read an older state of the file.
                drop(self.runtime.block_on(mount.wait_to_swap()));
                if !matches!(self.reload(mount.path()), Err(NotReloaded::Swap(swap::Refused::Busy))) {
                    break;
                }
            }
        }
    }

    /// Watches a generation on probation, on a thread of its own, and goes back if it panics too often.
    fn try_out(&self, mount: &Mount, trial: Trial, probation: Probation) {
        let (server, path) = (Weak::clone(&self.this), mount.path().map(str::to_owned));
        let runtime = self.runtime.clone();
        let body = move || {
            if let Some(panics) = runtime.block_on(trial.wait(&probation))
                && let Some(server) = server.upgrade()
                && let Ok(mount) = server.mount(path.as_deref())
            {
                server.go_back(mount, trial, panics);
            }
        };
        if let Err(error) = thread::Builder::new().name("wshost-probation".into()).spawn(body) {
            tracing::error!("no thread to watch over the new engine's probation: {error}");
        }
    }

    fn go_back(&self, mount: &Mount, trial: Trial, panics: u32) {
        let file = mount.plugin_file();
        let file = file.display();
        if *self.draining.borrow() {
            return;
        }
        tracing::error!(%file, panics, "the new engine has panicked on probation: going back to the one before");
        match self.runtime.block_on(swap::go_back(mount, trial, &self.settings.reload.swap)) {
            Ok(Some(Reloaded { engine, version, generation, way })) => {
                self.show_present_engines();
                tracing::warn!(%file, engine, version, generation, "went back: {way}");
            }
            Ok(None) => tracing::info!(%file, "not going back: the engine has been replaced meanwhile"),
            Err(refused) => tracing::error!(%file, "cannot go back, the new engine runs on: {refused}"),
        }
    }

    fn mount(&self, path: Option<&str>) -> Result<&Mount, NotReloaded> {
        let only = if self.mounts.len() == 1 && path.is_none() { self.mounts.first() } else { None };
        let found = only.or_else(|| self.mounts.iter().find(|mount| are_same(mount.path(), path)));
        found.ok_or_else(|| NotReloaded::NoSuchPath {
            path: path.unwrap_or("every path").to_owned(),
            paths: self.mounts.iter().map(|mount| mount.path().unwrap_or("every path")).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Loads the mount's plugin file again, or `file` in its place, and lets it take over. If `file` takes over, the mount
/// keeps it.
///
/// The trial in the result is for [`Probation`].
///
/// # Errors
///
/// The reason for which the old generation goes on.
async fn reload(mount: &Mount, file: Option<&Path>, limits: &ReloadLimits) -> Result<(Reloaded, Trial), NotReloaded> {
    let _alone = mount.swap_alone().ok_or(swap::Refused::Busy)?;
    let loaded = mount.loaded();
    if loaded >= limits.max_generations {
        return Err(NotReloaded::TooMany { loaded, most: limits.max_generations });
    }
    let file_now = find(file.unwrap_or(&mount.plugin_file())).map_err(NotLoaded::from)?;
    // Read this first, since a library that is loaded counts for good.
    let config = read_config(mount)?;
    let running = mount.current();
    let plugin = load_next(&file_now, running.plugin(), limits.load, mount.config_file(), limits.swap.deadline)?;
    let plugin = Arc::new(plugin);
    mount.note_loaded(&plugin);
    let old = mount.current();
    let successor = Successor { plugin, config, always_gently: false };
    let reloaded = succeed(mount, &successor, &limits.swap).await?;
    if let Some(file) = file {
        mount.set_plugin_file(file);
    }
    Ok((reloaded, Trial::new(&old, &mount.current())))
}

fn read_config(mount: &Mount) -> Result<Config, NotReloaded> {
    let Some(file) = mount.config_file() else { return Ok(Config::default()) };
    Config::read(file).map_err(|error| NotReloaded::Config { file: file.to_owned(), error })
}
