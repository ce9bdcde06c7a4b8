//! One connected client, as an engine sees it.

use super::EventObject;
use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr};

/// A client in the hands of one generation of its engine: two of the host's pointers.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ClientObject {
    /// The client. Counted by `retain` and `release`; outlives its connection harmlessly.
    pub client: *const (),
    /// The generation that was given this handle, valid for as long as the process. Once it is retired, the handle
    /// reaches nobody.
    pub generation: *const (),
}

impl ClientObject {
    /// No client.
    pub const NONE: ClientObject = ClientObject { client: std::ptr::null(), generation: std::ptr::null() };
}

/// A client: an object of the host's and the functions that take it.
#[repr(C)]
#[derive(StableAbi)]
pub struct ClientHandle {
    /// What the functions take.
    pub object: ClientObject,
    /// The host's table for it.
    pub table: &'static ClientTable,
}

/// A part of a message that is sent in fragments, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct PartView<'a> {
    /// Which message: what `begin_message` returned.
    pub message: u64,
    /// Whether the message is binary; the same for all its parts.
    pub binary: bool,
    /// Whether this part is the last.
    pub last: bool,
    /// The part's bytes.
    pub data: RSlice<'a, u8>,
}

/// 128 bits that no other client of any host run has.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, StableAbi)]
pub struct ClientId {
    /// Drawn at random when the host started.
    pub high: u64,
    /// Counts up within a run of the host.
    pub low: u64,
}

/// A close code with its reason, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct CloseView<'a> {
    /// The close code; 1005 stands for a close frame without one (RFC 6455 section 7.1.5).
    pub code: u16,
    /// The reason, at most 123 bytes from a peer.
    pub reason: RStr<'a>,
}

/// `wshost.client/1`. Every function may be called on any thread at any stage of its life, also when the connection is gone.
/// None unwinds. Where the generation is retired, what acts on the client does nothing and says that the client is gone.
///
/// Statuses are those of [`Sent`](crate::Sent): 0 sent, 1 backlogged, 2 gone, 3 refused.
#[repr(C)]
#[derive(StableAbi)]
pub struct ClientTable {
    /// One more owner of the object.
    pub retain: unsafe extern "C" fn(object: ClientObject),
    /// One owner fewer.
    pub release: unsafe extern "C" fn(object: ClientObject),
    /// The client's id.
    pub id: unsafe extern "C" fn(object: ClientObject) -> ClientId,
    /// The address of the peer as text, e.g. `192.0.2.1:4711`; valid as long as the object is owned.
    pub peer: unsafe extern "C" fn(object: ClientObject) -> RStr<'static>,
    /// Path and query of the request; valid as long as the object is owned.
    pub resource: unsafe extern "C" fn(object: ClientObject) -> RStr<'static>,
    /// The subprotocol agreed on, or empty; valid as long as the object is owned.
    pub subprotocol: unsafe extern "C" fn(object: ClientObject) -> RStr<'static>,
    /// Milliseconds since the last byte came from the client.
    pub idle_ms: unsafe extern "C" fn(object: ClientObject) -> u64,
    /// 0 open, 1 closing, 2 closed.
    pub state: unsafe extern "C" fn(object: ClientObject) -> u32,
    /// Whether a ping of the keepalive waits for any sign of life.
    pub pinged: unsafe extern "C" fn(object: ClientObject) -> bool,
    /// Bytes that wait for the socket.
    pub buffered: unsafe extern "C" fn(object: ClientObject) -> usize,
    /// Queues one text message; the engine vouches that it is UTF-8.
    pub send_text: unsafe extern "C" fn(object: ClientObject, text: RStr<'_>) -> u32,
    /// Queues one binary message.
    pub send_binary: unsafe extern "C" fn(object: ClientObject, data: RSlice<'_, u8>) -> u32,
    /// Begins a message in fragments. Other messages wait from its first part to its last.
    pub begin_message: unsafe extern "C" fn(object: ClientObject) -> u64,
    /// Queues one part of a message.
    pub send_part: unsafe extern "C" fn(object: ClientObject, part: PartView<'_>) -> u32,
    /// Gives up a message of which parts were sent: the client is closed with 1011.
    pub abandon_message: unsafe extern "C" fn(object: ClientObject, message: u64),
    /// Queues a ping ahead of data; at most 125 bytes.
    pub ping: unsafe extern "C" fn(object: ClientObject, data: RSlice<'_, u8>) -> u32,
    /// Queues a pong ahead of data; at most 125 bytes.
    pub pong: unsafe extern "C" fn(object: ClientObject, data: RSlice<'_, u8>) -> u32,
    /// Closes behind what is queued; code 1005 sends a close frame without a code.
    pub close: unsafe extern "C" fn(object: ClientObject, close: CloseView<'_>) -> u32,
    /// Drops what is queued, then closes.
    pub close_now: unsafe extern "C" fn(object: ClientObject, close: CloseView<'_>) -> u32,
    /// Drops the queued messages that the socket has taken nothing of yet. Returns the bytes dropped.
    pub discard_buffered: unsafe extern "C" fn(object: ClientObject) -> usize,
    /// Stops (`true`) or resumes reading from the client.
    pub pause_reading: unsafe extern "C" fn(object: ClientObject, paused: bool) -> u32,
    /// Makes the client a member of a group; its name has 1 to 255 bytes.
    pub join: unsafe extern "C" fn(object: ClientObject, group: RStr<'_>) -> u32,
    /// Ends a membership. Returns whether there was one.
    pub leave: unsafe extern "C" fn(object: ClientObject, group: RStr<'_>) -> bool,
    /// Posts a value to the session; taken over in any case, discarded when the client is gone.
    pub post: unsafe extern "C" fn(object: ClientObject, event: *mut EventObject) -> u32,
}
