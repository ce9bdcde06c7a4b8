//! Keepalive: when an idle client is pinged, and when it is given up.
//!
//! It sees only times, counted from the process's epoch in milliseconds. Any received byte is a sign of life.

use std::time::Duration;

pub(crate) use plugin_api::Idle;

/// The default of both settings: 30 s. Common proxies end a connection that is silent in both directions for 60 s.
pub(crate) const DEFAULT: Duration = Duration::from_secs(30);

/// The two settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// A client that is silent for this long is pinged. `None`: never.
    pub ping_after: Option<Duration>,
    /// A client that was pinged and stays silent for this long is closed. `None`: never.
    pub close_after_no_pong: Option<Duration>,
}

impl Keepalive {
    /// The operator's settings; if there are none, the engine's; else the default. Zero means never.
    pub fn settle(
        operator: (Option<Duration>, Option<Duration>),
        engine: (Option<Duration>, Option<Duration>),
    ) -> Self {
        let settle = |operator: Option<Duration>, engine: Option<Duration>| {
            Some(operator.or(engine).unwrap_or(DEFAULT)).filter(|duration| !duration.is_zero())
        };
        Keepalive { ping_after: settle(operator.0, engine.0), close_after_no_pong: settle(operator.1, engine.1) }
    }

    /// The action that is due now for a client that was last heard at `last_active` and, if it was pinged since, pinged
    /// at `pinged`.
    pub fn check(&self, now: Duration, last_active: Duration, pinged: Option<Duration>) -> Option<Idle> {
        let idle = match (pinged, self.close_after_no_pong) {
            (Some(_), Some(_)) => Idle::PongMissing,
            _ => Idle::PingDue,
        };
        (now >= self.next_check(last_active, pinged)?).then_some(idle)
    }

    /// When to check next; `None` means never.
    pub(crate) fn next_check(&self, last_active: Duration, pinged: Option<Duration>) -> Option<Duration> {
        let ping_after = self.ping_after?;
        match pinged {
            None => last_active.checked_add(ping_after),
            Some(pinged) => pinged.checked_add(self.close_after_no_pong.unwrap_or(ping_after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_operator_comes_before_the_engine_and_zero_is_never() {
        let settled = Keepalive::settle((Some(s(1)), None), (Some(s(2)), Some(s(3))));
        assert_eq!(settled, Keepalive { ping_after: Some(s(1)), close_after_no_pong: Some(s(3)) });
        let settled = Keepalive::settle((Some(s(0)), None), (Some(s(2)), None));
        assert_eq!(settled, Keepalive { ping_after: None, close_after_no_pong: Some(DEFAULT) });
    }

    #[test]
    fn pings_the_idle_and_gives_up_the_silent() {
        let keepalive = Keepalive { ping_after: Some(s(10)), close_after_no_pong: Some(s(5)) };
        assert_eq!(keepalive.check(s(109), s(100), None), None);
        assert_eq!(keepalive.check(s(110), s(100), None), Some(Idle::PingDue));
        assert_eq!(keepalive.next_check(s(100), Some(s(110))), Some(s(115)));
        assert_eq!(keepalive.check(s(114), s(100), Some(s(110))), None);
        assert_eq!(keepalive.check(s(115), s(100), Some(s(110))), Some(Idle::PongMissing));
    }

    #[test]
    fn one_that_is_never_closed_is_pinged_again() {
        let keepalive = Keepalive { ping_after: Some(s(10)), close_after_no_pong: None };
        assert_eq!(keepalive.check(s(119), s(100), Some(s(110))), None);
        assert_eq!(keepalive.check(s(120), s(100), Some(s(110))), Some(Idle::PingDue));
    }

    #[test]
    fn without_a_duration_nothing_is_ever_due() {
        let never = Keepalive { ping_after: None, close_after_no_pong: None };
        assert_eq!(never.check(Duration::MAX, s(0), None), None);
        assert_eq!((never.next_check(s(0), None), never.next_check(s(0), Some(s(1)))), (None, None));
    }
}
