//! The engine, as the host sees it.

use super::{ClientHandle, CloseView, EventObject, Failure, HostHandle, Returned};
use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr};

/// An engine's name and build: plain data. [`FileManifest`](super::FileManifest) is the same in the file, for reading
/// before the library is opened.
#[repr(C)]
#[derive(StableAbi)]
pub struct Manifest {
    /// The name of the engine's package.
    pub name: RStr<'static>,
    /// The version of the engine's package.
    pub version: RStr<'static>,
    /// The description of the engine's package; may be empty.
    pub description: RStr<'static>,
    /// The version of plugin-api it was built with.
    pub plugin_api: RStr<'static>,
    /// The compiler, as `rustc --version` prints it.
    pub rustc: RStr<'static>,
    /// The target triple.
    pub target: RStr<'static>,
    /// Whether its panics unwind. If they abort, the host cannot contain them.
    pub panic_unwinds: bool,
}

/// An engine's instance: made by `new`, ended by `shutdown`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct EngineObject(pub *const ());

/// One connection's session: made by `authenticate`, ended by `on_closed` or `discard_session`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct SessionObject(pub *mut ());

/// An engine's configuration, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ConfigView<'a> {
    /// The text of the configuration; empty if none was given.
    pub text: RStr<'a>,
    /// The source of the text, for messages: a file's path, or empty.
    pub source: RStr<'a>,
    /// A code of [`Format`](crate::Format): 0 none, 1 TOML, 2 JSON.
    pub format: u32,
}

/// One header of a request or a response, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct HeaderView<'a> {
    /// In lower case in requests.
    pub name: RStr<'a>,
    /// The value as it came; it need not be UTF-8.
    pub value: RSlice<'a, u8>,
}

/// The handshake's request, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RequestView<'a> {
    /// Path and query, as sent.
    pub resource: RStr<'a>,
    /// All headers, in the order sent.
    pub headers: RSlice<'a, HeaderView<'a>>,
    /// The peer's address as text.
    pub peer: RStr<'a>,
}

/// The engine's additions to the host's 101 response, borrowed for the call of `accept`.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct AcceptView<'a> {
    /// One of the subprotocols that the client offered, or empty.
    pub subprotocol: RStr<'a>,
    /// Further response headers.
    pub headers: RSlice<'a, HeaderView<'a>>,
}

/// The engine's refusal, borrowed for the call of `reject`.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RejectView<'a> {
    /// The HTTP status, 400 to 599.
    pub status: u16,
    /// Response headers.
    pub headers: RSlice<'a, HeaderView<'a>>,
    /// The body.
    pub body: RSlice<'a, u8>,
}

/// Receives the answer of `authenticate`. It belongs to the host and is borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct AnswerHandle {
    /// The host's data for the functions below.
    pub object: *mut (),
    /// The client is accepted.
    ///
    /// # Safety
    ///
    /// `object` is this handle's. The call is on the thread and within the call of `authenticate` that got the handle;
    /// the view is borrowed.
    pub accept: unsafe extern "C" fn(object: *mut (), view: &AcceptView<'_>),
    /// The client is refused.
    ///
    /// # Safety
    ///
    /// As for `accept`.
    pub reject: unsafe extern "C" fn(object: *mut (), view: &RejectView<'_>),
}

/// The result of `authenticate`: exactly one of session, refusal (told through `reject`) and failure.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct AuthenticateReturned {
    /// Whether `session` is valid.
    pub accepted: bool,
    /// The session of an accepted client.
    pub session: SessionObject,
    /// The panic that ended the callback, or null.
    pub failure: *mut Failure,
}

/// The result of `new`: an engine, or a failure.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct NewReturned {
    /// The instance, if `failure` is null. The host must shut it down.
    pub engine: EngineObject,
    /// The error or panic of `new`, or null.
    pub failure: *mut Failure,
    /// Whether the failure is that the configuration does not fit.
    pub configuration_at_fault: bool,
}

