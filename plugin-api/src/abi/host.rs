//! The host's services, as an engine sees them.

use super::{ClientHandle, ClientId, ClientObject, Interface, JobObject, TimerObject};
use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RSlice, RStr};

/// The host, for one instance of an engine: an object and the functions that take it.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct HostHandle {
    /// Counted by `retain` and `release`.
    pub object: *const (),
    /// Answers an id with one of the host's tables, always the same. The engine checks each before use. `[any thread]`
    ///
    /// # Safety
    ///
    /// The id is borrowed.
    pub interface: unsafe extern "C" fn(id: RStr<'_>) -> ROption<Interface>,
}

/// Some of an engine's clients: a group, or all.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct AudienceView<'a> {
    /// All clients; `group` says nothing then.
    pub everyone: bool,
    /// The group's name, at most 255 bytes.
    pub group: RStr<'a>,
    /// [`ClientObject::client`] of a client to leave out, or null.
    pub except: *const (),
}

/// Is told clients one by one: of the engine's, borrowed for the call of `clients`.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ClientVisitor {
    /// The engine's, for the function below.
    pub object: *mut (),
    /// Takes a client: once for each.
    ///
    /// # Safety
    ///
    /// `object` is that of this visitor, within the call of `clients` that got it, on its thread; one count of the client is
    /// given up.
    pub visit: unsafe extern "C" fn(object: *mut (), client: ClientHandle),
}

/// What kind of metric, under which name and labels; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct MetricView<'a> {
    /// A code of [`MetricKind`](super::MetricKind): 0 counter, 1 gauge, 2 histogram.
    pub kind: u32,
    /// The name, as Prometheus wants it.
    pub name: RStr<'a>,
    /// The labels.
    pub labels: RSlice<'a, LabelView<'a>>,
}

/// One label of a metric.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct LabelView<'a> {
    /// The label's name.
    pub name: RStr<'a>,
    /// The label's value.
    pub value: RStr<'a>,
}

/// A metric: an object of the host's and the functions that take it. The engine may call them on any thread at any stage of its
/// life, any number of times and several at once. None blocks.
///
/// # Safety
///
/// Of all functions: `object` is that of this handle, and the caller owns a count of it.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct MetricHandle {
    /// Counted by `retain` and `release`.
    pub object: *const (),
    /// Gives the caller one more count.
    ///
    /// # Safety
    ///
    /// The caller owns a count.
    pub retain: unsafe extern "C" fn(object: *const ()),
    /// Takes a count back.
    ///
    /// # Safety
    ///
    /// The caller owns a count, which it gives up.
    pub release: unsafe extern "C" fn(object: *const ()),
    /// Counter: adds. Gauge: sets. Histogram: notes a value.
    ///
    /// # Safety
    ///
    /// The caller owns a count.
    pub record: unsafe extern "C" fn(object: *const (), value: f64),
    /// Gauge: adds, or subtracts. Others: as `record`.
    ///
    /// # Safety
    ///
    /// The caller owns a count.
    pub adjust: unsafe extern "C" fn(object: *const (), by: f64),
}

/// `wshost.host/1`: the host, for one instance of an engine to call.
///
/// Every function may be called on any thread at any stage of its life, any number of times and several at once, during `new`
/// too, and after shutdown. None blocks, but for `clients`, which calls back. If the generation is retired or has not taken over
/// yet, what acts on clients reaches nobody.
///
/// # Safety
///
/// Of all functions: `object` is that of the [`HostHandle`] that offered this table, and the caller owns a count of it. What
/// else one asks for stands with it.
#[repr(C)]
#[derive(StableAbi)]
pub struct HostTable {
    /// Gives the caller one more count of the object.
    ///
    /// # Safety
    ///
    /// The caller owns a count.
    pub retain: unsafe extern "C" fn(object: *const ()),
    /// Takes a count of the object back.
    ///
    /// # Safety
    ///
    /// The caller owns a count, which it gives up.
    pub release: unsafe extern "C" fn(object: *const ()),
    /// Writes to the host's log; `level` is a code of [`log::Level`], 1 (error) to 5 (trace).
    ///
    /// # Safety
    ///
    /// The caller owns a count; both texts are borrowed.
    pub log: unsafe extern "C" fn(object: *const (), level: u32, target: RStr<'_>, message: RStr<'_>),
    /// The most verbose level that the host keeps: a code of [`log::LevelFilter`], 0 (none) to 5 (trace).
    ///
    /// # Safety
    ///
    /// The caller owns a count.
    pub log_level: unsafe extern "C" fn(object: *const ()) -> u32,
    /// The calling thread panics, where and with what: if the process ends by it, the host says so. Both empty: what has
    /// been noted of this thread has been caught.
    ///
    /// # Safety
    ///
    /// The caller owns a count; both texts are borrowed.
    pub note_panic: unsafe extern "C" fn(object: *const (), location: RStr<'_>, message: RStr<'_>),

    /// Whether the instance is retired: another generation has taken over, or it has ended. From then on what acts on
    /// clients reaches nobody, and jobs and timers are discarded. It never turns back.
    ///
    /// # Safety
    ///
    /// The caller owns a count.
    pub is_retired: unsafe extern "C" fn(object: *const ()) -> bool,

    /// The connected client of this id, or [`ClientObject::NONE`]. A client that is returned comes with a count, which is the
    /// caller's.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`.
    pub client: unsafe extern "C" fn(object: *const (), id: ClientId) -> ClientObject,
    /// Tells the visitor every client of the audience, in no order, within this call.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; the group's name is borrowed, the client to leave out is null or one that the caller
    /// has, and the visitor is borrowed.
    pub clients: unsafe extern "C" fn(object: *const (), audience: AudienceView<'_>, visitor: ClientVisitor),
    /// How many clients the audience has.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; the audience is as for `clients`.
    pub count: unsafe extern "C" fn(object: *const (), audience: AudienceView<'_>) -> usize,
    /// Sends one text message to every client of the audience. Returns how many clients it was queued for.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; the audience is as for `clients`; `text` is borrowed, and UTF-8.
    pub broadcast_text: unsafe extern "C" fn(object: *const (), audience: AudienceView<'_>, text: RStr<'_>) -> usize,
    /// Sends one binary message to every client of the audience. Returns how many clients it was queued for.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; the audience is as for `clients`; `data` is borrowed.
    pub broadcast_binary:
        unsafe extern "C" fn(object: *const (), audience: AudienceView<'_>, data: RSlice<'_, u8>) -> usize,

    /// Runs a job that belongs to no client, or discards it, once the host ends or the instance is retired.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; `job` is given up.
    pub spawn: unsafe extern "C" fn(object: *const (), job: *mut JobObject),
    /// Runs the timer on a worker, first after `after_ms`, then every `every_ms` unless that is 0. Returns what `cancel_timer`
    /// wants.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; `timer` is given up.
    pub start_timer:
        unsafe extern "C" fn(object: *const (), timer: *mut TimerObject, after_ms: u64, every_ms: u64) -> u64,
    /// Cancels a timer; a run that goes on is not interrupted. A number that is no timer's is passed over.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`.
    pub cancel_timer: unsafe extern "C" fn(object: *const (), timer: u64),
    /// A metric with a count for the caller: the one that is there under this name and these labels, or a new one.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; the names and labels are borrowed.
    pub metric: unsafe extern "C" fn(object: *const (), metric: MetricView<'_>) -> MetricHandle,
}
