//! An engine's instance: safe calls into its table.

use super::client_table::lend;
use super::host_table::Services;
use super::library::Plugin;
use super::object::{EngineFailure, Event, Job};
use crate::client::Client;
use abi_stable::std_types::RStr;
use plugin_api::abi::{
    AcceptView, AnswerHandle, CloseView, ConfigView, EngineObject, EngineTable, HeaderView, RejectView, RequestView,
    Returned, SessionObject,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An engine that runs: made by [`Instance::new`], shut down when dropped, which is after its last session.
pub struct Instance {
    plugin: Plugin,
    table: &'static EngineTable,
    engine: EngineObject,
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
    /// 0 none, 1 TOML, 2 JSON.
    pub format: u32,
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

/// What an engine keeps for one connection. Dropped without [`Instance::on_closed`], it is discarded.
#[derive(Debug)]
pub struct Session {
    object: SessionObject,
    instance: Arc<Instance>,
}

// SAFETY: plugin-api only makes sessions of `Session: Send`.
unsafe impl Send for Session {}

impl Instance {
    /// Makes the engine's instance.
    ///
    /// # Errors
    ///
    /// The error or panic of the engine's `new`.
    pub fn new(plugin: Plugin, config: &Config) -> Result<Arc<Instance>, EngineFailure> {
        let services = Arc::new(Services { engine: plugin.name().to_owned(), ..Services::default() });
        let view = ConfigView {
            text: config.text.as_str().into(),
            source: config.source.as_str().into(),
            format: config.format,
        };
        let table = plugin.engine();
        // SAFETY: the table passed its layout check; the views live for the call.
        let engine = unsafe {
            let made = (table.new)(services.handle(), view);
            EngineFailure::take("new", made.failure)?;
            made.engine
        };
        Ok(Arc::new(Instance { plugin, table, engine, services }))
    }

    /// The plugin that the engine came from.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
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
        // SAFETY: request and answer live for the call.
        let returned = unsafe { (self.table.authenticate)(self.engine, &request, answer) };
        // The session first, so that it is freed on every path below.
        let session = returned.accepted.then(|| Session { object: returned.session, instance: Arc::clone(self) });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take("authenticate", returned.failure)? };
        match (session, told) {
            (Some(session), Told::Accept(template)) => Ok(Answer::Accept(session, template)),
            (None, Told::Reject { status, headers, body }) => Ok(Answer::Reject { status, headers, body }),
            (_, _) => Err(EngineFailure {
                callback: "authenticate",
                message: "the engine gave two answers or none".into(),
                location: String::new(),
            }),
        }
    }

    /// A connection of this engine has opened.
    pub fn on_open(&self, client: &Arc<Client>, session: &mut Session) -> CallbackResult {
        self.services.clients.fetch_add(1, Ordering::Relaxed);
        // SAFETY: see `returned`.
        unsafe { returned("on_open", (self.table.on_open)(self.engine, &lend(client), session.object)) }
    }

    /// A text message came.
    #[inline]
    pub fn on_text(&self, client: &Arc<Client>, session: &mut Session, text: &str) -> CallbackResult {
        // SAFETY: see `returned`.
        unsafe {
            returned("on_text", (self.table.on_text)(self.engine, &lend(client), session.object, RStr::from_str(text)))
        }
    }

    /// A binary message came.
    #[inline]
    pub fn on_binary(&self, client: &Arc<Client>, session: &mut Session, data: &[u8]) -> CallbackResult {
        // SAFETY: see `returned`.
        unsafe {
            returned("on_binary", (self.table.on_binary)(self.engine, &lend(client), session.object, data.into()))
        }
    }

    /// A ping came.
    pub fn on_ping(&self, client: &Arc<Client>, session: &mut Session, data: &[u8]) -> CallbackResult {
        // SAFETY: see `returned`.
        unsafe { returned("on_ping", (self.table.on_ping)(self.engine, &lend(client), session.object, data.into())) }
    }

    /// A pong came.
    pub fn on_pong(&self, client: &Arc<Client>, session: &mut Session, data: &[u8]) -> CallbackResult {
        // SAFETY: see `returned`.
        unsafe { returned("on_pong", (self.table.on_pong)(self.engine, &lend(client), session.object, data.into())) }
    }

    /// A value came that was posted to this client.
    pub fn on_event(&self, client: &Arc<Client>, session: &mut Session, event: Event) -> CallbackResult {
        let event = event.into_object();
        // SAFETY: see `returned`; the engine takes the event over.
        unsafe { returned("on_event", (self.table.on_event)(self.engine, &lend(client), session.object, event)) }
    }

    /// All messages of one read have been handed over.
    pub fn on_read_complete(&self, client: &Arc<Client>, session: &mut Session) -> CallbackResult {
        // SAFETY: see `returned`.
        unsafe {
            returned("on_read_complete", (self.table.on_read_complete)(self.engine, &lend(client), session.object))
        }
    }

    /// The client sent a close frame.
    pub fn on_close(&self, client: &Arc<Client>, session: &mut Session, code: u16, reason: &str) -> CallbackResult {
        let close = CloseView { code, reason: reason.into() };
        // SAFETY: see `returned`.
        unsafe { returned("on_close", (self.table.on_close)(self.engine, &lend(client), session.object, close)) }
    }

    /// The connection is gone. Gives the session back to the engine.
    ///
    /// # Errors
    ///
    /// The panic that ended the callback.
    pub fn on_closed(&self, client: &Arc<Client>, session: Session, code: u16) -> Result<(), EngineFailure> {
        self.services.clients.fetch_sub(1, Ordering::Relaxed);
        let object = session.into_object();
        // SAFETY: the session is this engine's, and given up here.
        unsafe { EngineFailure::take("on_closed", (self.table.on_closed)(self.engine, &lend(client), object, code)) }
    }

    /// Logs a failure of this engine.
    pub fn report(&self, failure: &EngineFailure, peer: &str) {
        let (engine, version) = (self.plugin.name(), self.plugin.version());
        tracing::error!(engine, version, peer, "{failure}");
    }
}

