//! The engine, as the host sees it.

use super::{ClientHandle, CloseView, EventObject, Failure, HostHandle, Returned};
use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr};

/// Who an engine is and how it was built: plain data. [`FileManifest`](super::FileManifest) is the same in the file, to be
/// read before the library is opened.
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
    /// Whether its panics unwind. Where they abort, the host cannot contain them.
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
    /// The text of the configuration; empty where none was given.
    pub text: RStr<'a>,
    /// Where it comes from, for messages: a file's path, or empty.
    pub source: RStr<'a>,
    /// 0 none, 1 TOML, 2 JSON.
    pub format: u32,
}

/// One header of a request or a response, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct HeaderView<'a> {
    /// Lower case in requests.
    pub name: RStr<'a>,
    /// As it came; not always UTF-8.
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

/// What the engine adds to the host's 101 response, borrowed for the call of `accept`.
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

/// Where `authenticate` tells its answer; for use during the call only.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct AnswerHandle {
    /// The host's, for the functions below.
    pub object: *mut (),
    /// The client is accepted.
    pub accept: unsafe extern "C" fn(object: *mut (), view: &AcceptView<'_>),
    /// The client is refused.
    pub reject: unsafe extern "C" fn(object: *mut (), view: &RejectView<'_>),
}

/// What `authenticate` returns: exactly one of session, refusal (told through `reject`) and failure.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct AuthenticateReturned {
    /// Whether `session` is one.
    pub accepted: bool,
    /// The session of an accepted client.
    pub session: SessionObject,
    /// The panic that ended the callback, or null.
    pub failure: *mut Failure,
}

/// What `new` returns: an engine, or why there is none.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct NewReturned {
    /// The instance, where `failure` is null.
    pub engine: EngineObject,
    /// The error or panic of `new`, or null.
    pub failure: *mut Failure,
    /// Whether the failure is that the configuration does not fit.
    pub configuration_at_fault: bool,
}

/// `wshost.engine/1`: an engine's life, in the order of its numbers in the [crate's front page](crate).
///
/// Calls for one connection never overlap; calls for different connections come from several threads at once.
#[repr(C)]
#[derive(StableAbi)]
pub struct EngineTable {
    /// A place in the library: every loaded copy has another.
    pub origin: &'static u8,
    /// Whether `authenticate` wants to be called on a worker, because it looks something up.
    pub authenticate_on_worker: bool,
    /// The engine's own default for `--ping-after` in milliseconds; 0 leaves the host's.
    pub ping_after_ms: u64,
    /// The engine's own default for `--close-after-no-pong` in milliseconds; 0 leaves the host's.
    pub close_after_no_pong_ms: u64,

    /// Makes the instance. Takes over one count of `host`, unless it finds that the host's tables do not fit.
    /// `[main thread]`
    pub new: unsafe extern "C" fn(host: HostHandle, config: ConfigView<'_>) -> NewReturned,
    /// Ends the instance, after the last session has ended. `[any thread]`
    pub shutdown: unsafe extern "C" fn(engine: EngineObject) -> *mut Failure,

    /// Decides about a client. Calls one of `answer`'s functions exactly once unless it fails.
    /// `[event loop, or worker]`
    pub authenticate: unsafe extern "C" fn(
        engine: EngineObject,
        request: &RequestView<'_>,
        answer: AnswerHandle,
    ) -> AuthenticateReturned,
    /// Frees the session of a client that was accepted and never opened.
    pub discard_session: unsafe extern "C" fn(session: SessionObject) -> *mut Failure,

    /// The connection is open. `[event loop]`
    pub on_open: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject) -> Returned,
    /// One text message. `[event loop]`
    pub on_text: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, text: RStr<'_>) -> Returned,
    /// One binary message. `[event loop]`
    pub on_binary: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, data: RSlice<'_, u8>) -> Returned,
    /// A ping. `[event loop]`
    pub on_ping: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, data: RSlice<'_, u8>) -> Returned,
    /// A pong. `[event loop]`
    pub on_pong: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, data: RSlice<'_, u8>) -> Returned,
    /// A value that `post` sent; taken over in any case. `[event loop]`
    pub on_event: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, event: *mut EventObject) -> Returned,
    /// The client is idle: 0, a ping is due; 1, the pong is missing. `[event loop]`
    pub on_idle: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, idle: u32) -> Returned,
    /// All that one read brought has been handed over. `[event loop]`
    pub on_read_complete: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject) -> Returned,
    /// The backlog has fallen below half its limit. `[event loop]`
    pub on_drain: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject) -> Returned,
    /// The client sent a close frame. `[event loop]`
    pub on_close: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, close: CloseView<'_>) -> Returned,
    /// The connection is gone; takes the session over. Once for every `on_open`. `[event loop]`
    pub on_closed: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject, code: u16) -> *mut Failure,
}
