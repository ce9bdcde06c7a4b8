//! `wshost.client/1`: the host's side of an engine's client handle.

use super::generation::Generation;
use super::guard::table_functions;
use super::{Client, Event};
use crate::client::Closing;
use crate::client::order::Part;
use crate::protocol::Opcode;
use abi_stable::std_types::{RSlice, RStr};
use plugin_api::abi::{ClientHandle, ClientId, ClientObject, ClientTable, CloseView, Code, EventObject, PartView};
use plugin_api::{Sent, State};
use std::sync::Arc;

/// Lends a client to a generation for the length of a call.
#[inline]
pub(super) fn lend(client: &Arc<Client>, generation: &'static Generation) -> ClientHandle {
    ClientHandle { object: object(Arc::as_ptr(client), generation), table: &TABLE }
}

/// Gives a generation a count of its own.
pub(super) fn give(client: Arc<Client>, generation: &'static Generation) -> ClientHandle {
    ClientHandle { object: object(Arc::into_raw(client), generation), table: &TABLE }
}

#[inline]
fn object(client: *const Client, generation: &'static Generation) -> ClientObject {
    ClientObject { client: client.cast(), generation: std::ptr::from_ref(generation).cast() }
}

pub(super) static TABLE: ClientTable = ClientTable {
    retain,
    release,
    id,
    peer,
    resource,
    subprotocol,
    idle_ms,
    pinged,
    state,
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

/// What is said of a client that cannot be reached.
const GONE: Sent = Sent::Gone;

/// The client behind [`ClientObject::client`].
///
/// # Safety
///
/// It came from [`lend`] or [`give`], and the caller owns a count of it or has it on loan.
pub(super) unsafe fn client<'a>(client: *const ()) -> &'a Client {
    // SAFETY: the caller's promise.
    unsafe { &*client.cast::<Client>() }
}

/// The generation that was given the handle.
///
/// # Safety
///
/// The object came from [`lend`] or [`give`].
unsafe fn generation(object: ClientObject) -> &'static Generation {
    // SAFETY: the caller's promise; generations live as long as the process.
    unsafe { &*object.generation.cast::<Generation>() }
}

/// The client, unless the handle is of a generation that does not serve clients yet, or not any more.
///
/// # Safety
///
/// As for [`client`].
#[inline]
unsafe fn reach<'a>(object: ClientObject) -> Option<&'a Client> {
    // SAFETY: the caller's promise.
    unsafe { generation(object) }.is_present().then(|| unsafe { client(object.client) })
}

/// Functions that act on the client, which is the first of their arguments: a handle of a retired generation gets the
/// answer that does no harm.
macro_rules! acts {
    ($(fn $name:ident($client:ident $(, $argument:ident: $type:ty)*) $(-> $returned:ty)?, else $gone:expr => $body:block)+) => {
        table_functions! {$(
            fn $name(object: ClientObject $(, $argument: $type)*) $(-> $returned)?, else $gone => {
                // SAFETY: the table's contract.
                match unsafe { reach(object) } {
                    Some($client) => $body,
                    None => $gone,
                }
            }
        )+}
    };
}

table_functions! {
    fn retain(object: ClientObject), else () => {
        // SAFETY: the object is an Arc's, and alive.
        unsafe { Arc::increment_strong_count(object.client.cast::<Client>()) }
    }

    fn release(object: ClientObject), else () => {
        // SAFETY: the engine gives up a count that `retain` gave it.
        unsafe { Arc::decrement_strong_count(object.client.cast::<Client>()) }
    }

    fn id(object: ClientObject) -> ClientId, else ClientId { high: 0, low: 0 } => {
        // SAFETY: the table's contract.
        let (high, low) = unsafe { client(object.client) }.id();
        ClientId { high, low }
    }

    fn peer(object: ClientObject) -> RStr<'static>, else RStr::empty() => {
        // SAFETY: the table's contract; the text lives as long as the object, which the engine respects.
        unsafe { client(object.client) }.peer().into()
    }

    fn resource(object: ClientObject) -> RStr<'static>, else RStr::empty() => {
        // SAFETY: as in `peer`.
        unsafe { client(object.client) }.resource().into()
    }

    fn subprotocol(object: ClientObject) -> RStr<'static>, else RStr::empty() => {
        // SAFETY: as in `peer`.
        unsafe { client(object.client) }.subprotocol().into()
    }

    fn post(object: ClientObject, event: *mut EventObject) -> u32, else GONE.code() => {
        // SAFETY: the table's contract; the engine gives the event up, whatever comes of it.
        unsafe {
            let client = client(object.client);
            let event = Event::take(generation(object), event, client.audience().activity.begin());
            reach(object).map_or(Sent::Gone, |client| client.post(event)).code()
        }
    }
}

acts! {
    fn idle_ms(client) -> u64, else 0 => {
        u64::try_from(client.idle().as_millis()).unwrap_or(u64::MAX)
    }

    fn state(client) -> u32, else State::Closed.code() => {
        match client.closing() {
            Closing::No => State::Open,
            Closing::Begun | Closing::Sent => State::Closing,
            Closing::Gone => State::Closed,
        }
        .code()
    }

    fn pinged(client) -> bool, else false => { client.is_pinged() }

    fn buffered(client) -> usize, else 0 => { client.buffered() }

    fn send_text(client, text: RStr<'_>) -> u32, else GONE.code() => {
        client.send(Opcode::Text, text.as_str().as_bytes()).code()
    }

    fn send_binary(client, data: RSlice<'_, u8>) -> u32, else GONE.code() => {
        client.send(Opcode::Binary, data.as_slice()).code()
    }

    fn begin_message(client) -> u64, else 0 => { client.begin_message() }

    fn send_part(client, part: PartView<'_>) -> u32, else GONE.code() => {
        let opcode = if part.binary { Opcode::Binary } else { Opcode::Text };
        let data = part.data.as_slice().to_owned();
        client.send_part(Part { message: part.message, opcode, last: part.last, data }).code()
    }

    fn abandon_message(client, _message: u64), else () => { client.abandon_message() }

    fn ping(client, data: RSlice<'_, u8>) -> u32, else GONE.code() => {
        client.send_control(Opcode::Ping, data.as_slice()).code()
    }

    fn pong(client, data: RSlice<'_, u8>) -> u32, else GONE.code() => {
        client.send_control(Opcode::Pong, data.as_slice()).code()
    }

    fn close(client, close: CloseView<'_>) -> u32, else GONE.code() => {
        client.close(close.code, close.reason.as_str()).code()
    }

    fn close_now(client, close: CloseView<'_>) -> u32, else GONE.code() => {
        client.close_now(close.code, close.reason.as_str()).code()
    }

    fn discard_buffered(client) -> usize, else 0 => { client.discard_buffered() }

    fn pause_reading(client, paused: bool) -> u32, else GONE.code() => { client.pause_reading(paused).code() }

    fn join(client, group: RStr<'_>) -> u32, else GONE.code() => { client.join(group.as_str()).code() }

    fn leave(client, group: RStr<'_>) -> bool, else false => { client.leave(group.as_str()) }
}