/// What every callback with a session comes to: perhaps a job.
pub type CallbackResult = Result<Option<Job>, EngineFailure>;

/// Takes over what a callback returned.
///
/// # Safety
///
/// The callback was called on its own engine with its own session, which nothing else used meanwhile, and arguments
/// that lived for the call; `returned` is what it returned.
#[inline]
unsafe fn returned(callback: &'static str, returned: Returned) -> CallbackResult {
    if !returned.failure.is_null() {
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(callback, returned.failure)? };
    }
    if returned.job.is_null() {
        return Ok(None);
    }
    // SAFETY: the job is the engine's, just returned.
    Ok(Some(unsafe { Job::take(returned.job) }))
}

impl Session {
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
        // SAFETY: the session is this engine's, and ends here.
        let discarded =
            unsafe { EngineFailure::take("drop of a session", (self.instance.table.discard_session)(self.object)) };
        if let Err(failure) = discarded {
            self.instance.report(&failure, "");
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: every session holds the instance, so none is left.
        let ended = unsafe { EngineFailure::take("drop of the engine", (self.table.shutdown)(self.engine)) };
        if let Err(failure) = ended {
            self.report(&failure, "");
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

unsafe extern "C" fn tell_accept(object: *mut (), view: &AcceptView<'_>) {
    let template =
        Template { subprotocol: view.subprotocol.as_str().to_owned(), headers: owned(view.headers.as_slice()) };
    // SAFETY: the object is the `Told` of the running `authenticate`.
    unsafe { *object.cast::<Told>() = Told::Accept(template) };
}

unsafe extern "C" fn tell_reject(object: *mut (), view: &RejectView<'_>) {
    let told = Told::Reject {
        status: view.status,
        headers: owned(view.headers.as_slice()),
        body: view.body.as_slice().to_owned(),
    };
    // SAFETY: the object is the `Told` of the running `authenticate`.
    unsafe { *object.cast::<Told>() = told };
}

fn owned(headers: &[HeaderView<'_>]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|header| (header.name.as_str().to_owned(), header.value.as_slice().to_owned())).collect()
}