/// `wshost.engine/1`: an engine's life, for the host to call, in the numbered order on the [crate's front page](crate).
///
/// Calls with one session never overlap; calls with different sessions come from several threads at once. Each runs the
/// author's code, which may take any time, call the host's tables, and panic: then a [`Failure`] is returned.
///
/// # Safety
///
/// For all functions: `engine` came from `new` of this table and has not been shut down, and a [`SessionObject`] was
/// made by this engine and has not been ended. Each function states its further conditions.
#[repr(C)]
#[derive(StableAbi)]
pub struct EngineTable {
    /// A place in the library. It differs in every loaded copy.
    pub origin: &'static u8,
    /// Whether `authenticate` must be called on a worker, because it looks something up.
    pub authenticate_on_worker: bool,
    /// The engine's own default for `--ping-after` in milliseconds; 0 leaves the host's.
    pub ping_after_ms: u64,
    /// The engine's own default for `--close-after-no-pong` in milliseconds; 0 leaves the host's.
    pub close_after_no_pong_ms: u64,

    /// Makes an instance, once for each call. If it fails, there is none, but threads that it has started may go on and
    /// keep their counts of `host`. `[a thread of its own, before any client]`
    ///
    /// # Safety
    ///
    /// One count of `host` is given up; if the engine finds that the host's tables do not fit, that count is never
    /// released. The data of `config` is borrowed.
    pub new: unsafe extern "C" fn(host: HostHandle, config: ConfigView<'_>) -> NewReturned,
    /// Ends the instance, once, as the last of all calls with it. `[any thread]`
    ///
    /// # Safety
    ///
    /// No session of the engine is left, no call with it is under way, and `engine` is given up. Jobs, timers and
    /// events of it may be left, since they do not need it.
    pub shutdown: unsafe extern "C" fn(engine: EngineObject) -> *mut Failure,

    /// Decides about a client, once for each that asks to connect. Calls one of `answer`'s functions exactly once
    /// unless it fails. The host must end a returned session. `[event loop, or worker]`
    ///
    /// # Safety
    ///
    /// `request`, its data, and `answer` are borrowed.
    pub authenticate: unsafe extern "C" fn(
        engine: EngineObject,
        request: &RequestView<'_>,
        answer: AnswerHandle,
    ) -> AuthenticateReturned,
    /// Frees a session that `on_closed` does not get: its client was accepted and never opened, or another generation
    /// has taken over. `[any thread]`
    ///
    /// # Safety
    ///
    /// `session` is given up, and its engine has not been shut down.
    pub discard_session: unsafe extern "C" fn(session: SessionObject) -> *mut Failure,

    /// The connection is open. Called once, as the first call with a session that `authenticate` made. `[event loop]`
    ///
    /// # Safety
    ///
    /// The client is on loan, and the data of the last argument is borrowed; no other call uses the session meanwhile.
    pub on_open: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject) -> Returned,
    /// One text message: once for each, in order, between `on_open` and `on_closed`. `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`; `text` is UTF-8.
    pub on_text: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, text: RStr<'_>) -> Returned,
    /// One binary message: once for each, as `on_text`. `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`.
    pub on_binary: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, data: RSlice<'_, u8>) -> Returned,
    /// A ping: once for each, as `on_text`. `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`.
    pub on_ping: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, data: RSlice<'_, u8>) -> Returned,
    /// A pong: once for each, as `on_text`. `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`.
    pub on_pong: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, data: RSlice<'_, u8>) -> Returned,
    /// A value that `post` sent. Called at most once for each. `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`; `event` belongs to this very library, as its [`EventObject::origin`] says, and is given up.
    pub on_event: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, event: *mut EventObject) -> Returned,
    /// The client is idle: a code of [`Idle`](crate::Idle), 0 if a ping is due, 1 if the pong is missing. Any number of times.
    /// `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`.
    pub on_idle: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, idle: u32) -> Returned,
    /// All messages of one read have been delivered. Any number of times. `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`.
    pub on_read_complete: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject) -> Returned,
    /// The backlog has fallen below half its limit. Any number of times. `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`.
    pub on_drain: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject) -> Returned,
    /// The client sent a close frame that does not answer ours. At most once, with no message after it. `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`.
    pub on_close: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, close: CloseView<'_>) -> Returned,
    /// The connection is gone. Called once for every opened connection, as the last call with its session.
    /// `[event loop]`
    ///
    /// # Safety
    ///
    /// As for `on_open`; the session is given up.
    pub on_closed: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, code: u16) -> *mut Failure,
}
