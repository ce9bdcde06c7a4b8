//! The handle of one connected client.

use super::Fragments;
use crate::abi::{self, ClientHandle, CloseView, Code, EventObject, Failure, PartView};
use crate::contain::entry::entries;
use std::any::Any;
use std::fmt;
use std::time::Duration;

/// One connected client: send to it, close it, ask about it.
///
/// A handle is cheap to clone, works from any thread, and outlives its connection harmlessly: sends to a client that is
/// gone return [`Sent::Gone`]. Sends from a [retired](crate::Host::is_retired) generation of the engine return it as
/// well.
#[repr(transparent)]
pub struct Client(ClientHandle);

// SAFETY: every function of ClientTable may be called on any thread, and the count behind retain/release is the host's.
unsafe impl Send for Client {}
// SAFETY: as above; no function needs exclusive access.
unsafe impl Sync for Client {}

/// The fate of a message or another send. It may be ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Queued, or on its way.
    Sent,
    /// Not queued: this client's backlog is full. Messages and pings count towards the operator's `--max-backlog` with
    /// their bytes and with the cost of keeping each, so that empty ones are limited as well. Values of
    /// [`post`](Client::post) have a limit of their own.
    Backlogged,
    /// Not queued: the connection is closing or gone.
    Gone,
    /// Not queued: the call itself was wrong, such as a ping of 126 bytes. The host logs why.
    Refused,
}

/// The stage of a connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Messages go both ways.
    Open,
    /// A close frame has been sent or received.
    Closing,
    /// The connection is gone.
    Closed,
}

/// Identifies a client, uniquely among all clients of all host runs. It is shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub(crate) abi::ClientId);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0.high, self.0.low)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Calls a function of the client's table on its object.
macro_rules! call {
    ($client:expr, $function:ident $(, $argument:expr)*) => {{
        let handle = &$client.0;
        // SAFETY: the handle owns one count of the object, so it is alive, and the arguments live for the call.
        unsafe { (handle.table.$function)(handle.object $(, $argument)*) }
    }};
}

impl Client {
    /// Views a handle that the host lends for a call.
    pub(crate) fn borrowed(handle: &ClientHandle) -> &Client {
        // SAFETY: Client is a transparent wrapper.
        unsafe { &*std::ptr::from_ref(handle).cast::<Client>() }
    }

    /// Takes over one count of a handle.
    pub(crate) fn owning(handle: ClientHandle) -> Client {
        Client(handle)
    }

    pub(crate) fn object(&self) -> *const () {
        self.0.object.client
    }

    /// Which client this is.
    pub fn id(&self) -> ClientId {
        ClientId(call!(self, id))
    }

    /// The peer's address as text, e.g. `192.0.2.1:4711`.
    pub fn peer(&self) -> &str {
        call!(self, peer).as_str()
    }

    /// Path and query of the request that opened the connection.
    pub fn resource(&self) -> &str {
        call!(self, resource).as_str()
    }

