//! An engine's instance before it is made, and the core's data for it.

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
    /// The text; empty if none was given.
    pub text: String,
    /// The source of the text, for messages.
    pub source: String,
    /// The format of the text.
    pub format: Format,
}

impl Config {
    /// Reads a file: JSON if its name ends in `.json`, else TOML.
    ///
    /// # Errors
    ///
    /// The system cannot read the file, or the file is not text.
    pub fn read(file: &Path) -> io::Result<Config> {
        let json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let text = std::fs::read_to_string(file)?;
        Ok(Config { text, source: file.display().to_string(), format: if json { Format::Json } else { Format::Toml } })
    }
}

/// The core's data for an instance of an engine. It is dropped after the engine.
pub struct Attached {
    plugin: Arc<Plugin>,
    /// The configuration that it was made with, to make it again.
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

    /// Makes the instance by calling the engine's `new`, which may do anything and take any time.
    ///
    /// # Errors
    ///
    /// The error or panic of the engine's `new`.
    pub fn make(self) -> Result<Arc<Instance>, NotMade> {
        Instance::make(self.0.plugin.tables(), self.0)
    }

    /// Threads for calls that may block.
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.0.services.facilities.executor
    }

    /// Returns a function to call if nobody waits for [`Unborn::make`] any more. From then on, `new`'s handles reach
    /// nobody.
    pub fn given_up(&self) -> impl FnOnce() + use<> {
        let services = Arc::clone(&self.0.services);
        move || services.end()
    }
}

impl Attached {
    /// The next generation after this instance, which takes over the clients and their groups. Its handles reach nobody
    /// until its first import or until it has taken over, and its timers wait until then.
    pub fn successor(&self, plugin: Arc<Plugin>, config: Config) -> Unborn {
        let services = self.services.succeed(plugin.name(), plugin.version());
        Unborn(Attached { plugin, config, services })
    }

    /// The plugin that the engine came from.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// The number of this generation, counted over all engines of the host.
    pub fn generation(&self) -> u32 {
        self.services.generation.number()
    }

    /// Retires it, for example because another generation has taken over its clients. From now on its handles reach
    /// nobody, and none of its jobs and timers begins. This returns at once and calls nothing of the engine:
    /// [`Attached::end_timers`] drops the data of its timers.
    pub fn retire(&self) {
        self.services.retire();
    }

    /// The number of calls and jobs that have panicked so far.
    pub fn panics(&self) -> u32 {
        self.services.panics.count()
    }

    /// The counter of panics, to wait for more.
    pub(crate) fn panic_count(&self) -> &Arc<Panics> {
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

    /// Lets its handles reach the clients from now on, since it is about to take over.
    pub fn begin(&self) {
        self.services.generation.begin();
    }

    /// Lets the timers run, since it goes on or has taken over.
    pub(crate) fn release_timers(&self) {
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

    /// Threads for calls that may block.
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.services.facilities.executor
    }

    /// The workers that run its jobs.
    pub fn pool(&self) -> &Pool {
        &self.services.facilities.pool
    }

    /// The workers that run its timers, and its `authenticate` if that needs a worker.
    pub fn timely(&self) -> &Pool {
        &self.services.facilities.timely
    }

    /// Cancels the engine's timers, since the host is about to end it.
    pub fn end_timers(&self) {
        self.services.end_timers();
    }

    /// Whether `authenticate` needs a worker.
    pub fn authenticates_on_worker(&self) -> bool {
        self.plugin.tables().authenticates_on_worker()
    }

    /// Logs a failure of this engine, in a call for the client at this address, if there is one.
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
