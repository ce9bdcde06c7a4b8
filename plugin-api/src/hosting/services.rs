//! The host's side of an engine's [`Host`](crate::Host): the functions of [`HostTable`].

use super::guard::host_functions;
use super::{EngineJob, EngineTimer, HostMetric, HostServices, Hosting, Recipients, client, counted, metric};
use crate::Host;
use crate::abi::{
    AudienceView, CLIENT_ID, ClientId, ClientObject, ClientVisitor, Code, HOST_ID, HostHandle, HostTable, Interface,
    JobObject, MetricHandle, MetricKind, MetricView, TimerObject,
};
use abi_stable::std_types::{ROption, RSlice, RStr};
use log::Level;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A handle with a count of its own, for `new` to take over.
pub(super) fn handle<H: Hosting>(services: &Arc<H::Services>) -> HostHandle {
    HostHandle { object: counted::give(Arc::clone(services)), interface: interface::<H> }
}

/// The engine's handle of the host, for hosts in the engine's own program, which are those of tests.
pub fn host_handle<H: Hosting>(services: &Arc<H::Services>) -> Host {
    Host::take_over(handle::<H>(services)).expect("both sides are of this build")
}

struct HostFunctions<H>(PhantomData<H>);

impl<H: Hosting> HostFunctions<H> {
    const TABLE: &'static HostTable = &HostTable {
        retain: retain::<H>,
        release: release::<H>,
        log: log::<H>,
        log_level: log_level::<H>,
        note_panic: note_panic::<H>,
        is_retired: is_retired::<H>,
        client: client::<H>,
        clients: clients::<H>,
        count: count::<H>,
        broadcast_text: broadcast_text::<H>,
        broadcast_binary: broadcast_binary::<H>,
        spawn: spawn::<H>,
        start_timer: start_timer::<H>,
        cancel_timer: cancel_timer::<H>,
        metric: metric::<H>,
    };
}

/// # Safety
///
/// `object` came from [`handle`], and the caller owns a count of it.
#[inline]
unsafe fn services<'a, H: Hosting>(object: *const ()) -> &'a H::Services {
    // SAFETY: the caller's promise.
    unsafe { counted::borrow(object) }
}

/// The services of a generation, if it reaches clients: it does not before it has taken over, and once it is retired.
///
/// # Safety
///
/// As for [`services`].
#[inline]
unsafe fn reach<'a, H: Hosting>(object: *const ()) -> Option<&'a H::Services> {
    // SAFETY: the caller's promise.
    let services = unsafe { services::<H>(object) };
    services.generation().is_present().then_some(services)
}

/// # Safety
///
/// The view's client is null, or the engine has it for the call.
unsafe fn recipients<'a, H: Hosting>(view: &AudienceView<'a>) -> Recipients<'a, H::Client> {
    // SAFETY: the caller's promise.
    let except = (!view.except.is_null()).then(|| unsafe { counted::borrow(view.except) });
    Recipients { group: (!view.everyone).then(|| view.group.as_str()), except }
}

