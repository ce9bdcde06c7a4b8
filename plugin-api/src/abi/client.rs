//! One connected client, as an engine sees it.

use super::EventObject;
use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr};

/// A client in the hands of one generation of its engine: two pointers of the host.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ClientObject {
    /// The client: an object of the host, counted by `retain` and `release`. It outlives its connection harmlessly.
    pub client: *const (),
    /// The generation that got this handle. It stays valid as long as the process. Once it is retired, the handle
    /// reaches nobody.
    pub generation: *const (),
}

impl ClientObject {
    /// No client.
    pub const NONE: ClientObject = ClientObject { client: std::ptr::null(), generation: std::ptr::null() };
}

/// A client: an object of the host, and the functions that take it.
#[repr(C)]
#[derive(StableAbi)]
pub struct ClientHandle {
    /// The first argument of the functions.
    pub object: ClientObject,
    /// The host's table for it.
    pub table: &'static ClientTable,
}

/// A part of a message that is sent in fragments, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct PartView<'a> {
    /// The message's number, which `begin_message` returned.
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
    /// A random number, drawn when the host started.
    pub high: u64,
    /// A counter within a run of the host.
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

/// `wshost.client/1`: one connected client, for the engine to call. Every function may be called on any thread at any
/// stage of its life, any number of times and several at once, even if the connection is gone. None blocks. If the
/// handle's generation is retired or has not taken over yet, functions that act on the client do nothing and answer
/// that the client is gone.
///
/// A returned status is a [code](super::Code) of [`Sent`](crate::Sent): 0 sent, 1 backlogged, 2 gone, 3 refused.
///
/// # Safety
///
/// For all functions: `object` came from a handle with this table, and the caller has its client. Each function states
/// its further conditions. with it.
#[repr(C)]
#[derive(StableAbi)]
pub struct ClientTable {
    /// Gives the caller one more count of the client.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub retain: unsafe extern "C" fn(object: ClientObject),
    /// Takes a count of the client back. The last count frees the client.
    ///
    /// # Safety
    ///
    /// The caller owns a count and gives it up; a loan is not enough.
    pub release: unsafe extern "C" fn(object: ClientObject),
    /// The client's id; always the same.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub id: unsafe extern "C" fn(object: ClientObject) -> ClientId,
    /// The address of the peer as text, e.g. `192.0.2.1:4711`; always the same.
    ///
    /// # Safety
    ///
    /// The caller has the client, and uses the text only while it has it. `'static` stands for that lifetime here.
    pub peer: unsafe extern "C" fn(object: ClientObject) -> RStr<'static>,
    /// Path and query of the request; always the same.
    ///
    /// # Safety
    ///
    /// As for `peer`.
    pub resource: unsafe extern "C" fn(object: ClientObject) -> RStr<'static>,
    /// The agreed subprotocol, or empty; always the same.
    ///
    /// # Safety
    ///
    /// As for `peer`.
    pub subprotocol: unsafe extern "C" fn(object: ClientObject) -> RStr<'static>,
    /// Milliseconds since the last byte arrived from the client.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub idle_ms: unsafe extern "C" fn(object: ClientObject) -> u64,
    /// How far its end has come: a code of [`State`](crate::State), 0 open, 1 closing, 2 closed.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub state: unsafe extern "C" fn(object: ClientObject) -> u32,
    /// Whether the client was pinged by keepalive and has been silent since.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub pinged: unsafe extern "C" fn(object: ClientObject) -> bool,
    /// Bytes that wait for the socket.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub buffered: unsafe extern "C" fn(object: ClientObject) -> usize,
    /// Queues one text message.
    ///
    /// # Safety
    ///
    /// The caller has the client; `text` is borrowed, and UTF-8.
    pub send_text: unsafe extern "C" fn(object: ClientObject, text: RStr<'_>) -> u32,
    /// Queues one binary message.
    ///
    /// # Safety
    ///
    /// The caller has the client; `data` is borrowed.
    pub send_binary: unsafe extern "C" fn(object: ClientObject, data: RSlice<'_, u8>) -> u32,
    /// Begins a message in fragments. Other messages wait from its first part to its last. Returns its number, for
    /// `send_part` and `abandon_message`.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub begin_message: unsafe extern "C" fn(object: ClientObject) -> u64,
    /// Queues one part of a message. Call it once for each part, and not after the last.
    ///
    /// # Safety
    ///
    /// The caller has the client; the part's data is borrowed. If the parts together are not UTF-8, or none is the
    /// last, the peer sees a mistake; it is not unsafe.
    pub send_part: unsafe extern "C" fn(object: ClientObject, part: PartView<'_>) -> u32,
    /// Gives up a message that was sent in part: the client is closed with 1011.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub abandon_message: unsafe extern "C" fn(object: ClientObject, message: u64),
    /// Queues a ping ahead of data; at most 125 bytes, or it is refused.
    ///
    /// # Safety
    ///
    /// The caller has the client; `data` is borrowed.
    pub ping: unsafe extern "C" fn(object: ClientObject, data: RSlice<'_, u8>) -> u32,
    /// Queues a pong ahead of data; at most 125 bytes, or it is refused.
    ///
    /// # Safety
    ///
    /// The caller has the client; `data` is borrowed.
    pub pong: unsafe extern "C" fn(object: ClientObject, data: RSlice<'_, u8>) -> u32,
    /// Closes after the queued data. Code 1005 sends a close frame without a code. A code that must not be sent is
    /// refused.
    ///
    /// # Safety
    ///
    /// The caller has the client; the reason is borrowed.
    pub close: unsafe extern "C" fn(object: ClientObject, close: CloseView<'_>) -> u32,
    /// Drops the queued data, then closes as `close` does.
    ///
    /// # Safety
    ///
    /// The caller has the client; the reason is borrowed.
    pub close_now: unsafe extern "C" fn(object: ClientObject, close: CloseView<'_>) -> u32,
    /// Drops queued messages that the socket has not begun to take. Returns the bytes dropped.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub discard_buffered: unsafe extern "C" fn(object: ClientObject) -> usize,
    /// Stops (`true`) or resumes reading from the client.
    ///
    /// # Safety
    ///
    /// The caller has the client.
    pub pause_reading: unsafe extern "C" fn(object: ClientObject, paused: bool) -> u32,
    /// Makes the client a member of a group; its name has 1 to 255 bytes, or it is refused.
    ///
    /// # Safety
    ///
    /// The caller has the client; the name is borrowed.
    pub join: unsafe extern "C" fn(object: ClientObject, group: RStr<'_>) -> u32,
    /// Ends a membership. Returns whether there was one.
    ///
    /// # Safety
    ///
    /// The caller has the client; the name is borrowed.
    pub leave: unsafe extern "C" fn(object: ClientObject, group: RStr<'_>) -> bool,
    /// Posts a value to the client's session. `on_event` gets it once, unless the client is gone or too many values
    /// wait. Then it is discarded, perhaps within this call.
    ///
    /// # Safety
    ///
    /// The caller has the client; `event` is an object of the caller's library, which gives it up.
    pub post: unsafe extern "C" fn(object: ClientObject, event: *mut EventObject) -> u32,
}
