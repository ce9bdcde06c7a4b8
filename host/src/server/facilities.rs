//! What all engines of a server share.

use super::allocator;
use super::settings::Settings;
use std::io;
use std::sync::Arc;
use wshost_core::engine::timers::Clock;
use wshost_core::engine::{Facilities, retire};
use wshost_core::jobs::Pool;
use wshost_core::loops::wakes::Wakes;
use wshost_core::plugin::start_opener;

/// Starts the workers, the thread that knows when timers are due, and those that open libraries and end what engines made.
///
/// # Errors
///
/// What the system says when it has no thread left.
pub fn start(settings: &Settings) -> io::Result<Facilities> {
    retire::start()?;
    start_opener()?;
    Ok(Facilities {
        pool: Arc::new(Pool::new(settings.workers, settings.worker_nice, allocator::give_back)?),
        wakes: Arc::new(Wakes::new(settings.loops)),
        metrics: Arc::default(),
        clock: Arc::new(Clock::start()?),
        backlog: settings.backlog,
        compression: settings.compression,
        keepalive: (settings.ping_after, settings.close_after_no_pong),
    })
}
