//! A reload: loads the plugin anew, and has the new generation take over in the best way there is.

use super::probation::{Probation, Trial};
use super::{gentle, hand_over};
use crate::engine::{Config, EngineFailure, Handover, Instance, Plugin, Schema, find};
use crate::loading::{LoadRules, NotLoaded, load_next};
use crate::mount::Mount;
use crate::newborn;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What came of a reload.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// The engine's name.
    pub engine: String,
    /// The version of the new generation.
    pub version: String,
    /// Its number.
    pub generation: u32,
    /// How it took over.
    pub way: Way,
}

/// How a new generation took over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// All connections passed over.
    Handover {
        /// How many.
        sessions: usize,
        /// For how long nothing was read from them.
        pause: Duration,
    },
    /// New connections go to the new generation; those that there were stay with theirs until they end.
    Gentle {
        /// How many those are.
        left: usize,
    },
}

impl Way {
    /// For how long nothing was read from the connections; `None` where they were left alone.
    pub fn pause(&self) -> Option<Duration> {
        match self {
            Way::Handover { pause, .. } => Some(*pause),
            Way::Gentle { .. } => None,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Handover { sessions, pause } => write!(f, "{sessions} connections handed over in {pause:.1?}"),
            Way::Gentle { left } => {
                write!(f, "new connections go to it, {left} stay with the engine they have, without a handover")
            }
        }
    }
}

/// Why the old generation goes on as if nothing had happened.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
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
    /// One reload at a time.
    #[error("a reload is under way; wait for its end")]
    Busy,
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
    /// The engine's `new` refused.
    #[error("engine {engine} {version} refused to start: {failure}")]
    NotMade {
        /// The engine's name.
        engine: String,
        /// Its version.
        version: String,
        /// What `new` said.
        failure: EngineFailure,
        /// Whether it said that its configuration does not fit.
        configuration_at_fault: bool,
    },
    /// The engine's `new` hangs.
    #[error(
        "engine {engine} {version} did not start: new has not returned after {deadline:?} and is left to itself; see what it \
         waits for (its timers run only when it has taken over), or give it longer with --reload-timeout"
    )]
    NotMadeInTime {
        /// The engine's name.
        engine: String,
        /// Its version.
        version: String,
        /// The deadline.
        deadline: Duration,
    },
    /// The new generation cannot read what the old one exports.
    #[error("the new engine does not accept the state of the old one, which is {0}")]
    Schema(Schema),
    /// An export or import failed.
    #[error("{0}")]
    Failed(EngineFailure),
    /// The deadline came.
    #[error("not done after {deadline:?}: {what}")]
    Late {
        /// What was under way then.
        what: String,
        /// The deadline.
        deadline: Duration,
    },
    /// Everyone would have waited for too long. Imports are not tried twice.
    #[error(
        "nobody is held up for longer than {max_pause:?}, see --reload-max-pause, and importing takes longer: {at_work} then"
    )]
    ImportsTooLong {
        /// Which call was at work.
        at_work: String,
        /// The limit.
        max_pause: Duration,
    },
}

/// Loads the mount's plugin file again, or `file` in its place, and lets it take over. A `file` that does so is the mount's
/// from then on.
///
/// What is returned beside what came of it is for [`Probation`].
///
/// # Errors
///
/// Why the old generation goes on.
pub(crate) fn reload(mount: &Mount, file: Option<&Path>, limits: &ReloadLimits) -> Result<(Reloaded, Trial), Refused> {
    let _alone = mount.swap_alone().ok_or(Refused::Busy)?;
    let loaded = mount.loaded();
    if loaded >= limits.max_generations {
        return Err(Refused::TooMany { loaded, most: limits.max_generations });
    }
    let file_now = find(file.unwrap_or(&mount.plugin_file())).map_err(NotLoaded::from)?;
    // First, since a library that is loaded counts for good.
    let config = read_config(mount)?;
    let running = mount.current();
    let plugin = load_next(&file_now, running.plugin(), limits.load, mount.config_file(), limits.deadline)?;
    let plugin = Arc::new(plugin);
    mount.note_loaded(&plugin);
    let old = mount.current();
    let successor = Successor { plugin, config, always_gently: false };
    let reloaded = succeed(mount, &successor, limits)?;
    if let Some(file) = file {
        mount.set_plugin_file(file);
    }
    Ok((reloaded, Trial::new(&old, &mount.current())))
}

/// What reloads are held to.
#[derive(Clone, Copy, Debug)]
pub struct ReloadLimits {
    /// From the start of a handover to its end, attempts that were given up included. Only clients whose own session is
    /// being exported may wait for so long.
    pub deadline: Duration,
    /// For how long all clients may wait in one attempt. A large value lets an engine that hangs stop them for that long, a
    /// small one refuses engines whose state takes long to pass over.
    pub max_pause: Duration,
    /// Generations of one engine at most, each of which costs memory until the host ends.
    pub max_generations: usize,
    /// After which connections that stay with an engine without handover are closed with 1012. `None`: never. Until then
    /// each generation that has any runs on.
    pub drain: Option<Duration>,
    /// What a plugin is held to before it is opened.
    pub load: LoadRules,
    /// How new generations are tried, if they are.
    pub probation: Option<Probation>,
}

/// What a new generation is made of.
pub(super) struct Successor {
    pub plugin: Arc<Plugin>,
    pub config: Config,
    /// Leave the connections that there are alone, whatever the engines offer.
    pub always_gently: bool,
}

/// Makes an engine of the plugin and lets it take over. The right to swap is the caller's.
///
/// # Errors
///
/// Why the old generation goes on.
pub(super) fn succeed(mount: &Mount, successor: &Successor, limits: &ReloadLimits) -> Result<Reloaded, Refused> {
    let old = mount.current();
    let plugin = &successor.plugin;
    let (engine, version) = (plugin.name().to_owned(), plugin.version().to_owned());
    let made = newborn::next(old.successor(Arc::clone(plugin), successor.config.clone()), limits.deadline);
    let not_in_time =
        || Refused::NotMadeInTime { engine: engine.clone(), version: version.clone(), deadline: limits.deadline };
    let new = made.ok_or_else(not_in_time)?.map_err(|not_made| Refused::NotMade {
        engine: engine.clone(),
        version: version.clone(),
        failure: not_made.failure,
        configuration_at_fault: not_made.configuration_at_fault,
    })?;
    let taken_over = if successor.always_gently {
        Ok(gentle::take_over(mount, &new, limits.drain))
    } else {
        take_over(mount, &old, &new, limits)
    };
    let way = match taken_over {
        Ok(way) => way,
        Err(refused) => {
            new.retire();
            new.end_timers();
            return Err(refused);
        }
    };
    Ok(Reloaded { engine, version, generation: new.generation(), way })
}

fn take_over(mount: &Mount, old: &Arc<Instance>, new: &Arc<Instance>, limits: &ReloadLimits) -> Result<Way, Refused> {
    let (Some(from), Some(to)) = (Handover::of(old), Handover::of(new)) else {
        return Ok(gentle::take_over(mount, new, limits.drain));
    };
    let handed_over = hand_over(mount, &from, &to, limits)?;
    Ok(Way::Handover { sessions: handed_over.sessions, pause: handed_over.pause })
}

fn read_config(mount: &Mount) -> Result<Config, Refused> {
    let Some(file) = mount.config_file() else { return Ok(Config::default()) };
    Config::read(file).map_err(|error| Refused::Config { file: file.to_owned(), error })
}
