//! An engine's jobs and events. They count as work under way, so a swap waits for them.

use super::{Client, Core};
use crate::client::activity::Busy;
use plugin_api::hosting::{CalledFor, EngineEvent, EngineFailure, EngineJob};

/// A job that an engine returned or spawned. If it is dropped without being run, it is discarded on another thread.
#[derive(Debug)]
pub struct Job {
    job: EngineJob<Core>,
    _busy: Busy,
}

impl Job {
    /// A job that is under way from now on.
    pub fn new(job: EngineJob<Core>, busy: Busy) -> Job {
        Job { job, _busy: busy }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// The panic that ended it.
    pub fn run(self, called_for: CalledFor<'_, Client>) -> Result<(), EngineFailure> {
        let Job { job, _busy } = self;
        job.run(called_for)
    }
}

/// A value that an engine posted to one of its sessions. If it is dropped undelivered, it is discarded on another
/// thread.
#[derive(Debug)]
pub struct Event {
    event: EngineEvent<Core>,
    busy: Busy,
}

impl Event {
    /// An event that is under way from now on.
    pub fn new(event: EngineEvent<Core>, busy: Busy) -> Event {
        Event { event, busy }
    }

    /// The value to deliver. It is under way until the second part is dropped.
    pub fn into_parts(self) -> (EngineEvent<Core>, Busy) {
        (self.event, self.busy)
    }

    /// Discards it here. The value is dropped within the call that posted it, which reports that.
    pub fn discard_here(self) {
        let Event { event, busy: _busy } = self;
        event.discard_here();
    }
}
