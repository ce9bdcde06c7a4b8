//! The host's state for one instance of an engine, and its services to it.

use super::{Audience, Client, Core, Job};
use crate::calls::{self, witness};
use crate::client;
use crate::client::audience::{Backlog, Whom};
use crate::engine::metrics::{Kind, Metric, Metrics};
use crate::engine::panics::Panics;
use crate::engine::timers::{Clock, TimerWork, Timers};
use crate::executor::Executor;
use crate::jobs::Pool;
use crate::loops::wakes::Wakes;
use crate::protocol::Opcode;
use crate::protocol::deflate::Compression;
use plugin_api::abi::ClientId;
use plugin_api::hosting::{
    CalledFor, EngineFailure, EngineJob, EngineTimer, Generation, HostServices, Recipients, Whose,
};
use plugin_api::log::{self, Level};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tracing::level_filters::LevelFilter;

/// The facilities that all engines of a host share.
#[derive(Clone, Debug)]
pub struct Facilities {
    /// Threads for calls that may block.
    pub executor: Arc<dyn Executor>,
    /// Runs jobs.
    pub pool: Arc<Pool>,
    /// Runs timers, and `authenticate` for engines that need a worker for it. It is the same pool, except in tests that
    /// hold back jobs.
    pub timely: Arc<Pool>,
    /// Wakes connections from other threads.
    pub wakes: Arc<Wakes>,
    /// The metrics of host and engines.
    pub metrics: Arc<Metrics>,
    /// Hands out timers that are due.
    pub clock: Arc<Clock>,
    /// The limit of one client's backlog.
    pub backlog: Backlog,
    /// How messages are compressed for clients that offer it; `None` if they are not.
    pub compression: Option<Compression>,
    /// The operator's times for ping and close.
    pub keepalive: (Option<Duration>, Option<Duration>),
}

/// The services for one instance. The engine's `Host` handles point here.
#[derive(Debug)]
pub struct Services {
    /// The engine's name and version, for the log.
    engine: &'static str,
    version: &'static str,
    pub(super) audience: Arc<Audience>,
    pub(super) facilities: Facilities,
    /// The generation of its engine.
    pub(super) generation: &'static Generation<Core>,
    /// The calls that ended in a panic.
    pub(super) panics: Arc<Panics>,
    timers: Arc<Timers>,
}

impl Services {
    /// Services for a first generation.
    pub(super) fn new(engine: &'static str, version: &'static str, facilities: &Facilities) -> Arc<Self> {
        let audience = Audience::new(Arc::clone(&facilities.wakes), facilities.backlog, facilities.compression);
        Self::for_audience(engine, version, facilities, Arc::new(audience))
    }

