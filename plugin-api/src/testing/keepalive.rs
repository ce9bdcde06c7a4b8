//! Keepalive, by the host's rules: when an idle client is pinged, and when it is given up.

use crate::Idle;
use std::time::Duration;

/// How long, unless test or engine say otherwise.
const DEFAULT: Duration = Duration::from_secs(30);

/// The two settings; `None` is never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keepalive {
    ping_after: Option<Duration>,
    close_after_no_pong: Option<Duration>,
}

impl Keepalive {
    /// What the operator says; where that is nothing, what the engine wishes; else the default. Zero is never.
    pub(super) fn settle(
        operator: (Option<Duration>, Option<Duration>),
        engine: (Option<Duration>, Option<Duration>),
    ) -> Self {
        let settle = |operator: Option<Duration>, engine: Option<Duration>| {
            Some(operator.or(engine).unwrap_or(DEFAULT)).filter(|duration| !duration.is_zero())
        };
        Keepalive { ping_after: settle(operator.0, engine.0), close_after_no_pong: settle(operator.1, engine.1) }
    }

    /// When something is next to be done about a client that was last heard of at `last_active` and, if it was pinged
    /// since, at `pinged`.
    pub(super) fn due(&self, last_active: Duration, pinged: Option<Duration>) -> Option<Duration> {
        let ping_after = self.ping_after?;
        match pinged {
            None => last_active.checked_add(ping_after),
            Some(pinged) => pinged.checked_add(self.close_after_no_pong.unwrap_or(ping_after)),
        }
    }

    /// How long it waits for a pong.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.close_after_no_pong
    }

    /// What is to be done then.
    pub(super) fn idle(&self, pinged: Option<Duration>) -> Idle {
        match (pinged, self.close_after_no_pong) {
            (Some(_), Some(_)) => Idle::PongMissing,
            _ => Idle::PingDue,
        }
    }
}
