//! `wshost.host/1`: what one engine's instance can ask of the host.

use super::client_table;
use abi_stable::std_types::{ROption, RStr};
use plugin_api::abi::{CLIENT_ID, HOST_ID, HostHandle, HostTable, Interface};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing::level_filters::LevelFilter;

/// What the host keeps for one instance of an engine; the engine's `Host` handles point here.
#[derive(Debug, Default)]
pub(super) struct Services {
    /// The engine's name, for its lines in the log.
    pub engine: String,
    /// Its connected clients.
    pub clients: AtomicUsize,
}

impl Services {
    /// A handle with a count of its own, for `new` to take over.
    pub(super) fn handle(self: &Arc<Self>) -> HostHandle {
        HostHandle { object: Arc::into_raw(Arc::clone(self)).cast(), interface }
    }
}

static TABLE: HostTable = HostTable { retain, release, log, log_level, client_count };

extern "C" fn interface(id: RStr<'_>) -> ROption<Interface> {
    match id.as_str() {
        HOST_ID => ROption::RSome(Interface::new(&TABLE)),
        CLIENT_ID => ROption::RSome(Interface::new(&client_table::TABLE)),
        _ => ROption::RNone,
    }
}

/// # Safety
///
/// `object` came from [`Services::handle`], and the caller owns a count of it.
unsafe fn services<'a>(object: *const ()) -> &'a Services {
    // SAFETY: the caller's promise.
    unsafe { &*object.cast::<Services>() }
}

unsafe extern "C" fn retain(object: *const ()) {
    // SAFETY: the object is an Arc's, and alive.
    unsafe { Arc::increment_strong_count(object.cast::<Services>()) }
}

unsafe extern "C" fn release(object: *const ()) {
    // SAFETY: the engine gives up a count that it owns.
    unsafe { Arc::decrement_strong_count(object.cast::<Services>()) }
}

unsafe extern "C" fn log(object: *const (), level: u32, target: RStr<'_>, message: RStr<'_>) {
    // SAFETY: the table's contract.
    let engine = unsafe { services(object) }.engine.as_str();
    let module = target.as_str();
    // tracing wants the level at compile time.
    match level {
        1 => tracing::error!(target: "engine", engine, module, "{message}"),
        2 => tracing::warn!(target: "engine", engine, module, "{message}"),
        3 => tracing::info!(target: "engine", engine, module, "{message}"),
        4 => tracing::debug!(target: "engine", engine, module, "{message}"),
        _ => tracing::trace!(target: "engine", engine, module, "{message}"),
    }
}

unsafe extern "C" fn log_level(_object: *const ()) -> u32 {
    match LevelFilter::current() {
        LevelFilter::OFF => 0,
        LevelFilter::ERROR => 1,
        LevelFilter::WARN => 2,
        LevelFilter::INFO => 3,
        LevelFilter::DEBUG => 4,
        _ => 5,
    }
}

unsafe extern "C" fn client_count(object: *const ()) -> usize {
    // SAFETY: the table's contract.
    unsafe { services(object) }.clients.load(Ordering::Relaxed)
}
