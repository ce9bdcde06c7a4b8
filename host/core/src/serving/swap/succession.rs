//! A new generation of an engine is made, and takes over in the best way there is.

use super::{gentle, hand_over};
use crate::engine::{Config, EngineFailure, Handover, Instance, Schema};
use crate::plugin::Plugin;
use crate::serving::mount::Mount;
use crate::serving::newborn;
use std::fmt;
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
    /// One swap at a time.
    #[error("a reload is under way; wait for its end")]
    Busy,
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

/// What a swap is held to.
#[derive(Clone, Copy, Debug)]
pub struct SwapLimits {
    /// From the start of a handover to its end, attempts that were given up included. Only clients whose own session is
    /// being exported may wait for so long.
    pub deadline: Duration,
    /// For how long all clients may wait in one attempt. A large value lets an engine that hangs stop them for that long, a
    /// small one refuses engines whose state takes long to pass over.
    pub max_pause: Duration,
    /// After which connections that stay with an engine without handover are closed with 1012. `None`: never. Until then
    /// each generation that has any runs on.
    pub drain: Option<Duration>,
}

/// What a new generation is made of.
pub struct Successor {
    /// Its plugin.
    pub plugin: Arc<Plugin>,
    /// Its configuration.
    pub config: Config,
    /// Leave the connections that there are alone, whatever the engines offer.
    pub always_gently: bool,
}

/// Makes an engine of the plugin and lets it take over. The right to swap is the caller's.
///
/// # Errors
///
/// Why the old generation goes on.
pub async fn succeed(mount: &Mount, successor: &Successor, limits: &SwapLimits) -> Result<Reloaded, Refused> {
    let old = mount.current();
    let plugin = &successor.plugin;
    let (engine, version) = (plugin.name().to_owned(), plugin.version().to_owned());
    let made = newborn::next(old.successor(Arc::clone(plugin), successor.config.clone()), limits.deadline).await;
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
        take_over(mount, &old, &new, limits).await
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

async fn take_over(
    mount: &Mount,
    old: &Arc<Instance>,
    new: &Arc<Instance>,
    limits: &SwapLimits,
) -> Result<Way, Refused> {
    let (Some(from), Some(to)) = (Handover::of(old), Handover::of(new)) else {
        return Ok(gentle::take_over(mount, new, limits.drain));
    };
    let handed_over = hand_over(mount, &from, &to, limits).await?;
    Ok(Way::Handover { sessions: handed_over.sessions, pause: handed_over.pause })
}
