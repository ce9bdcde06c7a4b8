//! A reload: loads a plugin anew, and has the new generation of its engine take over.

use super::loading::{LoadRules, NotLoaded, load_next};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wshost_core::engine::Config;
use wshost_core::plugin::find;
use wshost_core::serving::mount::Mount;
use wshost_core::serving::swap::{self, Probation, Reloaded, Successor, SwapLimits, Trial, succeed};

/// What reloads are held to.
#[derive(Clone, Copy, Debug)]
pub struct ReloadLimits {
    /// Limits of the swap.
    pub swap: SwapLimits,
    /// Generations of one engine at most, each of which costs memory until the host ends.
    pub max_generations: usize,
    /// What a plugin is held to before it is opened.
    pub load: LoadRules,
    /// How new generations are tried, if they are.
    pub probation: Option<Probation>,
}

/// Why the old generation goes on as if nothing had happened.
#[derive(Debug, thiserror::Error)]
pub enum NotReloaded {
    /// Nobody serves this path.
    #[error("no engine is served under {path}; there are {paths}")]
    NoSuchPath {
        /// What was asked for.
        path: String,
        /// What there is.
        paths: String,
    },
    /// The host is ending.
    #[error("wshost is ending")]
    Ending,
    /// Every generation costs memory for good, since its code stays mapped.
    #[error("{loaded} generations are loaded, and --max-generations is {most}: restart wshost when it suits")]
    TooMany {
        /// So far.
        loaded: usize,
        /// At most.
        most: usize,
    },
    /// The file is no engine for this host, or would do harm.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// The configuration cannot be read.
    #[error("cannot read the engine configuration {file}: {error}")]
    Config {
        /// Which file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The new generation did not take over.
    #[error(transparent)]
    Swap(#[from] swap::Refused),
}

/// Loads the mount's plugin file again, or `file` in its place, and lets it take over. A `file` that does so is the mount's
/// from then on.
///
/// What is returned beside what came of it is for [`Probation`].
///
/// # Errors
///
/// Why the old generation goes on.
pub(crate) fn reload(
    mount: &Mount,
    file: Option<&Path>,
    limits: &ReloadLimits,
) -> Result<(Reloaded, Trial), NotReloaded> {
    let _alone = mount.swap_alone().ok_or(swap::Refused::Busy)?;
    let loaded = mount.loaded();
    if loaded >= limits.max_generations {
        return Err(NotReloaded::TooMany { loaded, most: limits.max_generations });
    }
    let file_now = find(file.unwrap_or(&mount.plugin_file())).map_err(NotLoaded::from)?;
    // First, since a library that is loaded counts for good.
    let config = read_config(mount)?;
    let running = mount.current();
    let plugin = load_next(&file_now, running.plugin(), limits.load, mount.config_file(), limits.swap.deadline)?;
    let plugin = Arc::new(plugin);
    mount.note_loaded(&plugin);
    let old = mount.current();
    let successor = Successor { plugin, config, always_gently: false };
    let reloaded = succeed(mount, &successor, &limits.swap)?;
    if let Some(file) = file {
        mount.set_plugin_file(file);
    }
    Ok((reloaded, Trial::new(&old, &mount.current())))
}

fn read_config(mount: &Mount) -> Result<Config, NotReloaded> {
    let Some(file) = mount.config_file() else { return Ok(Config::default()) };
    Config::read(file).map_err(|error| NotReloaded::Config { file: file.to_owned(), error })
}
