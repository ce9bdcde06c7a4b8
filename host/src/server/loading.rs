//! Turns a plugin's file into an opened plugin, with all checks on the way, at the start and at a reload.

use crate::exit::{self, NotDone};
use crate::rehearsal::{Extent, Unfit, rehearse};
use crate::threads::{NotOpened, check_opening, open};
use std::path::Path;
use std::time::{Duration, Instant};
use wshost_core::plugin::{Image, LoadError, Plugin};

/// The conditions that plugins must meet before they run.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadRules {
    /// How far a plugin is rehearsed in a process of its own before it is opened; `None` if it is not. Opening takes
    /// some milliseconds, a whole life as long as the engine takes.
    pub rehearse: Option<Extent>,
    /// Whether to refuse a plugin that otherwise only causes a warning.
    pub strict: bool,
}

/// Why a plugin is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLoaded {
    /// It is no engine for this host.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It is not open, and that may not be its fault.
    #[error(transparent)]
    NotOpened(NotOpened),
    /// It would do harm.
    #[error("{file}: {unfit}")]
    Unfit {
        /// The file.
        file: String,
        /// The reason.
        unfit: Unfit,
    },
}

impl From<NotOpened> for NotLoaded {
    fn from(not_opened: NotOpened) -> Self {
        match not_opened {
            NotOpened::Load(error) => NotLoaded::Load(error),
            other => NotLoaded::NotOpened(other),
        }
    }
}

impl From<NotLoaded> for NotDone {
    fn from(error: NotLoaded) -> Self {
        match error {
            NotLoaded::Load(error) => error.into(),
            NotLoaded::NotOpened(NotOpened::Blocked { .. }) => NotDone::new(exit::UNAVAILABLE, error.to_string()),
            NotLoaded::NotOpened(NotOpened::Fault { .. }) => NotDone::new(exit::INTERNAL, error.to_string()),
            NotLoaded::NotOpened(_) | NotLoaded::Unfit { .. } => NotDone::new(exit::PLUGIN_REFUSED, error.to_string()),
        }
    }
}

/// Loads a plugin at the start, when nobody is served. A rehearsal then does not make its engine, and if there can be
/// no rehearsal, the plugin is loaded without one.
///
/// # Errors
///
/// The plugin is refused.
pub(crate) fn load_first(file: &Path, rules: LoadRules, patience: Duration) -> Result<Plugin, NotLoaded> {
    let rehearse = rules.rehearse.map(|_| Extent::Open);
    let image = Image::read(file)?;
    if let Some(uses_up) = image.uses_up() {
        tracing::warn!(file = %file.display(), "reloads are limited: {uses_up}");
    }
    load(&image, LoadRules { rehearse, ..rules }, None, patience, |error| {
        tracing::warn!(file = %file.display(), "not rehearsed: {error}");
        Ok(())
    })
}

/// Loads a plugin that will take over from another. `config` is the file for its engine.
///
/// # Errors
///
/// The plugin is refused.
pub(crate) fn load_next(
    file: &Path,
    running: &Plugin,
    rules: LoadRules,
    config: Option<&Path>,
    patience: Duration,
) -> Result<Plugin, NotLoaded> {
    // Check this before a rehearsal, which needs new threads.
    check_opening(patience)?;
    let image = Image::read(file)?;
    image.check_build(running)?;
    load(&image, rules, config, patience, Err)
}

fn load(
    image: &Image,
    rules: LoadRules,
    config: Option<&Path>,
    patience: Duration,
    without_process: impl FnOnce(Unfit) -> Result<(), Unfit>,
) -> Result<Plugin, NotLoaded> {
    let file = image.path().display();
    if let Some(manifest) = image.manifest().filter(|manifest| rules.strict && !manifest.panic_unwinds) {
        let engine = format!("{} {}", manifest.name, manifest.version);
        return Err(LoadError::PanicsAbort { path: image.path().to_owned(), engine }.into());
    }
    let staged = image.stage()?;
    if let Some(extent) = rules.rehearse {
        let began = Instant::now();
        let seen = match rehearse(&staged, extent, config, patience) {
            Err(unfit @ Unfit::NotStarted(_)) => without_process(unfit),
            other => other,
        };
        seen.map_err(|unfit| NotLoaded::Unfit { file: file.to_string(), unfit })?;
        tracing::debug!(%file, "rehearsed in {:.1?}", began.elapsed());
    }
    let plugin = open(staged, patience)?;
    let (engine, version) = (plugin.name(), plugin.version());
    if !plugin.panic_unwinds() {
        if rules.strict {
            let engine = format!("{engine} {version}");
            return Err(LoadError::PanicsAbort { path: image.path().to_owned(), engine }.into());
        }
        tracing::warn!(engine, version, "built with panic = \"abort\": a panic in it will end wshost");
    }
    Ok(plugin)
}
