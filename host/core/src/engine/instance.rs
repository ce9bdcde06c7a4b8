//! An engine's instance: safe calls into its table.

use super::client_table::lend;
use super::generation::Generation;
use super::guard::table_functions;
use super::host_table;
use super::notice::{Audience, Client};
use super::object::{EngineFailure, Event, Job};
use super::services::{Facilities, Services};
use crate::calls::{Callback, Whom, watched};
use crate::engine::keepalive::{Idle, Keepalive};
use crate::engine::panics::Panics;
use crate::executor::Executor;
use crate::jobs::Pool;
use crate::plugin::Plugin;
use abi_stable::std_types::RStr;
use plugin_api::Format;
use plugin_api::abi::{
    AcceptView, AnswerHandle, ClientHandle, CloseView, Code, ConfigView, EngineObject, EngineTable, HeaderView,
    RejectView, RequestView, Returned, SessionObject,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// An engine that runs: made by [`Unborn::make`]. When it is dropped, which is after its last session, it is shut down,
/// elsewhere.
pub struct Instance {
    plugin: Arc<Plugin>,
    table: &'static EngineTable,
    engine: EngineObject,
    /// What it was made with, to be made again.
    config: Config,
    services: Arc<Services>,
}

// SAFETY: plugin-api only exports `Engine: Send + Sync`, and its callbacks may come from any thread.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

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

/// What an engine adds to the host's response.
#[derive(Debug, Default)]
pub struct Template {
    /// The subprotocol agreed on, or empty.
    pub subprotocol: String,
    /// Response headers; what the engine wrote, unchecked.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What an engine says to a client that asks to connect.
#[derive(Debug)]
pub enum Answer {
    /// It may, with this session.
    Accept(Session, Template),
    /// It may not.
    Reject {
        /// The HTTP status.
        status: u16,
        /// Response headers, unchecked.
        headers: Vec<(String, Vec<u8>)>,
        /// The body.
        body: Vec<u8>,
    },
}

/// What an engine keeps for one connection. Dropped without [`Instance::on_closed`], it is discarded, elsewhere.
#[derive(Debug)]
pub struct Session {
    object: SessionObject,
    instance: Arc<Instance>,
}

// SAFETY: plugin-api only makes sessions of `Session: Send`.
unsafe impl Send for Session {}

/// An engine that is about to be made.
#[derive(Debug)]
pub struct Unborn {
    plugin: Arc<Plugin>,
    config: Config,
    services: Arc<Services>,
}

impl Unborn {
    /// A first generation.
    pub fn first(plugin: Plugin, config: Config, facilities: &Facilities) -> Unborn {
        let services = Services::new(plugin.name(), plugin.version(), facilities);
        Unborn { plugin: Arc::new(plugin), config, services }
    }

    /// The plugin that it comes from.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Makes the instance: calls the engine's `new`, in which it may do what it likes for as long as it likes.
    ///
    /// # Errors
    ///
    /// The error or panic of the engine's `new`.
    pub fn make(self) -> Result<Arc<Instance>, NotMade> {
        let Unborn { plugin, config, services } = self;
        let view = ConfigView {
            text: config.text.as_str().into(),
            source: config.source.as_str().into(),
            format: config.format.code(),
        };
        let table = plugin.engine();
        // SAFETY: the table passed its layout check; the views live for the call.
        let engine = unsafe {
            let new = || (table.new)(host_table::handle(&services), view);
            let made = watched(Callback::New, services.generation.whose(), Whom::Nobody, new);
            EngineFailure::take(Callback::New.name(), made.failure).map_err(|failure| {
                // Its threads may go on.
                services.retire();
                services.end_timers();
                NotMade { failure, configuration_at_fault: made.configuration_at_fault }
            })?;
            made.engine
        };
        Ok(Arc::new(Instance { plugin, table, engine, config, services }))
    }

    /// Threads for what may block.
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.services.facilities.executor
    }

    /// To be called if nobody waits any more for [`Unborn::make`]: the handles that `new` has reach nobody from then on.
    pub fn given_up(&self) -> impl FnOnce() + use<> {
        let services = Arc::clone(&self.services);
        move || {
            services.retire();
            services.end_timers();
        }
    }
}

impl Instance {
    /// What becomes the instance that is to follow on this one: it takes over the clients and their groups. Its handles reach
    /// nobody until its first import or until it has taken over, and its timers wait until then.
    pub fn successor(&self, plugin: Arc<Plugin>, config: Config) -> Unborn {
        let services = self.services.succeed(plugin.name(), plugin.version());
        Unborn { plugin, config, services }
    }

    /// The plugin that the engine came from.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Which generation of its engine it is, counted over all engines of the host.
    pub fn generation(&self) -> u32 {
        self.services.generation.number()
    }

    /// What its handles point to.
    pub(super) fn generation_of_handles(&self) -> &'static Generation {
        self.services.generation
    }

    /// Retires it, for example since another generation has taken over its clients: whatever handles its threads have
    /// reach nobody from now on, and none of its jobs and timers begins. Returns at once and calls nothing of the engine:
    /// what its timers hold is dropped by [`Instance::end_timers`].
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

    /// Whether it, and no other generation, made this event.
    pub fn made(&self, event: &Event) -> bool {
        std::ptr::eq(event.origin(), self.table.origin)
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

    pub(super) fn engine(&self) -> EngineObject {
        self.engine
    }

    /// How its clients are kept alive.
    pub fn keepalive(&self) -> Keepalive {
        let wish = |millis| (millis > 0).then(|| Duration::from_millis(millis));
        let engine = (wish(self.table.ping_after_ms), wish(self.table.close_after_no_pong_ms));
        Keepalive::settle(self.services.facilities.keepalive, engine)
    }

    /// Threads for what may block.
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.services.facilities.executor
    }

    /// The workers that run its jobs.
    pub fn pool(&self) -> &Pool {
        &self.services.facilities.pool
    }

    /// Cancels the engine's timers: the host is about to end it.
    pub fn end_timers(&self) {
        self.services.end_timers();
    }

    /// Whether `authenticate` wants a worker.
    pub fn authenticates_on_worker(&self) -> bool {
        self.table.authenticate_on_worker
    }

    /// Asks the engine about a client that wants to connect. `headers` have lower-case names.
    ///
    /// # Errors
    ///
    /// The panic that ended the callback.
    pub fn authenticate<'h>(
        self: &Arc<Self>,
        resource: &str,
        peer: &str,
        headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Answer, EngineFailure> {
        let headers: Vec<_> =
            headers.map(|(name, value)| HeaderView { name: name.into(), value: value.into() }).collect();
        let request = RequestView { resource: resource.into(), headers: headers.as_slice().into(), peer: peer.into() };
        let mut told = Told::Nothing;
        let answer = AnswerHandle { object: (&raw mut told).cast(), accept: tell_accept, reject: tell_reject };
        let whose = self.services.generation.whose();
        let returned = watched(Callback::Authenticate, whose, Whom::Peer(peer), || {
            // SAFETY: request and answer live for the call.
            unsafe { (self.table.authenticate)(self.engine, &request, answer) }
        });
        // The session first, so that it is freed on every path below.
        let session = returned.accepted.then(|| Session { object: returned.session, instance: Arc::clone(self) });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::Authenticate.name(), returned.failure)? };
        match (session, told) {
            (Some(session), Told::Accept(template)) => Ok(Answer::Accept(session, template)),
            (None, Told::Reject { status, headers, body }) => Ok(Answer::Reject { status, headers, body }),
            (_, _) => Err(EngineFailure {
                callback: Callback::Authenticate.name(),
                message: "the engine gave two answers or none".into(),
                location: String::new(),
            }),
        }
    }

    /// A connection of this engine has opened.
    pub fn on_open(&self, client: &Arc<Client>, session: &mut Session) -> CallbackResult {
        self.call(Callback::Open, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_open)(engine, client, session) }
        })
    }

    /// A text message came.
    #[inline]
    pub fn on_text(&self, client: &Arc<Client>, session: &mut Session, text: &str) -> CallbackResult {
        self.call(Callback::Text, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_text)(engine, client, session, RStr::from_str(text)) }
        })
    }

    /// A binary message came.
    #[inline]
    pub fn on_binary(&self, client: &Arc<Client>, session: &mut Session, data: &[u8]) -> CallbackResult {
        self.call(Callback::Binary, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_binary)(engine, client, session, data.into()) }
        })
    }

    /// A ping came.
    pub fn on_ping(&self, client: &Arc<Client>, session: &mut Session, data: &[u8]) -> CallbackResult {
        self.call(Callback::Ping, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_ping)(engine, client, session, data.into()) }
        })
    }

    /// A pong came.
    pub fn on_pong(&self, client: &Arc<Client>, session: &mut Session, data: &[u8]) -> CallbackResult {
        self.call(Callback::Pong, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_pong)(engine, client, session, data.into()) }
        })
    }

    /// A value came that was posted to this client.
    pub fn on_event(&self, client: &Arc<Client>, session: &mut Session, event: Event) -> CallbackResult {
        let (event, _busy) = event.into_object();
        self.call(Callback::Event, client, session, |table, engine, client, session| {
            // SAFETY: see `call`; the engine takes the event over.
            unsafe { (table.on_event)(engine, client, session, event) }
        })
    }

    /// All messages of one read have been handed over.
    #[inline]
    pub fn on_read_complete(&self, client: &Arc<Client>, session: &mut Session) -> CallbackResult {
        self.call(Callback::ReadComplete, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_read_complete)(engine, client, session) }
        })
    }

    /// The client has been silent for too long.
    pub fn on_idle(&self, client: &Arc<Client>, session: &mut Session, idle: Idle) -> CallbackResult {
        self.call(Callback::Idle, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_idle)(engine, client, session, idle.code()) }
        })
    }

    /// The client's backlog has fallen below half its limit.
    pub fn on_drain(&self, client: &Arc<Client>, session: &mut Session) -> CallbackResult {
        self.call(Callback::Drain, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_drain)(engine, client, session) }
        })
    }

    /// The client sent a close frame.
    pub fn on_close(&self, client: &Arc<Client>, session: &mut Session, code: u16, reason: &str) -> CallbackResult {
        let close = CloseView { code, reason: reason.into() };
        self.call(Callback::Close, client, session, |table, engine, client, session| {
            // SAFETY: see `call`.
            unsafe { (table.on_close)(engine, client, session, close) }
        })
    }

    /// The connection is gone. Gives the session back to the engine.
    ///
    /// # Errors
    ///
    /// The panic that ended the callback.
    pub fn on_closed(&self, client: &Arc<Client>, session: Session, code: u16) -> Result<(), EngineFailure> {
        let session = session.into_object();
        let ended = watched(Callback::Closed, self.services.generation.whose(), called_for(client), || {
            // SAFETY: the session is this engine's, and given up here.
            unsafe { (self.table.on_closed)(self.engine, &lend(client, self.services.generation), session, code) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::Closed.name(), ended) }
    }

    /// Makes a call with a session.
    ///
    /// `call` may pass on what it is given to the function of `callback`: the engine and the session are its own, the
    /// client lives for the call, and `&mut` keeps every other call away from the session.
    #[inline]
    fn call(
        &self,
        callback: Callback,
        client: &Arc<Client>,
        session: &mut Session,
        call: impl FnOnce(&EngineTable, EngineObject, &ClientHandle, SessionObject) -> Returned,
    ) -> CallbackResult {
        let returned = watched(callback, self.services.generation.whose(), called_for(client), || {
            call(self.table, self.engine, &lend(client, self.services.generation), session.object)
        });
        if !returned.failure.is_null() {
            // SAFETY: the failure is the engine's, just returned.
            unsafe { EngineFailure::take(callback.name(), returned.failure)? };
        }
        // SAFETY: the job is the engine's, just returned.
        Ok((!returned.job.is_null()).then(|| unsafe {
            Job::take(self.services.generation, returned.job, self.services.audience.activity.begin())
        }))
    }

    /// Logs a failure of this engine.
    pub fn report(&self, failure: &EngineFailure, peer: &str) {
        self.services.report(failure, peer);
    }
}

