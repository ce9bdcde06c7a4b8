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
    /// Answers an id with one of the host's tables. The engine checks each before use.
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

/// Is told clients one by one; for use during the call only.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct ClientVisitor {
    /// The engine's, for the function below.
    pub object: *mut (),
    /// Takes over one count of the client.
    pub visit: unsafe extern "C" fn(object: *mut (), client: ClientHandle),
}

/// What kind of metric, under which name and labels; borrowed for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct MetricView<'a> {
    /// 0 counter, 1 gauge, 2 histogram.
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

/// A metric: an object of the host's and the functions that take it, each on any thread.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct MetricHandle {
    /// Counted by `retain` and `release`.
    pub object: *const (),
    /// One more owner of the object.
    pub retain: unsafe extern "C" fn(object: *const ()),
    /// One owner fewer.
    pub release: unsafe extern "C" fn(object: *const ()),
    /// Counter: adds. Gauge: sets. Histogram: notes a value.
    pub record: unsafe extern "C" fn(object: *const (), value: f64),
    /// Gauge: adds, or subtracts. Others: as `record`.
    pub adjust: unsafe extern "C" fn(object: *const (), by: f64),
}

/// `wshost.host/1`. Every function may be called on any thread at any stage of its life, during `new` too, and after
/// shutdown. None unwinds.
#[repr(C)]
#[derive(StableAbi)]
pub struct HostTable {
    /// One more owner of the object.
    pub retain: unsafe extern "C" fn(object: *const ()),
    /// One owner fewer.
    pub release: unsafe extern "C" fn(object: *const ()),
    /// Writes to the host's log; `level` is 1 (error) to 5 (trace), as in the `log` crate.
    pub log: unsafe extern "C" fn(object: *const (), level: u32, target: RStr<'_>, message: RStr<'_>),
    /// The most verbose level that the host keeps, 0 (none) to 5.
    pub log_level: unsafe extern "C" fn(object: *const ()) -> u32,
    /// The calling thread panics, where and with what: if the process ends by it, the host says so. Both empty: what has
    /// been noted of this thread has been caught.
    pub note_panic: unsafe extern "C" fn(object: *const (), location: RStr<'_>, message: RStr<'_>),

    /// Whether the instance is retired: another generation has taken over, or it has ended. From then on what acts on
    /// clients reaches nobody, and jobs and timers are discarded.
    pub is_retired: unsafe extern "C" fn(object: *const ()) -> bool,

    /// The connected client of this id, with a count for the caller; [`ClientObject::NONE`] where there is none.
    pub client: unsafe extern "C" fn(object: *const (), id: ClientId) -> ClientObject,
    /// Tells the visitor every client of the audience.
    pub clients: unsafe extern "C" fn(object: *const (), audience: AudienceView<'_>, visitor: ClientVisitor),
    /// How many clients the audience has.
    pub count: unsafe extern "C" fn(object: *const (), audience: AudienceView<'_>) -> usize,
    /// Sends one text message to every client of the audience; the engine vouches that it is UTF-8. Returns how many
    /// clients it was queued for.
    pub broadcast_text: unsafe extern "C" fn(object: *const (), audience: AudienceView<'_>, text: RStr<'_>) -> usize,
    /// Sends one binary message to every client of the audience. Returns how many clients it was queued for.
    pub broadcast_binary:
        unsafe extern "C" fn(object: *const (), audience: AudienceView<'_>, data: RSlice<'_, u8>) -> usize,

    /// Runs a job that belongs to no client; taken over in any case, discarded once the host ends or the instance is
    /// retired.
    pub spawn: unsafe extern "C" fn(object: *const (), job: *mut JobObject),
    /// Runs the timer on a worker, first after `after_ms`, then every `every_ms` unless that is 0. The timer is taken
    /// over in any case. Returns what `cancel_timer` wants.
    pub start_timer:
        unsafe extern "C" fn(object: *const (), timer: *mut TimerObject, after_ms: u64, every_ms: u64) -> u64,
    /// Cancels a timer; a run that goes on is not interrupted.
    pub cancel_timer: unsafe extern "C" fn(object: *const (), timer: u64),
    /// A metric with a count for the caller: the one that is there under this name and these labels, or a new one.
    pub metric: unsafe extern "C" fn(object: *const (), metric: MetricView<'_>) -> MetricHandle,
}
