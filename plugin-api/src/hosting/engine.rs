//! Safe calls into an engine: its instance, and its sessions.

use super::guard::host_functions;
use super::{
    Callback, CalledFor, EngineEvent, EngineFailure, EngineJob, EngineTables, Generation, HostInstance, HostServices,
    Hosting, client, services,
};
use crate::Idle;
use crate::abi::{
    AcceptView, AnswerHandle, ClientHandle, CloseView, Code, EngineObject, EngineTable, HandoverTable, HeaderView,
    RejectView, RequestView, Returned, SessionObject,
};
use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::ops::Deref;
use std::ptr::null_mut;
use std::sync::Arc;

/// An engine's instance, with the host's data for it, to which it dereferences.
///
/// It is dropped after its last session, and the engine is then shut down on another thread.
pub struct LoadedEngine<H: Hosting> {
    table: &'static EngineTable,
    pub(super) handover: Option<&'static HandoverTable>,
    pub(super) object: EngineObject,
    pub(super) generation: &'static Generation<H>,
    /// Dropped after the engine.
    instance: ManuallyDrop<H::Instance>,
}

// SAFETY: plugin-api only exports `Engine: Send + Sync`, whose callbacks may come from any thread; the rest is Send and
// Sync as well.
unsafe impl<H: Hosting> Send for LoadedEngine<H> {}
// SAFETY: as above.
unsafe impl<H: Hosting> Sync for LoadedEngine<H> {}

/// An engine's additions to the host's response.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The agreed subprotocol, or empty.
    pub subprotocol: String,
    /// Response headers, as the engine wrote them, unchecked.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// The engine's answer to a client that asks to connect.
#[derive(Debug)]
pub enum Admission<H: Hosting> {
    /// The client may connect, with this session.
    Accepted(EngineSession<H>, Template),
    /// The client may not connect.
    Rejected {
        /// The HTTP status, unchecked.
        status: u16,
        /// Response headers, unchecked.
        headers: Vec<(String, Vec<u8>)>,
        /// The body.
        body: Vec<u8>,
    },
}

/// Why an engine's instance could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotMade {
    /// The failure of the engine's `new`.
    pub failure: EngineFailure,
    /// Whether the engine said that its configuration does not fit.
    pub configuration_at_fault: bool,
}

/// The result of every callback with a session: perhaps a job.
pub type Called<H> = Result<Option<EngineJob<H>>, EngineFailure>;

impl<H: Hosting> LoadedEngine<H> {
    /// Makes an instance by calling the engine's `new`, which may do anything and take any time.
    ///
    /// # Errors
    ///
    /// The error or panic of the engine's `new`. The services have ended by then, but threads of the engine may go on.
    pub fn make(tables: EngineTables, instance: H::Instance) -> Result<Arc<Self>, NotMade> {
        let (table, generation) = (tables.engine, instance.services().generation());
        let made = H::call(Callback::New, generation.whose(), CalledFor::Nobody, || {
            // SAFETY: EngineTable::new: the count of the handle is given away, and the view lives for the call.
            unsafe { (table.new)(services::handle::<H>(instance.services()), instance.config()) }
        });
        // SAFETY: the failure is the engine's, just returned.
        if let Err(failure) = unsafe { EngineFailure::take(Callback::New, made.failure) } {
            instance.services().end();
            return Err(NotMade { failure, configuration_at_fault: made.configuration_at_fault });
        }
        let (handover, object) = (tables.handover, made.engine);
        Ok(Arc::new(LoadedEngine { table, handover, object, generation, instance: ManuallyDrop::new(instance) }))
    }

    /// Whether this generation, and no other, made this event.
    pub fn made(&self, event: &EngineEvent<H>) -> bool {
        std::ptr::eq(event.origin(), self.table.origin)
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
    ) -> Result<Admission<H>, EngineFailure> {
        const CALLBACK: Callback = Callback::Authenticate;
        let headers: Vec<_> =
            headers.map(|(name, value)| HeaderView { name: name.into(), value: value.into() }).collect();
        let request = RequestView { resource: resource.into(), headers: headers.as_slice().into(), peer: peer.into() };
        let mut told = Told::Nothing;
        let answer = AnswerHandle { object: (&raw mut told).cast(), accept: accept::<H>, reject: reject::<H> };
        let returned = H::call(CALLBACK, self.generation.whose(), CalledFor::Peer(peer), || {
            // SAFETY: EngineTable::authenticate: request and answer live for the call.
            unsafe { (self.table.authenticate)(self.object, &request, answer) }
        });
        // Take the session first, so that it is freed on every path below.
        let session = returned.accepted.then(|| EngineSession::new(returned.session, Arc::clone(self)));
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(CALLBACK, returned.failure)? };
        match (session, told) {
            (Some(session), Told::Accept(template)) => Ok(Admission::Accepted(session, template)),
            (None, Told::Reject { status, headers, body }) => Ok(Admission::Rejected { status, headers, body }),
            (_, _) => Err(EngineFailure::of_host(CALLBACK, "the engine gave two answers or none")),
        }
    }
}

