//! Probation: if a new generation panics too often soon after it has taken over, the previous one comes back.
//!
//! This is a swap like any other, back to the earlier plugin and configuration. The library is still mapped, so nothing
//! is loaded, and its file is not read. The generation that it goes back to is not on probation itself.

use super::succession::{Refused, Reloaded, Successor, SwapLimits, succeed};
use crate::clock;
use crate::engine::panics::Panics;
use crate::engine::{Config, Instance};
use crate::plugin::Plugin;
use crate::serving::mount::Mount;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The settings of a probation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probation {
    /// How long it lasts, from the moment of taking over. A large value costs a thread for that long, and keeps the
    /// files of the previous plugin.
    pub length: Duration,
    /// How many panics are tolerated.
    pub panics: u32,
}

/// A generation on probation, and the previous plugin and configuration.
#[derive(Debug)]
pub struct Trial {
    generation: u32,
    began: Instant,
    panics: Arc<Panics>,
    before: (Arc<Plugin>, Config),
}

impl Trial {
    /// A trial of `new`, which has just taken over from `old`.
    pub fn new(old: &Instance, new: &Instance) -> Trial {
        Trial {
            generation: new.generation(),
            began: clock::now(),
            panics: Arc::clone(new.panic_count()),
            before: (Arc::clone(old.plugin()), old.config().clone()),
        }
    }

    /// Waits for the end of the probation. Returns how many panics there were, if there were too many.
    pub async fn wait(&self, probation: &Probation) -> Option<u32> {
        self.panics.wait_for_more_than(probation.panics, self.began + probation.length).await
    }
}

/// Returns to the previous generation, in the gentle way if the handover to it fails. The failed file is not loaded
/// again automatically. Returns `None` if the generation on trial has been replaced meanwhile.
///
/// # Errors
///
/// The previous engine cannot run again, so the one on trial goes on.
pub async fn go_back(mount: &Mount, trial: Trial, limits: &SwapLimits) -> Result<Option<Reloaded>, Refused> {
    let _alone = mount.wait_to_swap().await;
    let failed = mount.current();
    if failed.generation() != trial.generation {
        return Ok(None);
    }
    mount.note_refused(*failed.plugin().fingerprint());
    let (plugin, config) = trial.before;
    let successor = Successor { plugin, config, always_gently: false };
    let went_back = match succeed(mount, &successor, limits).await {
        Err(
            refused @ (Refused::Schema(_) | Refused::Failed(_) | Refused::Late { .. } | Refused::ImportsTooLong { .. }),
        ) => {
            tracing::warn!("connections stay with the engine that panics, since they cannot be handed over: {refused}");
            succeed(mount, &Successor { always_gently: true, ..successor }, limits).await
        }
        other => other,
    };
    went_back.map(Some)
}
