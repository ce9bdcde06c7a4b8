//! The runtime's clock, which a test can stop and move.

use std::time::{Duration, Instant};

/// The current time. In a runtime whose time stands still, it is the runtime's time.
#[inline]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// How much time has passed since `then`.
#[inline]
pub fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}
