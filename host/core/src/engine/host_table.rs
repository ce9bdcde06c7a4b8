//! `wshost.host/1`: what one engine's instance can ask of the host.

use super::guard::table_functions;
use super::object::{Job, TimerJob};
use super::services::Services;
use super::{client_table, metric_table};
use crate::calls::witness;
use crate::client;
use crate::client::audience::Whom;
use crate::protocol::Opcode;
use abi_stable::std_types::{ROption, RSlice, RStr};
use plugin_api::abi::{
    AudienceView, CLIENT_ID, ClientId, ClientObject, ClientVisitor, Code, HOST_ID, HostHandle, HostTable, Interface,
    JobObject, MetricHandle, MetricKind, MetricView, TimerObject,
};
use plugin_api::log::{self, Level};
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
    note_panic,
    is_retired,
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

/// # Safety
///
/// `object` came from [`handle`], and the caller owns a count of it.
unsafe fn services(object: *const ()) -> ManuallyDrop<Arc<Services>> {
    // SAFETY: the caller's promise; the count stays the caller's.
    ManuallyDrop::new(unsafe { Arc::from_raw(object.cast::<Services>()) })
}

/// The clients that the instance reaches: none before it has taken over, and once it is retired.
///
/// # Safety
///
/// As for [`services`].
unsafe fn audience<'a>(object: *const ()) -> Option<&'a Services> {
    // SAFETY: the caller's promise.
    let services = unsafe { &*object.cast::<Services>() };
    services.generation.is_present().then_some(services)
}

