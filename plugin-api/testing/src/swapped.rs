//! What came of a swap.

use crate::report::EngineFailure;
use std::fmt;
use wshost_core::serving::swap::{Refused, Reloaded, Way};

/// How the next generation of an engine took over: see [`TestHost::swap`](crate::TestHost::swap).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// All connections passed to it.
    HandedOver {
        /// How many.
        clients: usize,
    },
    /// New connections go to it. Those that there were stay with the engine that they have, since one of the two engines
    /// has no handover.
    Gently {
        /// How many those are.
        left: usize,
    },
}

/// Why the engine that was there goes on as if nothing had happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSwapped {
    /// What the operator would be told.
    pub reason: String,
    /// The panic or error of either engine, if that is why.
    pub failure: Option<EngineFailure>,
}

impl Swapped {
    pub(crate) fn of(outcome: Result<Reloaded, Refused>) -> Result<Self, NotSwapped> {
        match outcome.map(|reloaded| reloaded.way) {
            Ok(Way::Handover { sessions, .. }) => Ok(Swapped::HandedOver { clients: sessions }),
            Ok(Way::Gentle { left }) => Ok(Swapped::Gently { left }),
            Err(refused) => Err(NotSwapped::of(&refused)),
        }
    }
}

impl NotSwapped {
    fn of(refused: &Refused) -> Self {
        let failure = match refused {
            Refused::NotMade { failure, .. } | Refused::Failed(failure) => Some(EngineFailure::of(failure)),
            _ => None,
        };
        NotSwapped { reason: refused.to_string(), failure }
    }
}

impl fmt::Display for NotSwapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for NotSwapped {}
