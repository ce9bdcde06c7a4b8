//! What the host keeps for one engine's instance, and does for it.

use super::generation::Generation;
use super::notice::Audience;
use super::object::{EngineFailure, Job, TimerJob};
use crate::calls::Whom;
use crate::client::audience::Backlog;
use crate::engine::metrics::Metrics;
use crate::engine::panics::Panics;
use crate::engine::timers::{Clock, Timers, Work};
use crate::executor::Executor;
use crate::jobs::Pool;
use crate::loops::wakes::Wakes;
use crate::protocol::deflate::Compression;
use std::sync::Arc;
use std::time::Duration;

/// What all engines of a host share.
#[derive(Clone, Debug)]
pub struct Facilities {
    /// Threads for what may block.
    pub executor: Arc<dyn Executor>,
    /// Runs jobs.
    pub pool: Arc<Pool>,
    /// Wakes connections from other threads.
    pub wakes: Arc<Wakes>,
    /// The metrics of host and engines.
    pub metrics: Arc<Metrics>,
    /// Tells timers when they are due.
    pub clock: Arc<Clock>,
    /// How much may wait for one client.
    pub backlog: Backlog,
    /// Whether messages are compressed where clients offer it, and how.
    pub compression: Option<Compression>,
    /// The operator's word on when to ping and when to close.
    pub keepalive: (Option<Duration>, Option<Duration>),
}

/// One instance's share; the engine's `Host` handles point here.
#[derive(Debug)]
pub(super) struct Services {
    /// The engine's name and version, for the log.
    pub engine: &'static str,
    pub version: &'static str,
    pub audience: Arc<Audience>,
    pub facilities: Facilities,
    /// Which generation of its engine it is.
    pub generation: &'static Generation,
    /// Calls that ended in a panic.
    pub panics: Arc<Panics>,
    timers: Arc<Timers>,
}

impl Services {
    /// For a first generation.
    pub(super) fn new(engine: &'static str, version: &'static str, facilities: &Facilities) -> Arc<Self> {
        let audience = Audience::new(Arc::clone(&facilities.wakes), facilities.backlog, facilities.compression);
        Self::for_audience(engine, version, facilities, Arc::new(audience))
    }

    /// For the generation that is to follow on this one: it takes over the clients and their groups. Until then it reaches
    /// none, and its timers wait.
    pub(super) fn succeed(&self, engine: &'static str, version: &'static str) -> Arc<Self> {
        let services = Self::for_audience(engine, version, &self.facilities, Arc::clone(&self.audience));
        services.generation.wait_for_its_turn();
        services.timers.hold();
        services
    }

    fn for_audience(
        engine: &'static str,
        version: &'static str,
        facilities: &Facilities,
        audience: Arc<Audience>,
    ) -> Arc<Self> {
        Arc::new(Services {
            engine,
            version,
            facilities: facilities.clone(),
            generation: Generation::next(engine, version, Arc::clone(&facilities.executor)),
            panics: Arc::default(),
            timers: Timers::new(&facilities.clock, Arc::clone(&facilities.pool), Arc::clone(&audience.activity)),
            audience,
        })
    }

    /// Logs a failure of the engine.
    pub(super) fn report(&self, failure: &EngineFailure, peer: &str) {
        if !failure.location.is_empty() {
            self.panics.note();
        }
        let (engine, version, kind) = (self.engine, self.version, failure.callback);
        if peer.is_empty() {
            tracing::error!(engine, version, kind, "{failure}");
        } else {
            tracing::error!(engine, version, peer, kind, "{failure}");
        }
    }

    /// Whether the instance's handles reach nobody.
    pub(super) fn is_retired(&self) -> bool {
        self.generation.is_retired()
    }

    /// The instance's handles reach nobody from now on, and none of its jobs and timers begins. Calls nothing of the
    /// engine: what its timers hold goes with [`Services::end_timers`].
    pub(super) fn retire(&self) {
        self.generation.retire();
        self.timers.stop();
    }

    /// Runs a job that belongs to no client.
    pub(super) fn spawn(self: &Arc<Self>, job: Job) {
        let services = Arc::clone(self);
        let work = move || {
            // One that is spawned, or still waits, when another generation has taken over is discarded.
            if services.is_retired() {
                return drop(job);
            }
            if let Err(failure) = job.run(Whom::Nobody) {
                services.report(&failure, "");
            }
        };
        if self.is_retired() {
            return drop(work);
        }
        self.facilities.pool.spawn(Box::new(work));
    }

    /// Starts a timer; its first run is after `after`, the others `every` later each.
    pub(super) fn start_timer(self: &Arc<Self>, mut timer: TimerJob, after: Duration, every: Option<Duration>) -> u64 {
        // The timer is the services' own: a count of them in it would keep both for ever.
        let services = Arc::downgrade(self);
        let work: Work = Box::new(move || {
            if let Err(failure) = timer.run()
                && let Some(services) = services.upgrade()
            {
                services.report(&failure, "");
            }
        });
        self.timers.start(work, after, every)
    }

    pub(super) fn cancel_timer(&self, timer: u64) {
        self.timers.cancel(timer);
    }

    /// The timers.
    pub(super) fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Cancels every timer, and starts none from now on.
    pub(super) fn end_timers(&self) {
        self.timers.end();
    }
}
