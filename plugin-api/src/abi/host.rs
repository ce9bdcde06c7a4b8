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
    /// Whether all clients are meant; `group` is ignored then.
    pub everyone: bool,
    /// The group's name, at most 255 bytes.
    pub group: RStr<'a>,
    /// [`ClientObject::client`] of a client to leave out, or null.
    pub except: *const (),
}

/// Receives clients one by one. It belongs to the engine and is borrowed for the call of `clients`.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ClientVisitor {
    /// The engine's data for the function below.
    pub object: *mut (),
    /// Takes a client: once for each.
    ///
    /// # Safety
    ///
    /// `object` is this visitor's. The call is on the thread and within the call of `clients` that got the visitor; one
    /// count of the client is given up.
    pub visit: unsafe extern "C" fn(object: *mut (), client: ClientHandle),
}

/// The kind, name and labels of a metric, borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct MetricView<'a> {
    /// A code of [`MetricKind`](super::MetricKind): 0 counter, 1 gauge, 2 histogram.
    pub kind: u32,
    /// The name, in Prometheus's form.
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

/// A metric: an object of the host, and the functions that take it. The engine may call them on any thread at any stage
/// of its life, any number of times and several at once. None blocks.
///
/// # Safety
///
/// For all functions: `object` is this handle's, and the caller owns a count of it.
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
/// Every function may be called on any thread at any stage of its life, any number of times and several at once, even
/// during `new` and after shutdown. None blocks, except for `clients`, which calls back. If the generation is retired
/// or has not taken over yet, functions that act on clients reach nobody.
///
/// # Safety
///
/// For all functions: `object` belongs to the [`HostHandle`] that offered this table, and the caller owns a count of
/// it. Each function states its further conditions.
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
    /// Tells that the calling thread panics, at this location and with this message, so that the host can report it if
    /// the process ends. Two empty texts mean that the thread's panic has been caught.
    ///
    /// # Safety
    ///
    /// The caller owns a count; both texts are borrowed.
    pub note_panic: unsafe extern "C" fn(object: *const (), location: RStr<'_>, message: RStr<'_>),

    /// Whether the instance is retired: another generation has taken over, or it has ended. From then on, functions
    /// that act on clients reach nobody, and jobs and timers are discarded. A retired instance stays retired.
    ///
    /// # Safety
    ///
    /// The caller owns a count.
    pub is_retired: unsafe extern "C" fn(object: *const ()) -> bool,

    /// The connected client of this id, or [`ClientObject::NONE`]. A returned client comes with a count, which belongs
    /// to the caller.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`.
    pub client: unsafe extern "C" fn(object: *const (), id: ClientId) -> ClientObject,
    /// Passes every client of the audience to the visitor, in no order, within this call.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; the group's name is borrowed, the client to leave out is null or one that
    /// the caller has, and the visitor is borrowed.
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

    /// Runs a job that belongs to no client. If the host ends or the instance is retired, the job is discarded.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; `job` is given up.
    pub spawn: unsafe extern "C" fn(object: *const (), job: *mut JobObject),
    /// Runs the timer on a worker, first after `after_ms`, then every `every_ms` unless that is 0. Returns the number
    /// for `cancel_timer`.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; `timer` is given up.
    pub start_timer:
        unsafe extern "C" fn(object: *const (), timer: *mut TimerObject, after_ms: u64, every_ms: u64) -> u64,
    /// Cancels a timer. A run that has begun is not interrupted. The number of no timer is ignored.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`.
    pub cancel_timer: unsafe extern "C" fn(object: *const (), timer: u64),
    /// The metric with this name and these labels, which is made if it does not exist, with a count for the caller.
    ///
    /// # Safety
    ///
    /// The caller owns a count of `object`; the names and labels are borrowed.
    pub metric: unsafe extern "C" fn(object: *const (), metric: MetricView<'_>) -> MetricHandle,
}