/// How a call is noted that is made for a client.
#[inline]
pub fn called_for(client: &Client) -> Whom<'_> {
    Whom::Client { number: client.number(), peer: client.peer() }
}

/// Why an engine's instance could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMade {
    /// What the engine's `new` said.
    pub failure: EngineFailure,
    /// Whether it said that its configuration does not fit.
    pub configuration_at_fault: bool,
}

/// What every callback with a session comes to: perhaps a job.
pub type CallbackResult = Result<Option<Job>, EngineFailure>;

impl Session {
    /// A session that the engine made.
    pub(super) fn new(object: SessionObject, instance: Arc<Instance>) -> Session {
        Session { object, instance }
    }

    pub(super) fn object(&self) -> SessionObject {
        self.object
    }

    /// The engine whose session this is.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    fn into_object(mut self) -> SessionObject {
        std::mem::replace(&mut self.object, SessionObject(std::ptr::null_mut()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.object.0.is_null() {
            return;
        }
        const CALLBACK: Callback = Callback::DropOfSession;
        let object = std::mem::replace(&mut self.object, SessionObject(std::ptr::null_mut()));
        let session = Session { object, instance: Arc::clone(&self.instance) };
        self.instance.services.generation.end(CALLBACK.name(), move || {
            let instance = Arc::clone(&session.instance);
            let object = session.into_object();
            let discarded = watched(CALLBACK, instance.services.generation.whose(), Whom::Nobody, || {
                // SAFETY: the session is this engine's, and ends here.
                unsafe { (instance.table.discard_session)(object) }
            });
            // SAFETY: the failure is the engine's, just returned.
            if let Err(failure) = unsafe { EngineFailure::take(CALLBACK.name(), discarded) } {
                instance.report(&failure, "");
            }
        });
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.services.retire();
        self.services.end_timers();
        self.services.panics.end();
        let ending = Ending {
            engine: self.engine,
            table: self.table,
            services: Arc::clone(&self.services),
            _plugin: Arc::clone(&self.plugin),
        };
        self.services.generation.end(Ending::CALLBACK.name(), move || ending.run());
    }
}

/// What is left of an instance that nobody holds any more.
struct Ending {
    engine: EngineObject,
    table: &'static EngineTable,
    services: Arc<Services>,
    _plugin: Arc<Plugin>,
}

// SAFETY: the engine is `Send + Sync`, see `Instance`.
unsafe impl Send for Ending {}

impl Ending {
    const CALLBACK: Callback = Callback::DropOfEngine;

