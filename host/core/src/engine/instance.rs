//! What becomes an engine's instance, and what the core keeps with it.

use super::services::{Facilities, Services};
use super::{Audience, Core, Instance};
use crate::engine::keepalive::Keepalive;
use crate::engine::panics::Panics;
use crate::executor::Executor;
use crate::jobs::Pool;
use crate::plugin::Plugin;
use plugin_api::Format;
use plugin_api::abi::{Code, ConfigView};
use plugin_api::hosting::{EngineFailure, HostInstance, HostServices, NotMade};
use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

/// The configuration of an engine, as text.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The text; empty where none was given.
    pub text: String,
    /// Where it comes from, for messages.
    pub source: String,
    /// How it is written.
    pub format: Format,
}

impl Config {
    /// Reads a file: JSON where its name ends in `.json`, else TOML.
    ///
    /// # Errors
    ///
    /// What the system says, or that the file is not text.
    pub fn read(file: &Path) -> io::Result<Config> {
        let json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let text = std::fs::read_to_string(file)?;
        Ok(Config { text, source: file.display().to_string(), format: if json { Format::Json } else { Format::Toml } })
    }
}

/// What the core keeps with an instance of an engine; it goes behind the engine.
pub struct Attached {
    plugin: Arc<Plugin>,
    /// What it was made with, to be made again.
    config: Config,
    services: Arc<Services>,
}

/// An engine that is about to be made.
#[derive(Debug)]
pub struct Unborn(Attached);

impl Unborn {
    /// A first generation.
    pub fn first(plugin: Plugin, config: Config, facilities: &Facilities) -> Unborn {
        let services = Services::new(plugin.name(), plugin.version(), facilities);
        Unborn(Attached { plugin: Arc::new(plugin), config, services })
    }

    /// The plugin that it comes from.
    pub fn plugin(&self) -> &Plugin {
        &self.0.plugin
    }

    /// Makes the instance: calls the engine's `new`, in which it may do what it likes for as long as it likes.
    ///
    /// # Errors
    ///
    /// The error or panic of the engine's `new`.
    pub fn make(self) -> Result<Arc<Instance>, NotMade> {
        Instance::make(self.0.plugin.tables(), self.0)
    }

    /// Threads for what may block.
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.0.services.facilities.executor
    }

    /// To be called if nobody waits any more for [`Unborn::make`]: the handles that `new` has reach nobody from then on.
    pub fn given_up(&self) -> impl FnOnce() + use<> {
        let services = Arc::clone(&self.0.services);
        move || services.end()
    }
}

impl Attached {
    /// What becomes the instance that is to follow on this one: it takes over the clients and their groups. Its handles reach
    /// nobody until its first import or until it has taken over, and its timers wait until then.
    pub fn successor(&self, plugin: Arc<Plugin>, config: Config) -> Unborn {
        let services = self.services.succeed(plugin.name(), plugin.version());
        Unborn(Attached { plugin, config, services })
    }

    /// The plugin that the engine came from.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Which generation of its engine it is, counted over all engines of the host.
    pub fn generation(&self) -> u32 {
        self.services.generation.number()
    }

    /// Retires it, for example since another generation has taken over its clients: whatever handles its threads have
    /// reach nobody from now on, and none of its jobs and timers begins. Returns at once and calls nothing of the engine:
    /// what its timers hold is dropped by [`Attached::end_timers`].
    pub fn retire(&self) {
        self.services.retire();
    }

    /// Calls and jobs that have panicked so far.
    pub fn panics(&self) -> u32 {
        self.services.panics.count()
    }

    /// The count of them, to wait for more.
    pub fn panic_count(&self) -> &Arc<Panics> {
        &self.services.panics
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Begins no run of a timer from now on.
    pub fn hold_timers(&self) {
        self.services.timers().hold();
    }

    /// Its handles reach the clients from now on: it is about to take over.
    pub fn begin(&self) {
        self.services.generation.begin();
    }

    /// Lets the timers run: it goes on, or has taken over.
    pub fn release_timers(&self) {
        self.begin();
        self.services.timers().release();
    }

    /// The connected clients.
    pub fn audience(&self) -> &Arc<Audience> {
        &self.services.audience
    }

    /// How its clients are kept alive.
    pub fn keepalive(&self) -> Keepalive {
        Keepalive::settle(self.services.facilities.keepalive, self.plugin.tables().keepalive_wishes())
    }

    /// Threads for what may block.
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.services.facilities.executor
    }

    /// The workers that run its jobs.
    pub fn pool(&self) -> &Pool {
        &self.services.facilities.pool
    }

    /// The workers that run its timers, and its `authenticate` if that wants one.
    pub fn timely(&self) -> &Pool {
        &self.services.facilities.timely
    }

    /// Cancels the engine's timers: the host is about to end it.
    pub fn end_timers(&self) {
        self.services.end_timers();
    }

    /// Whether `authenticate` wants a worker.
    pub fn authenticates_on_worker(&self) -> bool {
        self.plugin.tables().authenticates_on_worker()
    }

    /// Logs a failure of this engine, in a call for the client at this address, if it was for one.
    pub fn report(&self, failure: &EngineFailure, peer: &str) {
        self.services.report_for(failure, peer);
    }
}

impl HostInstance<Core> for Attached {
    fn services(&self) -> &Arc<Services> {
        &self.services
    }

    fn config(&self) -> ConfigView<'_> {
        let Config { text, source, format } = &self.config;
        ConfigView { text: text.as_str().into(), source: source.as_str().into(), format: format.code() }
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attached({} {})", self.plugin.name(), self.plugin.version())
    }
}
