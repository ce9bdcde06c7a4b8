//! `wshost.host/1`: what the engine can ask of the host.

use super::client_table;
use super::object::{Job, TimerJob};
use crate::Host;
use crate::abi::{
    AudienceView, CLIENT_ID, ClientId, ClientObject, ClientVisitor, Code, Failure, HOST_ID, HostHandle, HostTable,
    Interface, JobObject, MetricHandle, MetricKind, MetricView, TimerObject,
};
use crate::contain::entry::{Answer, entries, tell};
use crate::handles::group::Whom;
use crate::testing::message::Message;
use crate::testing::metrics::{Key, Metric, Metrics};
use crate::testing::services::Services;
use abi_stable::std_types::{ROption, RSlice, RStr};
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

/// A handle with a count of its own, for `new` to take over.
pub(super) fn handle(services: &Arc<Services>) -> HostHandle {
    HostHandle { object: Arc::into_raw(Arc::clone(services)).cast(), interface }
}

/// A handle as engines have it.
pub(in crate::testing) fn host(services: &Arc<Services>) -> Host {
    Host::take_over(handle(services)).expect("the tables are this crate's own")
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

entries! {
    fn interface(id: RStr<'_>) -> ROption<Interface> {
        match id.as_str() {
            HOST_ID => ROption::RSome(Interface::new(&TABLE)),
            CLIENT_ID => ROption::RSome(Interface::new(&client_table::TABLE)),
            _ => ROption::RNone,
        }
    }
}

/// # Safety
///
/// `object` came from [`handle`], and the caller owns a count of it.
unsafe fn services(object: *const ()) -> ManuallyDrop<Arc<Services>> {
    // SAFETY: the caller's promise; the count stays the caller's.
    ManuallyDrop::new(unsafe { Arc::from_raw(object.cast::<Services>()) })
}

entries! {
    fn retain(object: *const ()) {
        // SAFETY: the object is an Arc's, and alive.
        unsafe { Arc::increment_strong_count(object.cast::<Services>()) }
    }

    fn release(object: *const ()) {
        // SAFETY: the engine gives up a count that it owns.
        unsafe { Arc::decrement_strong_count(object.cast::<Services>()) }
    }

    fn log(object: *const (), level: u32, target: RStr<'_>, message: RStr<'_>) {
        // SAFETY: the table's contract.
        unsafe { services(object) }.log(log::Level::of(level), target.as_str(), message.as_str());
    }

    fn log_level(_object: *const ()) -> u32 {
        log::LevelFilter::Trace.code()
    }

    fn note_panic(_object: *const (), _location: RStr<'_>, _message: RStr<'_>) {
        // A test that ends by a panic says so itself.
    }

    fn is_retired(object: *const ()) -> bool {
        // SAFETY: the table's contract.
        unsafe { services(object) }.is_retired()
    }

    fn client(object: *const (), id: ClientId) -> ClientObject {
        // SAFETY: the table's contract.
        let client = unsafe { services(object) }.client(crate::ClientId(id));
        client.map_or(ClientObject::NONE, |client| client_table::handle(client).object)
    }

    fn clients(object: *const (), audience: AudienceView<'_>, visitor: ClientVisitor) {
        // SAFETY: the table's contract.
        let clients = unsafe { services(object).audience(whom(&audience), except(&audience)) };
        for client in clients {
            // SAFETY: the visitor is the caller's, for this call.
            unsafe { (visitor.visit)(visitor.object, client_table::handle(client)) };
        }
    }

    fn count(object: *const (), audience: AudienceView<'_>) -> usize {
        // SAFETY: the table's contract.
        unsafe { services(object).audience(whom(&audience), except(&audience)) }.len()
    }

    fn broadcast_text(object: *const (), audience: AudienceView<'_>, text: RStr<'_>) -> usize {
        // SAFETY: the table's contract.
        unsafe { broadcast(object, &audience, &Message::text(text.as_str())) }
    }

    fn broadcast_binary(object: *const (), audience: AudienceView<'_>, data: RSlice<'_, u8>) -> usize {
        // SAFETY: the table's contract.
        unsafe { broadcast(object, &audience, &Message::binary(data.as_slice())) }
    }
}

/// # Safety
///
/// As for the table's functions.
unsafe fn broadcast(object: *const (), audience: &AudienceView<'_>, message: &Message) -> usize {
    // SAFETY: the caller's promise.
    unsafe { services(object).broadcast(whom(audience), except(audience), message) }
}

fn whom<'a>(audience: &AudienceView<'a>) -> Whom<'a> {
    if audience.everyone { Whom::Everyone } else { Whom::Members(audience.group.as_str()) }
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

/// A metric with a count for the engine.
fn metric_handle(metric: Arc<Metric>) -> MetricHandle {
    MetricHandle {
        object: Arc::into_raw(metric).cast(),
        retain: retain_metric,
        release: release_metric,
        record: record_metric,
        adjust: adjust_metric,
    }
}

impl Answer for MetricHandle {
    fn failed(failure: *mut Failure) -> Self {
        tell(failure);
        metric_handle(Metrics::default().metric(Key::new(MetricKind::Counter, "of no use", &[])))
    }
}

entries! {
    fn spawn(object: *const (), job: *mut JobObject) {
        // SAFETY: the table's contract; the engine gives the job up.
        unsafe {
            let services = services(object);
            services.submit(None, Job::take(job, &services));
        }
    }

    fn start_timer(object: *const (), timer: *mut TimerObject, after_ms: u64, every_ms: u64) -> u64 {
        let every = (every_ms > 0).then(|| Duration::from_millis(every_ms));
        // SAFETY: the table's contract; the engine gives the timer up.
        unsafe {
            let services = services(object);
            services.start_timer(TimerJob::take(timer, &services), Duration::from_millis(after_ms), every)
        }
    }

    fn cancel_timer(object: *const (), timer: u64) {
        // SAFETY: the table's contract.
        unsafe { services(object) }.cancel_timer(timer);
    }

    fn metric(object: *const (), metric: MetricView<'_>) -> MetricHandle {
        let kind = MetricKind::of(metric.kind);
        let labels: Vec<_> =
            metric.labels.as_slice().iter().map(|label| (label.name.as_str(), label.value.as_str())).collect();
        // SAFETY: the table's contract.
        let metric = unsafe { services(object) }.metric(kind, metric.name.as_str(), &labels);
        metric_handle(metric)
    }

    fn retain_metric(object: *const ()) {
        // SAFETY: the object is an Arc's, and alive.
        unsafe { Arc::increment_strong_count(object.cast::<Metric>()) }
    }

    fn release_metric(object: *const ()) {
        // SAFETY: the engine gives up a count that it owns.
        unsafe { Arc::decrement_strong_count(object.cast::<Metric>()) }
    }

    fn record_metric(object: *const (), value: f64) {
        // SAFETY: the engine owns a count of the object.
        unsafe { &*object.cast::<Metric>() }.record(value);
    }

    fn adjust_metric(object: *const (), by: f64) {
        // SAFETY: the engine owns a count of the object.
        unsafe { &*object.cast::<Metric>() }.adjust(by);
    }
}
