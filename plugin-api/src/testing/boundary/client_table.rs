//! `wshost.client/1`: the host's side of an engine's client handle.

use super::Event;
use crate::abi::{ClientHandle, ClientId, ClientObject, ClientTable, CloseView, Code, EventObject, Failure, PartView};
use crate::contain::entry::{Answer, entries, tell};
use crate::testing::message::{Frame, Message};
use crate::testing::outgoing::Closing;
use crate::testing::remote::Remote;
use crate::{Client, Sent, State};
use abi_stable::std_types::{RSlice, RStr};
use std::sync::Arc;

/// A function that failed says that the client is gone.
impl Answer for u32 {
    fn failed(failure: *mut Failure) -> Self {
        tell(failure);
        Sent::Gone.code()
    }
}

/// Lends a client for the length of a call.
pub(super) fn lend(client: &Arc<Remote>) -> ClientHandle {
    ClientHandle { object: object(Arc::as_ptr(client)), table: &TABLE }
}

/// A handle as engines have them, with a count of its own.
pub(in crate::testing) fn give(client: Arc<Remote>) -> Client {
    Client::owning(handle(client))
}

/// A raw handle with a count of its own.
pub(super) fn handle(client: Arc<Remote>) -> ClientHandle {
    ClientHandle { object: object(Arc::into_raw(client)), table: &TABLE }
}

/// There is one generation, which clients know by their services.
fn object(client: *const Remote) -> ClientObject {
    ClientObject { client: client.cast(), generation: std::ptr::null() }
}

pub(super) static TABLE: ClientTable = ClientTable {
    retain,
    release,
    id,
    peer,
    resource,
    subprotocol,
    idle_ms,
    state,
    pinged,
    buffered,
    send_text,
    send_binary,
    begin_message,
    send_part,
    abandon_message,
    ping,
    pong,
    close,
    close_now,
    discard_buffered,
    pause_reading,
    join,
    leave,
    post,
};

/// The client behind [`ClientObject::client`].
///
/// # Safety
///
/// `client` came from [`lend`] or [`handle`], and the caller owns a count of it or has it on loan.
pub(super) unsafe fn client<'a>(client: *const ()) -> &'a Remote {
    // SAFETY: the caller's promise.
    unsafe { &*client.cast::<Remote>() }
}

entries! {
    fn retain(object: ClientObject) {
        // SAFETY: the object is an Arc's, and alive.
        unsafe { Arc::increment_strong_count(object.client.cast::<Remote>()) }
    }

    fn release(object: ClientObject) {
        // SAFETY: the engine gives up a count that `retain` gave it.
        unsafe { Arc::decrement_strong_count(object.client.cast::<Remote>()) }
    }

    fn id(object: ClientObject) -> ClientId {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.id().0
    }

    fn peer(object: ClientObject) -> RStr<'static> {
        // SAFETY: the table's contract; the text lives as long as the object, which the engine respects.
        unsafe { client(object.client) }.peer().into()
    }

    fn resource(object: ClientObject) -> RStr<'static> {
        // SAFETY: as in `peer`.
        unsafe { client(object.client) }.resource().into()
    }

    fn subprotocol(object: ClientObject) -> RStr<'static> {
        // SAFETY: as in `peer`.
        unsafe { client(object.client) }.subprotocol().into()
    }

    fn idle_ms(object: ClientObject) -> u64 {
        // SAFETY: the table's contract.
        let idle = unsafe { client(object.client) }.idle();
        u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)
    }

    fn state(object: ClientObject) -> u32 {
        // SAFETY: the table's contract.
        match unsafe { client(object.client) }.closing() {
            Closing::No => State::Open,
            Closing::Begun | Closing::Sent => State::Closing,
            Closing::Gone => State::Closed,
        }
        .code()
    }

    fn pinged(object: ClientObject) -> bool {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.pinged().is_some()
    }

    fn buffered(object: ClientObject) -> usize {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.outgoing().backlog()
    }

    fn send_text(object: ClientObject, text: RStr<'_>) -> u32 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.send(Message::text(text.as_str())).code()
    }

    fn send_binary(object: ClientObject, data: RSlice<'_, u8>) -> u32 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.send(Message::binary(data.as_slice())).code()
    }

    fn begin_message(object: ClientObject) -> u64 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.begin_message()
    }

    fn send_part(object: ClientObject, part: PartView<'_>) -> u32 {
        let data = part.data.as_slice();
        let content = if part.binary { Message::binary(data) } else { Message::text(String::from_utf8_lossy(data)) };
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.send_part(part.message, Frame { content, last: part.last }).code()
    }

    fn abandon_message(object: ClientObject, _message: u64) {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.abandon_message();
    }

    fn ping(object: ClientObject, data: RSlice<'_, u8>) -> u32 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.send_control(Message::ping(data.as_slice())).code()
    }

    fn pong(object: ClientObject, data: RSlice<'_, u8>) -> u32 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.send_control(Message::pong(data.as_slice())).code()
    }

    fn close(object: ClientObject, close: CloseView<'_>) -> u32 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.close(close.code, close.reason.as_str(), false).code()
    }

    fn close_now(object: ClientObject, close: CloseView<'_>) -> u32 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.close(close.code, close.reason.as_str(), true).code()
    }

    fn discard_buffered(object: ClientObject) -> usize {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.outgoing().discard()
    }

    fn pause_reading(object: ClientObject, paused: bool) -> u32 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.pause_reading(paused).code()
    }

    fn join(object: ClientObject, group: RStr<'_>) -> u32 {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.join(group.as_str()).code()
    }

    fn leave(object: ClientObject, group: RStr<'_>) -> bool {
        // SAFETY: the table's contract.
        unsafe { client(object.client) }.leave(group.as_str())
    }

    fn post(object: ClientObject, event: *mut EventObject) -> u32 {
        // SAFETY: the table's contract; the engine gives the event up.
        unsafe {
            let client = client(object.client);
            client.post(Event::take(event, client.services())).code()
        }
    }
}
