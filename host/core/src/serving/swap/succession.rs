//! Makes a new generation of an engine, which takes over in the best way there is.

use super::{gentle, hand_over};
use crate::engine::{Config, EngineFailure, Handover, Instance, Schema};
use crate::plugin::Plugin;
use crate::serving::mount::Mount;
use crate::serving::newborn;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of a reload.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// The engine's name.
    pub engine: String,
    /// The version of the new generation.
    pub version: String,
    /// The number of the new generation.
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
        /// How long nothing was read from them.
        pause: Duration,
    },
    /// New connections go to the new generation, and existing ones stay with theirs until they end.
    Gentle {
        /// How many connections stay.
        left: usize,
    },
}

impl Way {
    /// How long nothing was read from the connections; `None` if they were left alone.
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
    /// Another swap is under way.
    #[error("a reload is under way; wait for its end")]
    Busy,
    /// The engine's `new` refused.
    #[error("engine {engine} {version} refused to start: {failure}")]
    NotMade {
        /// The engine's name.
        engine: String,
        /// Its version.
        version: String,
        /// The failure of `new`.
        failure: EngineFailure,
        /// Whether the engine said that its configuration does not fit.
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
    /// The deadline passed.
    #[error("not done after {deadline:?}: {what}")]
    Late {
        /// The operation that was under way.
        what: String,
        /// The deadline.
        deadline: Duration,
    },
    /// Everyone would have waited too long. Imports are not tried twice.
    #[error(
        "nobody is held up for longer than {max_pause:?}, see --reload-max-pause, and importing takes longer: {at_work} then"
    )]
    ImportsTooLong {
        /// The call that was under way.
        at_work: String,
        /// The limit.
        max_pause: Duration,
    },
}

/// The limits of a swap.
#[derive(Clone, Copy, Debug)]
pub struct SwapLimits {
    /// The time of a handover from start to end, including attempts that were given up. Only a client whose own session
    /// is being exported may wait this long.
    pub deadline: Duration,
    /// How long all clients may wait in one attempt. A large value lets an engine that hangs stop them for that long; a
    /// small value refuses engines whose state takes long to pass over.
    pub max_pause: Duration,
    /// How long connections may stay with an engine without a handover until they are closed with 1012. `None` means
    /// for ever. Meanwhile each generation with connections runs on.
    pub drain: Option<Duration>,
}

/// The parts of a new generation.
pub struct Successor {
    /// Its plugin.
    pub plugin: Arc<Plugin>,
    /// Its configuration.
    pub config: Config,
    /// Whether to leave existing connections alone, whatever the engines offer.
    pub always_gently: bool,
}

/// Makes an engine of the plugin and lets it take over. The caller must hold the right to swap. If this future is dropped
/// before its end, the old generation goes on.
///
/// # Errors
///
/// The reason for which the old generation goes on.
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
