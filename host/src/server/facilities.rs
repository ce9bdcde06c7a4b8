//! What all engines of a server share.

use super::settings::Settings;
use crate::threads::Threads;
use std::io;
use std::sync::Arc;
use wshost_core::engine::Facilities;
use wshost_core::loops::wakes::Wakes;

/// Starts the threads that work for the engines. To be called before any engine is loaded.
///
/// # Errors
///
/// What the system says when it has no thread left.
pub fn start(settings: &Settings) -> io::Result<(Facilities, Threads)> {
    let threads = Threads::start(settings.workers, settings.worker_nice)?;
    let facilities = Facilities {
        executor: Arc::clone(&threads.executor),
        pool: Arc::clone(&threads.pool),
        wakes: Arc::new(Wakes::new(settings.loops)),
        metrics: Arc::default(),
        clock: Arc::clone(&threads.clock),
        backlog: settings.backlog,
        compression: settings.compression,
        keepalive: (settings.ping_after, settings.close_after_no_pong),
    };
    Ok((facilities, threads))
}
