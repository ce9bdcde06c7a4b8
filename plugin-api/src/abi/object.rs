//! Objects that the engine makes and the host owns for a while. Each begins with the functions that end it.
//!
//! They may be used and ended on any thread, one call at a time. They outlive the instance that made them, if need be: its
//! library stays loaded.

use abi_stable::StableAbi;
use abi_stable::std_types::RString;

/// Work that an engine returned or spawned. The host calls `run` or `discard`, once; both free the object.
#[repr(C)]
#[derive(StableAbi)]
pub struct JobObject {
    /// Runs the job and frees it. Returns null, or the panic that ended it. `[worker; the event loop with --workers 0,
    /// if it is a client's]`
    ///
    /// # Safety
    ///
    /// `job` is the object with this function, and is given up.
    pub run: unsafe extern "C" fn(job: *mut JobObject) -> *mut Failure,
    /// Frees the job without running it. Returns null, or the panic of its drop. `[any thread]`
    ///
    /// # Safety
    ///
    /// As for `run`.
    pub discard: unsafe extern "C" fn(job: *mut JobObject) -> *mut Failure,
}

/// Work for a timer. The host calls `run` any number of times, then `discard`, once.
#[repr(C)]
#[derive(StableAbi)]
pub struct TimerObject {
    /// Runs it. Returns null, or the panic that ended the run; the timer may be run again. `[worker]`
    ///
    /// # Safety
    ///
    /// `timer` is the object with this function, has not been discarded, and no other call uses it.
    pub run: unsafe extern "C" fn(timer: *mut TimerObject) -> *mut Failure,
    /// Frees the timer. Returns null, or the panic of its drop. `[any thread]`
    ///
    /// # Safety
    ///
    /// As for `run`, and the timer is given up.
    pub discard: unsafe extern "C" fn(timer: *mut TimerObject) -> *mut Failure,
}

/// A value that an engine posted to one of its own sessions. It is passed to `on_event` or discarded, once.
#[repr(C)]
#[derive(StableAbi)]
pub struct EventObject {
    /// [`EngineTable::origin`](super::EngineTable::origin) of the library that made it. Another library cannot read it.
    pub origin: &'static u8,
    /// Frees the value undelivered. Returns null, or the panic of its drop. `[any thread]`
    ///
    /// # Safety
    ///
    /// `event` is the object with this function, and is given up.
    pub discard: unsafe extern "C" fn(event: *mut EventObject) -> *mut Failure,
}

/// A failure inside the engine. The host reads it, then releases it, once.
#[repr(C)]
#[derive(StableAbi)]
pub struct Failure {
    /// The panic's message, or the engine's text of an error.
    pub message: RString,
    /// `file:line:column` of a panic; empty for an error that was returned.
    pub location: RString,
    /// Frees the failure. `[any thread]`
    ///
    /// # Safety
    ///
    /// `failure` is the object with this function, and is given up.
    pub release: unsafe extern "C" fn(failure: *mut Failure),
}

/// The result of every callback, in two registers. At most one of the two is not null.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Returned {
    /// A job to run, which belongs to the host from now on, or null.
    pub job: *mut JobObject,
    /// The panic that ended the callback, or null.
    pub failure: *mut Failure,
}

impl Returned {
    /// Neither a job nor a failure.
    pub const NOTHING: Returned = Returned { job: std::ptr::null_mut(), failure: std::ptr::null_mut() };
}