    /// The subprotocol that was agreed on, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        Some(call!(self, subprotocol).as_str()).filter(|name| !name.is_empty())
    }

    /// How long ago the last byte came from the client, to the millisecond.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(call!(self, idle_ms))
    }

    /// Whether the client was pinged because it was idle, and has been silent since.
    pub fn is_pinged(&self) -> bool {
        call!(self, pinged)
    }

    /// Whether the connection is open, closing or closed, as of now.
    pub fn state(&self) -> State {
        State::of(call!(self, state))
    }

    /// The bytes that wait for the socket, as they go over the wire. A message can be refused before they reach the
    /// operator's `--max-backlog`, since that limit also counts the cost of keeping many small messages.
    pub fn buffered(&self) -> usize {
        call!(self, buffered)
    }

    /// Sends a text message.
    pub fn send_text(&self, text: &str) -> Sent {
        Sent::of(call!(self, send_text, text.into()))
    }

    /// Sends a binary message.
    pub fn send_binary(&self, data: &[u8]) -> Sent {
        Sent::of(call!(self, send_binary, data.into()))
    }

    /// Begins a text message that is sent in fragments.
    pub fn text_fragments(&self) -> Fragments<str> {
        Fragments::new(self.clone())
    }

    /// Begins a binary message that is sent in fragments.
    pub fn binary_fragments(&self) -> Fragments<[u8]> {
        Fragments::new(self.clone())
    }

    pub(crate) fn begin_message(&self) -> u64 {
        call!(self, begin_message)
    }

    pub(crate) fn send_part(&self, part: PartView<'_>) -> Sent {
        Sent::of(call!(self, send_part, part))
    }

    pub(crate) fn abandon_message(&self, message: u64) {
        call!(self, abandon_message, message);
    }

    /// Sends a ping of at most 125 bytes, ahead of queued messages (RFC 6455 section 5.5.2).
    ///
    /// Returns [`Sent::Backlogged`] if the backlog is full; the client is not closed for that.
    pub fn ping(&self, data: &[u8]) -> Sent {
        Sent::of(call!(self, ping, data.into()))
    }

    /// Sends a pong of at most 125 bytes, ahead of queued messages (RFC 6455 section 5.5.3). While the client's socket
    /// is blocked, only the newest pong waits for it.
    pub fn pong(&self, data: &[u8]) -> Sent {
        Sent::of(call!(self, pong, data.into()))
    }

    /// Closes the connection after the queued messages are sent.
    ///
    /// `code` is one of [`close_code`](crate::close_code) or 3000 to 4999; 1005 sends a close frame without a code, and
    /// codes that must not be sent (RFC 6455 section 7.4) are refused. A `reason` of over 123 bytes is cut at a character.
    pub fn close(&self, code: u16, reason: &str) -> Sent {
        Sent::of(call!(self, close, CloseView { code, reason: reason.into() }))
    }

    /// Drops the queued messages, then closes as [`close`](Client::close) does.
    pub fn close_now(&self, code: u16, reason: &str) -> Sent {
        Sent::of(call!(self, close_now, CloseView { code, reason: reason.into() }))
    }

    /// Drops queued messages, except for one that the socket has taken in part. Returns the number of bytes dropped.
    pub fn discard_buffered(&self) -> usize {
        call!(self, discard_buffered)
    }

    /// Stops reading from this client until [`resume_reading`](Client::resume_reading).
    ///
    /// Messages that have already been read are still delivered.
    pub fn pause_reading(&self) -> Sent {
        Sent::of(call!(self, pause_reading, true))
    }

    /// Reads from this client again.
    pub fn resume_reading(&self) -> Sent {
        Sent::of(call!(self, pause_reading, false))
    }

    /// Makes this client a member of a group, until it leaves or its connection ends. A group's name has 1 to 255
    /// bytes.
    ///
    /// Returns [`Sent::Gone`] if the connection is already gone, and [`Sent::Refused`] if the name is too long or
    /// empty.
    pub fn join(&self, group: &str) -> Sent {
        Sent::of(call!(self, join, group.into()))
    }

    /// Ends a membership. Returns whether there was one.
    pub fn leave(&self, group: &str) -> bool {
        call!(self, leave, group.into())
    }

    /// Sends a value to this client's own session: the engine's [`on_event`](crate::Engine::on_event) gets it.
    ///
    /// In this way a job's result reaches the session. The value is dropped if the client is gone, or if 65,536 values
    /// already wait for it ([`Sent::Backlogged`]).
    pub fn post(&self, event: impl Any + Send) -> Sent {
        let event: Box<dyn Any + Send> = Box::new(event);
        let crossing = Box::new(Crossing { object: EventObject { origin: &crate::ORIGIN, discard }, event });
        Sent::of(call!(self, post, Box::into_raw(crossing).cast()))
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        call!(self, retain);
        Client(ClientHandle { object: self.0.object, table: self.0.table })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        call!(self, release);
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.object() == other.object()
    }
}

impl Eq for Client {}

impl std::hash::Hash for Client {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.object().hash(state);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} from {})", self.id(), self.peer())
    }
}

/// A posted value as it crosses: the function first, then our own data.
#[repr(C)]
struct Crossing {
    object: EventObject,
    event: Box<dyn Any + Send>,
}

/// Takes back a value that `post` gave away.
///
/// # Safety
///
/// `event` came from this engine's `post` and is handed back once.
pub(crate) unsafe fn take_event(event: *mut EventObject) -> Box<dyn Any + Send> {
    // SAFETY: the caller's promise.
    unsafe { Box::from_raw(event.cast::<Crossing>()) }.event
}

entries! {
    fn discard(event: *mut EventObject) -> *mut Failure {
        // SAFETY: the host hands back what `post` made, once.
        drop(unsafe { take_event(event) });
        std::ptr::null_mut()
    }
}
