//! `wshost.host/1`: what one engine's instance can ask of the host.

use super::object::{Job, TimerJob};
use super::services::Services;
use super::{client_table, metric_table};
use crate::audience::Whom;
use crate::client;
use crate::metrics::Kind;
use crate::protocol::Opcode;
use abi_stable::std_types::{ROption, RSlice, RStr};
use plugin_api::abi::{
    AudienceView, CLIENT_ID, ClientId, ClientVisitor, HOST_ID, HostHandle, HostTable, Interface, JobObject,
    MetricHandle, MetricView, TimerObject,
};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;
use tracing::level_filters::LevelFilter;

/// A handle with a count of its own, for `new` to take over.
pub(super) fn handle(services: &Arc<Services>) -> HostHandle {
    HostHandle { object: Arc::into_raw(Arc::clone(services)).cast(), interface }
}

static TABLE: HostTable = HostTable {
    retain,
    release,
    log,
    log_level,
    client,
    clients,
    count,
    broadcast_text,
    broadcast_binary,
    spawn,
    start_timer,
    cancel_timer,
    metric,
};

extern "C" fn interface(id: RStr<'_>) -> ROption<Interface> {
    match id.as_str() {
        HOST_ID => ROption::RSome(Interface::new(&TABLE)),
        CLIENT_ID => ROption::RSome(Interface::new(&client_table::TABLE)),
        _ => ROption::RNone,
    }
}

/// # Safety
///
/// `object` came from [`handle`], and the caller owns a count of it.
unsafe fn services(object: *const ()) -> ManuallyDrop<Arc<Services>> {
    // SAFETY: the caller's promise; the count stays the caller's.
    ManuallyDrop::new(unsafe { Arc::from_raw(object.cast::<Services>()) })
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
    let services = unsafe { services(object) };
    let engine = services.engine;
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

unsafe extern "C" fn client(object: *const (), id: ClientId) -> *const () {
    if id.high != client::run() {
        return std::ptr::null();
    }
    // SAFETY: the table's contract.
    let client = unsafe { services(object) }.audience.client(id.low);
    client.map_or(std::ptr::null(), |client| client_table::give(client).object)
}

unsafe extern "C" fn clients(object: *const (), audience: AudienceView<'_>, visitor: ClientVisitor) {
    // SAFETY: the table's contract.
    let (clients, except) = unsafe { (services(object).audience.clients(whom(&audience)), except(&audience)) };
    for client in clients.into_iter().filter(|client| Some(client.number()) != except) {
        // SAFETY: the visitor is the caller's, for this call.
        unsafe { (visitor.visit)(visitor.object, client_table::give(client)) };
    }
}

unsafe extern "C" fn count(object: *const (), audience: AudienceView<'_>) -> usize {
    // SAFETY: the table's contract.
    let (clients, except) = unsafe { (&services(object).audience, except(&audience)) };
    match except {
        None => clients.count(whom(&audience)),
        Some(_) => clients.clients(whom(&audience)).iter().filter(|client| Some(client.number()) != except).count(),
    }
}

unsafe extern "C" fn broadcast_text(object: *const (), audience: AudienceView<'_>, text: RStr<'_>) -> usize {
    // SAFETY: the table's contract.
    unsafe { broadcast(object, &audience, Opcode::Text, text.as_str().as_bytes()) }
}

unsafe extern "C" fn broadcast_binary(object: *const (), audience: AudienceView<'_>, data: RSlice<'_, u8>) -> usize {
    // SAFETY: the table's contract.
    unsafe { broadcast(object, &audience, Opcode::Binary, data.as_slice()) }
}

/// # Safety
///
/// As for the table's functions.
unsafe fn broadcast(object: *const (), audience: &AudienceView<'_>, opcode: Opcode, payload: &[u8]) -> usize {
    // SAFETY: the caller's promise.
    let (services, except) = unsafe { (services(object), except(audience)) };
    services.audience.broadcast(whom(audience), except, opcode, payload)
}

fn whom<'a>(audience: &AudienceView<'a>) -> Whom<'a> {
    if audience.everyone { Whom::Everyone } else { Whom::Group(audience.group.as_str()) }
}

/// The number of the client to leave out.
///
/// # Safety
///
/// The view's client is null or alive.
unsafe fn except(audience: &AudienceView<'_>) -> Option<u64> {
    // SAFETY: the caller's promise.
    (!audience.except.is_null()).then(|| unsafe { client_table::client(audience.except) }.number())
}

unsafe extern "C" fn spawn(object: *const (), job: *mut JobObject) {
    // SAFETY: the table's contract; the engine gives the job up.
    unsafe {
        let services = services(object);
        let busy = services.audience.activity.begin();
        services.spawn(Job::take(services.engine, job, busy));
    }
}

unsafe extern "C" fn start_timer(object: *const (), timer: *mut TimerObject, after_ms: u64, every_ms: u64) -> u64 {
    let every = (every_ms > 0).then(|| Duration::from_millis(every_ms));
    // SAFETY: the table's contract; the engine gives the timer up.
    unsafe {
        let services = services(object);
        services.start_timer(TimerJob::take(services.engine, timer), Duration::from_millis(after_ms), every)
    }
}

unsafe extern "C" fn cancel_timer(object: *const (), timer: u64) {
    // SAFETY: the table's contract.
    unsafe { services(object) }.cancel_timer(timer);
}

unsafe extern "C" fn metric(object: *const (), metric: MetricView<'_>) -> MetricHandle {
    // SAFETY: the table's contract.
    let services = unsafe { services(object) };
    let kind = match metric.kind {
        0 => Kind::Counter,
        1 => Kind::Gauge,
        _ => Kind::Histogram,
    };
    let own = metric.labels.as_slice().iter().map(|label| (label.name.as_str(), label.value.as_str()));
    let labels = own.chain([("engine", services.engine)]);
    metric_table::give(services.facilities.metrics.metric(kind, metric.name.as_str(), labels))
}
