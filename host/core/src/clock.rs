//! The clock: the runtime's, which a test can stop and move on.

use std::time::{Duration, Instant};

/// What it shows. On a thread in a runtime whose time stands still, that is the runtime's time.
#[inline]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// How much time has passed since `then`.
#[inline]
pub fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}