impl<H: Hosting> Deref for LoadedEngine<H> {
    type Target = H::Instance;

    fn deref(&self) -> &H::Instance {
        &self.instance
    }
}

impl<H: Hosting> fmt::Debug for LoadedEngine<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.generation.whose();
        write!(f, "LoadedEngine({} {})", whose.name, whose.version)
    }
}

impl<H: Hosting> Drop for LoadedEngine<H> {
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        let instance = unsafe { ManuallyDrop::take(&mut self.instance) };
        instance.services().end();
        let ending = Ending::<H> { table: self.table, object: self.object, generation: self.generation, instance };
        H::end_elsewhere(self.generation, Ending::<H>::CALLBACK, move || ending.run());
    }
}

/// The rest of an engine that nobody holds any more.
struct Ending<H: Hosting> {
    table: &'static EngineTable,
    object: EngineObject,
    generation: &'static Generation<H>,
    instance: H::Instance,
}

// SAFETY: the engine is `Send + Sync`, see `LoadedEngine`, and so is the rest.
unsafe impl<H: Hosting> Send for Ending<H> {}

impl<H: Hosting> Ending<H> {
    const CALLBACK: Callback = Callback::DropOfEngine;

    fn run(self) {
        let ended = H::call(Self::CALLBACK, self.generation.whose(), CalledFor::Nobody, || {
            // SAFETY: EngineTable::shutdown: every session held the engine, so none is left.
            unsafe { (self.table.shutdown)(self.object) }
        });
        // SAFETY: the failure is the engine's, just returned.
        if let Err(failure) = unsafe { EngineFailure::take(Self::CALLBACK, ended) } {
            self.instance.services().report(&failure);
        }
    }
}

/// The engine's data for one connection. If it is dropped without [`on_closed`](EngineSession::on_closed), it is
/// discarded on another thread.
pub struct EngineSession<H: Hosting> {
    /// Null once it has been given up.
    object: SessionObject,
    engine: Arc<LoadedEngine<H>>,
}

// SAFETY: plugin-api only makes sessions of `Session: Send`.
unsafe impl<H: Hosting> Send for EngineSession<H> {}

/// The callbacks of a session, each with the argument for the table's function of the same name.
macro_rules! callbacks {
    ($(
        $(#[$doc:meta])*
        $callback:ident: $name:ident($($argument:ident: $type:ty),*) $(crosses as $crossing:expr)?;
    )+) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(&mut self, client: &Arc<H::Client>, $($argument: $type),*) -> Called<H> {
            self.call(Callback::$callback, client, |table, engine, client, session| {
                // SAFETY: EngineTable's function of this name: engine and session belong together, `&mut self` keeps
                // every other call away from the session, and client and argument live for the call.
                unsafe { (table.$name)(engine, client, session, $($crossing)?) }
            })
        }
    )+};
}

impl<H: Hosting> EngineSession<H> {
    callbacks! {
        /// The connection has opened.
        Open: on_open();
        /// A text message came.
        Text: on_text(text: &str) crosses as text.into();
        /// A binary message came.
        Binary: on_binary(data: &[u8]) crosses as data.into();
        /// A ping came.
        Ping: on_ping(data: &[u8]) crosses as data.into();
        /// A pong came.
        Pong: on_pong(data: &[u8]) crosses as data.into();
        /// The client has been silent for too long.
        Idle: on_idle(idle: Idle) crosses as idle.code();
        /// All messages of one read have been delivered.
        ReadComplete: on_read_complete();
        /// The client's backlog has fallen below half its limit.
        Drain: on_drain();
        /// The client sent a close frame.
        Close: on_close(code: u16, reason: &str) crosses as CloseView { code, reason: reason.into() };
    }

    /// A value came that was posted to this client. This generation cannot read a value of an earlier one, which is
    /// discarded.
    pub fn on_event(&mut self, client: &Arc<H::Client>, event: EngineEvent<H>) -> Called<H> {
        if !self.engine.made(&event) {
            return Ok(None);
        }
        let event = event.into_object();
        self.call(Callback::Event, client, |table, engine, client, session| {
            // SAFETY: as for the callbacks above; the event belongs to the engine, and is given up to it.
            unsafe { (table.on_event)(engine, client, session, event) }
        })
    }

