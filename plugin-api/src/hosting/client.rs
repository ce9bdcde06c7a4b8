//! The host's side of an engine's client handle: the functions of [`ClientTable`].

use super::guard::host_functions;
use super::{EngineEvent, Generation, HostClient, Hosting, counted};
use crate::abi::{ClientHandle, ClientId, ClientObject, ClientTable, CloseView, Code, EventObject, PartView};
use crate::{Client, Sent, State};
use abi_stable::std_types::{RSlice, RStr};
use std::marker::PhantomData;
use std::sync::Arc;

/// Lends a client to a generation for the duration of a call.
#[inline]
pub(super) fn lend<H: Hosting>(client: &Arc<H::Client>, generation: &'static Generation<H>) -> ClientHandle {
    handle::<H>(counted::lend(client), generation)
}

/// Gives a generation a count of its own.
pub(super) fn give<H: Hosting>(client: Arc<H::Client>, generation: &'static Generation<H>) -> ClientHandle {
    handle::<H>(counted::give(client), generation)
}

/// A client's handle as this generation has it, for hosts in the engine's own program, which are those of tests.
pub fn client_handle<H: Hosting>(client: &Arc<H::Client>, generation: &'static Generation<H>) -> Client {
    Client::owning(give::<H>(Arc::clone(client), generation))
}

#[inline]
fn handle<H: Hosting>(client: *const (), generation: &'static Generation<H>) -> ClientHandle {
    let object = ClientObject { client, generation: std::ptr::from_ref(generation).cast() };
    ClientHandle { object, table: ClientFunctions::<H>::TABLE }
}

pub(super) struct ClientFunctions<H>(PhantomData<H>);

impl<H: Hosting> ClientFunctions<H> {
    pub(super) const TABLE: &'static ClientTable = &ClientTable {
        retain: retain::<H>,
        release: release::<H>,
        id: id::<H>,
        peer: peer::<H>,
        resource: resource::<H>,
        subprotocol: subprotocol::<H>,
        idle_ms: idle_ms::<H>,
        state: state::<H>,
        pinged: pinged::<H>,
        buffered: buffered::<H>,
        send_text: send_text::<H>,
        send_binary: send_binary::<H>,
        begin_message: begin_message::<H>,
        send_part: send_part::<H>,
        abandon_message: abandon_message::<H>,
        ping: ping::<H>,
        pong: pong::<H>,
        close: close::<H>,
        close_now: close_now::<H>,
        discard_buffered: discard_buffered::<H>,
        pause_reading: pause_reading::<H>,
        join: join::<H>,
        leave: leave::<H>,
        post: post::<H>,
    };
}

/// The answer about a client that cannot be reached.
const GONE: Sent = Sent::Gone;

/// The client, whichever generation has the handle.
///
/// # Safety
///
/// The object came from [`lend`] or [`give`], and the caller owns a count of it or has it on loan.
#[inline]
unsafe fn client<'a, H: Hosting>(object: ClientObject) -> &'a H::Client {
    // SAFETY: the caller's promise.
    unsafe { counted::borrow(object.client) }
}

/// The generation that was given the handle.
///
/// # Safety
///
/// The object came from [`lend`] or [`give`].
#[inline]
unsafe fn generation<H: Hosting>(object: ClientObject) -> &'static Generation<H> {
    // SAFETY: the caller's promise; generations live as long as the process.
    unsafe { &*object.generation.cast::<Generation<H>>() }
}

/// The client, unless the handle's generation does not serve clients yet, or no longer.
///
/// # Safety
///
/// As for [`client`].
#[inline]
unsafe fn reach<'a, H: Hosting>(object: ClientObject) -> Option<&'a H::Client> {
    // SAFETY: the caller's promise.
    unsafe { generation::<H>(object).is_present().then(|| client::<H>(object)) }
}

host_functions! {
    fn retain(object: ClientObject), else () => {
        // SAFETY: ClientTable::retain.
        unsafe { counted::retain::<H::Client>(object.client) }
    }

    fn release(object: ClientObject), else () => {
        // SAFETY: ClientTable::release.
        unsafe { counted::release::<H::Client>(object.client) }
    }

    fn id(object: ClientObject) -> ClientId, else ClientId { high: 0, low: 0 } => {
        // SAFETY: the engine has the object.
        unsafe { client::<H>(object) }.id()
    }

    fn peer(object: ClientObject) -> RStr<'static>, else RStr::empty() => {
        // SAFETY: the engine has the object, and uses the text no longer than that.
        unsafe { client::<H>(object) }.peer().into()
    }

    fn resource(object: ClientObject) -> RStr<'static>, else RStr::empty() => {
        // SAFETY: as in `peer`.
        unsafe { client::<H>(object) }.resource().into()
    }

    fn subprotocol(object: ClientObject) -> RStr<'static>, else RStr::empty() => {
        // SAFETY: as in `peer`.
        unsafe { client::<H>(object) }.subprotocol().into()
    }

    fn post(object: ClientObject, event: *mut EventObject) -> u32, else GONE.code() => {
        // SAFETY: ClientTable::post: the engine has the object, and gives the event up whatever the result.
        unsafe { client::<H>(object).post(EngineEvent::take(generation::<H>(object), event)) }.code()
    }
}

/// Functions that act on the client, which is their first argument. For a handle of a retired generation, they give the
/// harmless answer.
macro_rules! acts {
    ($(fn $name:ident($client:ident $(, $argument:ident: $type:ty)*) $(-> $returned:ty)?, else $gone:expr => $body:expr;)+) => {
        host_functions! {$(
            fn $name(object: ClientObject $(, $argument: $type)*) $(-> $returned)?, else $gone => {
                // SAFETY: the engine has the object.
                match unsafe { reach::<H>(object) } {
                    Some($client) => $body,
                    None => $gone,
                }
            }
        )+}
    };
}

acts! {
    fn idle_ms(client) -> u64, else 0 => u64::try_from(client.idle().as_millis()).unwrap_or(u64::MAX);
    fn state(client) -> u32, else State::Closed.code() => client.state().code();
    fn pinged(client) -> bool, else false => client.is_pinged();
    fn buffered(client) -> usize, else 0 => client.buffered();
    fn send_text(client, text: RStr<'_>) -> u32, else GONE.code() => client.send_text(text.as_str()).code();
    fn send_binary(client, data: RSlice<'_, u8>) -> u32, else GONE.code() => client.send_binary(data.as_slice()).code();
    fn begin_message(client) -> u64, else 0 => client.begin_message();
    fn send_part(client, part: PartView<'_>) -> u32, else GONE.code() => client.send_part(part).code();
    fn abandon_message(client, message: u64), else () => client.abandon_message(message);
    fn ping(client, data: RSlice<'_, u8>) -> u32, else GONE.code() => client.ping(data.as_slice()).code();
    fn pong(client, data: RSlice<'_, u8>) -> u32, else GONE.code() => client.pong(data.as_slice()).code();
    fn close(client, close: CloseView<'_>) -> u32, else GONE.code() => {
        client.close(close.code, close.reason.as_str()).code()
    };
    fn close_now(client, close: CloseView<'_>) -> u32, else GONE.code() => {
        client.close_now(close.code, close.reason.as_str()).code()
    };
    fn discard_buffered(client) -> usize, else 0 => client.discard_buffered();
    fn pause_reading(client, paused: bool) -> u32, else GONE.code() => client.pause_reading(paused).code();
    fn join(client, group: RStr<'_>) -> u32, else GONE.code() => client.join(group.as_str()).code();
    fn leave(client, group: RStr<'_>) -> bool, else false => client.leave(group.as_str());
}
