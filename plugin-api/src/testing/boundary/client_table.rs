//! `wshost.client/1`: the host's side of an engine's client handle.

use super::Event;
use crate::Client;
use crate::abi::{ClientHandle, ClientId, ClientTable, CloseView, EventObject, PartView};
use crate::testing::message::{Frame, Message};
use crate::testing::outgoing::Closing;
use crate::testing::remote::Remote;
use abi_stable::std_types::{RSlice, RStr};
use std::sync::Arc;

/// Lends a client for the length of a call.
pub(super) fn lend(client: &Arc<Remote>) -> ClientHandle {
    ClientHandle { object: Arc::as_ptr(client).cast(), table: &TABLE }
}

/// A handle as engines have them, with a count of its own.
pub(in crate::testing) fn give(client: Arc<Remote>) -> Client {
    Client::owning(handle(client))
}

/// A raw handle with a count of its own.
pub(super) fn handle(client: Arc<Remote>) -> ClientHandle {
    ClientHandle { object: Arc::into_raw(client).cast(), table: &TABLE }
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

/// The client behind a handle's object.
///
/// # Safety
///
/// `object` came from [`lend`] or [`handle`], and the caller owns a count of it or has it on loan.
pub(super) unsafe fn client<'a>(object: *const ()) -> &'a Remote {
    // SAFETY: the caller's promise.
    unsafe { &*object.cast::<Remote>() }
}

unsafe extern "C" fn retain(object: *const ()) {
    // SAFETY: the object is an Arc's, and alive.
    unsafe { Arc::increment_strong_count(object.cast::<Remote>()) }
}

unsafe extern "C" fn release(object: *const ()) {
    // SAFETY: the engine gives up a count that `retain` gave it.
    unsafe { Arc::decrement_strong_count(object.cast::<Remote>()) }
}

unsafe extern "C" fn id(object: *const ()) -> ClientId {
    // SAFETY: the table's contract.
    unsafe { client(object) }.id().0
}

unsafe extern "C" fn peer(object: *const ()) -> RStr<'static> {
    // SAFETY: the table's contract; the text lives as long as the object, which the engine respects.
    unsafe { client(object) }.peer().into()
}

unsafe extern "C" fn resource(object: *const ()) -> RStr<'static> {
    // SAFETY: as in `peer`.
    unsafe { client(object) }.resource().into()
}

unsafe extern "C" fn subprotocol(object: *const ()) -> RStr<'static> {
    // SAFETY: as in `peer`.
    unsafe { client(object) }.subprotocol().into()
}

unsafe extern "C" fn idle_ms(object: *const ()) -> u64 {
    // SAFETY: the table's contract.
    let idle = unsafe { client(object) }.idle();
    u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)
}

unsafe extern "C" fn state(object: *const ()) -> u32 {
    // SAFETY: the table's contract.
    match unsafe { client(object) }.closing() {
        Closing::No => 0,
        Closing::Begun | Closing::Sent => 1,
        Closing::Gone => 2,
    }
}

unsafe extern "C" fn pinged(object: *const ()) -> bool {
    // SAFETY: the table's contract.
    unsafe { client(object) }.pinged().is_some()
}

unsafe extern "C" fn buffered(object: *const ()) -> usize {
    // SAFETY: the table's contract.
    unsafe { client(object) }.outgoing().backlog()
}

unsafe extern "C" fn send_text(object: *const (), text: RStr<'_>) -> u32 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.send(Message::text(text.as_str())) as u32
}

unsafe extern "C" fn send_binary(object: *const (), data: RSlice<'_, u8>) -> u32 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.send(Message::binary(data.as_slice())) as u32
}

unsafe extern "C" fn begin_message(object: *const ()) -> u64 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.begin_message()
}

unsafe extern "C" fn send_part(object: *const (), part: PartView<'_>) -> u32 {
    let data = part.data.as_slice();
    let content = if part.binary { Message::binary(data) } else { Message::text(String::from_utf8_lossy(data)) };
    // SAFETY: the table's contract.
    unsafe { client(object) }.send_part(part.message, Frame { content, last: part.last }) as u32
}

unsafe extern "C" fn abandon_message(object: *const (), _message: u64) {
    // SAFETY: the table's contract.
    unsafe { client(object) }.abandon_message();
}

unsafe extern "C" fn ping(object: *const (), data: RSlice<'_, u8>) -> u32 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.send_control(Message::ping(data.as_slice())) as u32
}

unsafe extern "C" fn pong(object: *const (), data: RSlice<'_, u8>) -> u32 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.send_control(Message::pong(data.as_slice())) as u32
}

unsafe extern "C" fn close(object: *const (), close: CloseView<'_>) -> u32 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.close(close.code, close.reason.as_str(), false) as u32
}

unsafe extern "C" fn close_now(object: *const (), close: CloseView<'_>) -> u32 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.close(close.code, close.reason.as_str(), true) as u32
}

unsafe extern "C" fn discard_buffered(object: *const ()) -> usize {
    // SAFETY: the table's contract.
    unsafe { client(object) }.outgoing().discard()
}

unsafe extern "C" fn pause_reading(object: *const (), paused: bool) -> u32 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.pause_reading(paused) as u32
}

unsafe extern "C" fn join(object: *const (), group: RStr<'_>) -> u32 {
    // SAFETY: the table's contract.
    unsafe { client(object) }.join(group.as_str()) as u32
}

unsafe extern "C" fn leave(object: *const (), group: RStr<'_>) -> bool {
    // SAFETY: the table's contract.
    unsafe { client(object) }.leave(group.as_str())
}

unsafe extern "C" fn post(object: *const (), event: *mut EventObject) -> u32 {
    // SAFETY: the table's contract; the engine gives the event up.
    unsafe {
        let client = client(object);
        client.post(Event::take(event, client.services())) as u32
    }
}