    /// Services for the generation after this one, which takes over the clients and their groups. Until then it reaches
    /// none of them, and its timers wait.
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
            generation: next_generation(engine, version, facilities),
            panics: Arc::default(),
            timers: Timers::new(&facilities.clock, Arc::clone(&facilities.timely), Arc::clone(&audience.activity)),
            audience,
        })
    }

    /// Logs a failure of the engine, in a call for the client at this address, if there is one.
    pub(super) fn report_for(&self, failure: &EngineFailure, peer: &str) {
        if !failure.location.is_empty() {
            self.panics.note();
        }
        let (engine, version, kind) = (self.engine, self.version, failure.callback);
        // The message is the failure itself: a subscriber can have all of it, and not only its words.
        let failure: &(dyn Error + 'static) = failure;
        if peer.is_empty() {
            tracing::error!(message = failure, engine, version, kind);
        } else {
            tracing::error!(message = failure, engine, version, peer, kind);
        }
    }

    /// From now on, the instance's handles reach nobody, and none of its jobs and timers begins. It calls nothing of
    /// the engine: [`Services::end_timers`] drops the data of its timers.
    pub(super) fn retire(&self) {
        self.generation.retire();
        self.timers.stop();
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

/// The next generation, counted over all engines: of this engine, in this version.
fn next_generation(name: &'static str, version: &'static str, facilities: &Facilities) -> &'static Generation<Core> {
    static NUMBERS: AtomicU32 = AtomicU32::new(1);
    let whose = Whose { number: NUMBERS.fetch_add(1, Ordering::Relaxed), name, version };
    calls::register(whose);
    Generation::new(whose, Core { executor: Arc::clone(&facilities.executor) })
}

/// The functions of the host that engines call.
impl HostServices<Core> for Services {
    fn generation(&self) -> &'static Generation<Core> {
        self.generation
    }

    fn log(&self, level: Level, module: &str, message: &str) {
        let engine = self.engine;
        // tracing needs the level at compile time.
        match level {
            Level::Error => tracing::error!(target: "engine", engine, module, "{message}"),
            Level::Warn => tracing::warn!(target: "engine", engine, module, "{message}"),
            Level::Info => tracing::info!(target: "engine", engine, module, "{message}"),
            Level::Debug => tracing::debug!(target: "engine", engine, module, "{message}"),
            Level::Trace => tracing::trace!(target: "engine", engine, module, "{message}"),
        }
    }

    fn log_level(&self) -> log::LevelFilter {
        match LevelFilter::current() {
            LevelFilter::OFF => log::LevelFilter::Off,
            LevelFilter::ERROR => log::LevelFilter::Error,
            LevelFilter::WARN => log::LevelFilter::Warn,
            LevelFilter::INFO => log::LevelFilter::Info,
            LevelFilter::DEBUG => log::LevelFilter::Debug,
            _ => log::LevelFilter::Trace,
        }
    }

    fn note_panic(&self, location: &str, message: &str) {
        witness::panicked(self.generation.whose(), location, message);
    }

    fn forget_panic(&self) {
        witness::caught();
    }

    fn client(&self, id: ClientId) -> Option<Arc<Client>> {
        if id.high == client::run() { self.audience.client(id.low) } else { None }
    }

    fn clients(&self, recipients: Recipients<'_, Client>) -> impl Iterator<Item = Arc<Client>> {
        let except = except(&recipients);
        let clients = self.audience.clients(whom(&recipients)).into_iter();
        clients.filter(move |client| Some(client.number()) != except)
    }

    fn count(&self, recipients: Recipients<'_, Client>) -> usize {
        match recipients.except {
            None => self.audience.count(whom(&recipients)),
            Some(_) => self.clients(recipients).count(),
        }
    }

    fn broadcast_text(&self, recipients: Recipients<'_, Client>, text: &str) -> usize {
        self.audience.broadcast(whom(&recipients), except(&recipients), Opcode::Text, text.as_bytes())
    }

    fn broadcast_binary(&self, recipients: Recipients<'_, Client>, data: &[u8]) -> usize {
        self.audience.broadcast(whom(&recipients), except(&recipients), Opcode::Binary, data)
    }

    fn spawn(self: &Arc<Self>, job: EngineJob<Core>) {
        let job = Job::new(job, self.audience.activity.begin());
        let services = Arc::clone(self);
        let work = move || {
            // If another generation has taken over, jobs that are spawned or still wait are discarded.
            if services.generation.is_retired() {
                return drop(job);
            }
            if let Err(failure) = job.run(CalledFor::Nobody) {
                services.report(&failure);
            }
        };
        if self.generation.is_retired() {
            return drop(work);
        }
        self.facilities.pool.spawn(Box::new(work));
    }

    fn start_timer(self: &Arc<Self>, mut timer: EngineTimer<Core>, after: Duration, every: Option<Duration>) -> u64 {
        // The services own the timer, so a strong reference to them in it would keep both for ever.
        let services = Arc::downgrade(self);
        let work: TimerWork = Box::new(move || {
            if let Err(failure) = timer.run()
                && let Some(services) = services.upgrade()
            {
                services.report(&failure);
            }
        });
        self.timers.start(work, after, every)
    }

    fn cancel_timer(&self, timer: u64) {
        self.timers.cancel(timer);
    }

    fn metric<'l>(&self, kind: Kind, name: &str, labels: impl Iterator<Item = (&'l str, &'l str)>) -> Metric {
        self.facilities.metrics.metric(kind, name, labels.chain([("engine", self.engine)]))
    }

    fn report(&self, failure: &EngineFailure) {
        self.report_for(failure, "");
    }

    fn end(&self) {
        self.retire();
        self.end_timers();
        self.panics.end();
    }
}

fn whom<'a>(recipients: &Recipients<'a, Client>) -> Whom<'a> {
    recipients.group.map_or(Whom::Everyone, Whom::Group)
}

/// The number of the client to leave out.
fn except(recipients: &Recipients<'_, Client>) -> Option<u64> {
    recipients.except.map(Client::number)
}