    fn run(self) {
        let ended = watched(Self::CALLBACK, self.services.generation.whose(), Whom::Nobody, || {
            // SAFETY: every session held the instance, so none is left.
            unsafe { (self.table.shutdown)(self.engine) }
        });
        // SAFETY: the failure is the engine's, just returned.
        if let Err(failure) = unsafe { EngineFailure::take(Self::CALLBACK.name(), ended) } {
            self.services.report(&failure, "");
        }
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance({} {})", self.plugin.name(), self.plugin.version())
    }
}

/// What an engine told through its [`AnswerHandle`].
enum Told {
    Nothing,
    Accept(Template),
    Reject { status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8> },
}

table_functions! {
    fn tell_accept(object: *mut (), view: &AcceptView<'_>), else () => {
        let template =
            Template { subprotocol: view.subprotocol.as_str().to_owned(), headers: owned(view.headers.as_slice()) };
        // SAFETY: the object is the `Told` of the running `authenticate`.
        unsafe { *object.cast::<Told>() = Told::Accept(template) };
    }

    fn tell_reject(object: *mut (), view: &RejectView<'_>), else () => {
        let told = Told::Reject {
            status: view.status,
            headers: owned(view.headers.as_slice()),
            body: view.body.as_slice().to_owned(),
        };
        // SAFETY: the object is the `Told` of the running `authenticate`.
        unsafe { *object.cast::<Told>() = told };
    }
}

fn owned(headers: &[HeaderView<'_>]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|header| (header.name.as_str().to_owned(), header.value.as_slice().to_owned())).collect()
}