    /// Gives the session back to the engine, since the connection is gone.
    ///
    /// # Errors
    ///
    /// The panic that ended the callback.
    pub fn on_closed(mut self, client: &Arc<H::Client>, code: u16) -> Result<(), EngineFailure> {
        let (session, engine) = (self.give_up(), &*self.engine);
        let ended = H::call(Callback::Closed, engine.generation.whose(), CalledFor::Client(&**client), || {
            let client = client::lend::<H>(client, engine.generation);
            // SAFETY: EngineTable::on_closed: the session is this engine's, and given up here.
            unsafe { (engine.table.on_closed)(engine.object, &client, session, code) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::Closed, ended) }
    }

    /// A session that the engine made.
    pub(super) fn new(object: SessionObject, engine: Arc<LoadedEngine<H>>) -> Self {
        EngineSession { object, engine }
    }

    pub(super) fn object(&self) -> SessionObject {
        self.object
    }

    /// The engine whose session this is.
    pub fn engine(&self) -> &Arc<LoadedEngine<H>> {
        &self.engine
    }

    fn give_up(&mut self) -> SessionObject {
        mem::replace(&mut self.object, SessionObject(null_mut()))
    }

    #[inline]
    fn call(
        &mut self,
        callback: Callback,
        client: &Arc<H::Client>,
        call: impl FnOnce(&EngineTable, EngineObject, &ClientHandle, SessionObject) -> Returned,
    ) -> Called<H> {
        let engine = &*self.engine;
        let returned = H::call(callback, engine.generation.whose(), CalledFor::Client(&**client), || {
            call(engine.table, engine.object, &client::lend::<H>(client, engine.generation), self.object)
        });
        // SAFETY: failure and job are the engine's, just returned.
        unsafe {
            EngineFailure::take(callback, returned.failure)?;
            Ok((!returned.job.is_null()).then(|| EngineJob::take(engine.generation, returned.job)))
        }
    }
}

impl<H: Hosting> fmt::Debug for EngineSession<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineSession(of {:?})", self.engine)
    }
}

impl<H: Hosting> Drop for EngineSession<H> {
    fn drop(&mut self) {
        if self.object.0.is_null() {
            return;
        }
        let left = LeftSession { object: self.give_up(), engine: Arc::clone(&self.engine) };
        H::end_elsewhere(self.engine.generation, LeftSession::<H>::CALLBACK, move || left.discard());
    }
}

/// A session that nobody holds any more.
struct LeftSession<H: Hosting> {
    object: SessionObject,
    engine: Arc<LoadedEngine<H>>,
}

// SAFETY: as for `EngineSession`.
unsafe impl<H: Hosting> Send for LeftSession<H> {}

impl<H: Hosting> LeftSession<H> {
    const CALLBACK: Callback = Callback::DropOfSession;

    fn discard(self) {
        let engine = &*self.engine;
        let discarded = H::call(Self::CALLBACK, engine.generation.whose(), CalledFor::Nobody, || {
            // SAFETY: EngineTable::discard_session: the session is this engine's, and ends here.
            unsafe { (engine.table.discard_session)(self.object) }
        });
        // SAFETY: the failure is the engine's, just returned.
        if let Err(failure) = unsafe { EngineFailure::take(Self::CALLBACK, discarded) } {
            engine.services().report(&failure);
        }
    }
}

/// The engine's answer through its [`AnswerHandle`].
enum Told {
    Nothing,
    Accept(Template),
    Reject { status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8> },
}

host_functions! {
    fn accept(object: *mut (), view: &AcceptView<'_>), else () => {
        let template =
            Template { subprotocol: view.subprotocol.as_str().to_owned(), headers: owned(view.headers.as_slice()) };
        // SAFETY: AnswerHandle::accept: the object is the `Told` of the running `authenticate`.
        unsafe { *object.cast::<Told>() = Told::Accept(template) };
    }

    fn reject(object: *mut (), view: &RejectView<'_>), else () => {
        let (status, headers) = (view.status, owned(view.headers.as_slice()));
        let told = Told::Reject { status, headers, body: view.body.as_slice().to_owned() };
        // SAFETY: AnswerHandle::reject: the object is the `Told` of the running `authenticate`.
        unsafe { *object.cast::<Told>() = told };
    }
}

fn owned(headers: &[HeaderView<'_>]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|header| (header.name.as_str().to_owned(), header.value.as_slice().to_owned())).collect()
}