table_functions! {
    fn interface(id: RStr<'_>) -> ROption<Interface>, else ROption::RNone => {
        match id.as_str() {
            HOST_ID => ROption::RSome(Interface::new(&TABLE)),
            CLIENT_ID => ROption::RSome(Interface::new(&client_table::TABLE)),
            _ => ROption::RNone,
        }
    }

    fn retain(object: *const ()), else () => {
        // SAFETY: the object is an Arc's, and alive.
        unsafe { Arc::increment_strong_count(object.cast::<Services>()) }
    }

    fn release(object: *const ()), else () => {
        // SAFETY: the engine gives up a count that it owns.
        unsafe { Arc::decrement_strong_count(object.cast::<Services>()) }
    }

    fn log(object: *const (), level: u32, target: RStr<'_>, message: RStr<'_>), else () => {
        // SAFETY: the table's contract.
        let services = unsafe { services(object) };
        let engine = services.engine;
        let module = target.as_str();
        // tracing wants the level at compile time.
        match Level::of(level) {
            Level::Error => tracing::error!(target: "engine", engine, module, "{message}"),
            Level::Warn => tracing::warn!(target: "engine", engine, module, "{message}"),
            Level::Info => tracing::info!(target: "engine", engine, module, "{message}"),
            Level::Debug => tracing::debug!(target: "engine", engine, module, "{message}"),
            Level::Trace => tracing::trace!(target: "engine", engine, module, "{message}"),
        }
    }

    fn log_level(_object: *const ()) -> u32, else 0 => {
        match LevelFilter::current() {
            LevelFilter::OFF => log::LevelFilter::Off,
            LevelFilter::ERROR => log::LevelFilter::Error,
            LevelFilter::WARN => log::LevelFilter::Warn,
            LevelFilter::INFO => log::LevelFilter::Info,
            LevelFilter::DEBUG => log::LevelFilter::Debug,
            _ => log::LevelFilter::Trace,
        }
        .code()
    }

    fn note_panic(object: *const (), location: RStr<'_>, message: RStr<'_>), else () => {
        if location.is_empty() && message.is_empty() {
            witness::caught();
        } else {
            // SAFETY: the table's contract.
            let services = unsafe { services(object) };
            witness::panicked(services.generation.whose(), location.as_str(), message.as_str());
        }
    }

    fn is_retired(object: *const ()) -> bool, else true => {
        // SAFETY: the table's contract.
        unsafe { services(object) }.is_retired()
    }

    fn client(object: *const (), id: ClientId) -> ClientObject, else ClientObject::NONE => {
        // SAFETY: the table's contract.
        let services = unsafe { audience(object) }.filter(|_| id.high == client::run());
        let found = services.and_then(|services| Some((services.audience.client(id.low)?, services.generation)));
        found.map_or(ClientObject::NONE, |(client, generation)| client_table::give(client, generation).object)
    }

    fn clients(object: *const (), audience_view: AudienceView<'_>, visitor: ClientVisitor), else () => {
        // SAFETY: the table's contract.
        let (Some(services), except) = (unsafe { (audience(object), except(&audience_view)) }) else { return };
        let clients = services.audience.clients(whom(&audience_view));
        for client in clients.into_iter().filter(|client| Some(client.number()) != except) {
            // SAFETY: the visitor is the caller's, for this call.
            unsafe { (visitor.visit)(visitor.object, client_table::give(client, services.generation)) };
        }
    }

    fn count(object: *const (), audience_view: AudienceView<'_>) -> usize, else 0 => {
        // SAFETY: the table's contract.
        let (Some(services), except) = (unsafe { (audience(object), except(&audience_view)) }) else { return 0 };
        let (clients, whom) = (&services.audience, whom(&audience_view));
        match except {
            None => clients.count(whom),
            Some(_) => clients.clients(whom).iter().filter(|client| Some(client.number()) != except).count(),
        }
    }

    fn broadcast_text(object: *const (), audience: AudienceView<'_>, text: RStr<'_>) -> usize, else 0 => {
        // SAFETY: the table's contract.
        unsafe { broadcast(object, &audience, Opcode::Text, text.as_str().as_bytes()) }
    }

    fn broadcast_binary(object: *const (), audience: AudienceView<'_>, data: RSlice<'_, u8>) -> usize, else 0 => {
        // SAFETY: the table's contract.
        unsafe { broadcast(object, &audience, Opcode::Binary, data.as_slice()) }
    }

    fn spawn(object: *const (), job: *mut JobObject), else () => {
        // SAFETY: the table's contract; the engine gives the job up, whatever comes of it.
        unsafe {
            let services = services(object);
            let busy = services.audience.activity.begin();
            services.spawn(Job::take(services.generation, job, busy));
        }
    }

    fn start_timer(object: *const (), timer: *mut TimerObject, after_ms: u64, every_ms: u64) -> u64, else 0 => {
        let every = (every_ms > 0).then(|| Duration::from_millis(every_ms));
        // SAFETY: the table's contract; the engine gives the timer up, whatever comes of it.
        unsafe {
            let services = services(object);
            services.start_timer(TimerJob::take(services.generation, timer), Duration::from_millis(after_ms), every)
        }
    }

    fn cancel_timer(object: *const (), timer: u64), else () => {
        // SAFETY: the table's contract.
        unsafe { services(object) }.cancel_timer(timer);
    }

    fn metric(object: *const (), metric: MetricView<'_>) -> MetricHandle, else metric_table::of_no_use() => {
        // SAFETY: the table's contract.
        let services = unsafe { services(object) };
        let kind = MetricKind::of(metric.kind);
        let own = metric.labels.as_slice().iter().map(|label| (label.name.as_str(), label.value.as_str()));
        let labels = own.chain([("engine", services.engine)]);
        metric_table::give(services.facilities.metrics.metric(kind, metric.name.as_str(), labels))
    }
}

/// # Safety
///
/// As for the table's functions.
unsafe fn broadcast(object: *const (), view: &AudienceView<'_>, opcode: Opcode, payload: &[u8]) -> usize {
    // SAFETY: the caller's promise.
    let (services, except) = unsafe { (audience(object), except(view)) };
    services.map_or(0, |services| services.audience.broadcast(whom(view), except, opcode, payload))
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