host_functions! {
    fn interface(id: RStr<'_>) -> ROption<Interface>, else ROption::RNone => {
        match id.as_str() {
            HOST_ID => ROption::RSome(Interface::new(HostFunctions::<H>::TABLE)),
            CLIENT_ID => ROption::RSome(Interface::new(client::ClientFunctions::<H>::TABLE)),
            _ => ROption::RNone,
        }
    }

    fn retain(object: *const ()), else () => {
        // SAFETY: HostTable::retain.
        unsafe { counted::retain::<H::Services>(object) }
    }

    fn release(object: *const ()), else () => {
        // SAFETY: HostTable::release.
        unsafe { counted::release::<H::Services>(object) }
    }

    fn log(object: *const (), level: u32, target: RStr<'_>, message: RStr<'_>), else () => {
        // SAFETY: the engine has the object.
        unsafe { services::<H>(object) }.log(Level::of(level), target.as_str(), message.as_str());
    }

    fn log_level(object: *const ()) -> u32, else 0 => {
        // SAFETY: the engine has the object.
        unsafe { services::<H>(object) }.log_level().code()
    }

    fn note_panic(object: *const (), location: RStr<'_>, message: RStr<'_>), else () => {
        // SAFETY: the engine has the object.
        let services = unsafe { services::<H>(object) };
        if location.is_empty() && message.is_empty() {
            services.forget_panic();
        } else {
            services.note_panic(location.as_str(), message.as_str());
        }
    }

    fn is_retired(object: *const ()) -> bool, else true => {
        // SAFETY: the engine has the object.
        unsafe { services::<H>(object) }.generation().is_retired()
    }

    fn client(object: *const (), id: ClientId) -> ClientObject, else ClientObject::NONE => {
        // SAFETY: the engine has the object.
        let services = unsafe { reach::<H>(object) };
        let found = services.and_then(|services| Some((services.client(id)?, services.generation())));
        found.map_or(ClientObject::NONE, |(client, generation)| client::give::<H>(client, generation).object)
    }

    fn clients(object: *const (), audience: AudienceView<'_>, visitor: ClientVisitor), else () => {
        // SAFETY: the engine has the object, and the client to leave out.
        let (Some(services), recipients) = (unsafe { (reach::<H>(object), recipients::<H>(&audience)) }) else { return };
        for client in services.clients(recipients) {
            // SAFETY: ClientVisitor::visit, of the engine's own visitor, within this call.
            unsafe { (visitor.visit)(visitor.object, client::give::<H>(client, services.generation())) };
        }
    }

    fn count(object: *const (), audience: AudienceView<'_>) -> usize, else 0 => {
        // SAFETY: as in `clients`.
        let (services, recipients) = unsafe { (reach::<H>(object), recipients::<H>(&audience)) };
        services.map_or(0, |services| services.count(recipients))
    }

    fn broadcast_text(object: *const (), audience: AudienceView<'_>, text: RStr<'_>) -> usize, else 0 => {
        // SAFETY: as in `clients`.
        let (services, recipients) = unsafe { (reach::<H>(object), recipients::<H>(&audience)) };
        services.map_or(0, |services| services.broadcast_text(recipients, text.as_str()))
    }

    fn broadcast_binary(object: *const (), audience: AudienceView<'_>, data: RSlice<'_, u8>) -> usize, else 0 => {
        // SAFETY: as in `clients`.
        let (services, recipients) = unsafe { (reach::<H>(object), recipients::<H>(&audience)) };
        services.map_or(0, |services| services.broadcast_binary(recipients, data.as_slice()))
    }

    fn spawn(object: *const (), job: *mut JobObject), else () => {
        // SAFETY: HostTable::spawn: the engine has the object, and gives the job up whatever the result.
        unsafe {
            let services = counted::borrow_arc::<H::Services>(object);
            services.spawn(EngineJob::take(services.generation(), job));
        }
    }

    fn start_timer(object: *const (), timer: *mut TimerObject, after_ms: u64, every_ms: u64) -> u64, else 0 => {
        let every = (every_ms > 0).then(|| Duration::from_millis(every_ms));
        // SAFETY: HostTable::start_timer: the engine has the object, and gives the timer up whatever the result.
        unsafe {
            let services = counted::borrow_arc::<H::Services>(object);
            let timer = EngineTimer::take(services.generation(), timer);
            services.start_timer(timer, Duration::from_millis(after_ms), every)
        }
    }

    fn cancel_timer(object: *const (), timer: u64), else () => {
        // SAFETY: the engine has the object.
        unsafe { services::<H>(object) }.cancel_timer(timer);
    }

    fn metric(object: *const (), view: MetricView<'_>) -> MetricHandle, else metric::give::<H>(HostMetric::of_no_use()) => {
        // SAFETY: the engine has the object.
        let services = unsafe { services::<H>(object) };
        let labels = view.labels.as_slice().iter().map(|label| (label.name.as_str(), label.value.as_str()));
        metric::give::<H>(services.metric(MetricKind::of(view.kind), view.name.as_str(), labels))
    }
}
