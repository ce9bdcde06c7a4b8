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
    /// Runs the job and frees it. Null, or the panic that ended it. `[worker; the event loop with --workers 0, if it is a client's]`
    ///
    /// # Safety
    ///
    /// `job` is the object that has this function, and given up.
    pub run: unsafe extern "C" fn(job: *mut JobObject) -> *mut Failure,
    /// Frees the job without running it. Null, or the panic of its drop. `[any thread]`
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
    /// Runs it. Null, or the panic that ended the run; the timer may be run again. `[worker]`
    ///
    /// # Safety
    ///
    /// `timer` is the object that has this function, has not been discarded, and no other call uses it.
    pub run: unsafe extern "C" fn(timer: *mut TimerObject) -> *mut Failure,
    /// Frees the timer. Null, or the panic of its drop. `[any thread]`
    ///
    /// # Safety
    ///
    /// As for `run`, and the timer is given up.
    pub discard: unsafe extern "C" fn(timer: *mut TimerObject) -> *mut Failure,
}

/// A value that an engine posted to one of its own sessions. Handed to `on_event`, or discarded, once.
#[repr(C)]
#[derive(StableAbi)]
pub struct EventObject {
    /// [`EngineTable::origin`](super::EngineTable::origin) of the library that made it: another one cannot read it.
    pub origin: &'static u8,
    /// Frees the value undelivered. Null, or the panic of its drop. `[any thread]`
    ///
    /// # Safety
    ///
    /// `event` is the object that has this function, and given up.
    pub discard: unsafe extern "C" fn(event: *mut EventObject) -> *mut Failure,
}

/// What went wrong inside the engine. Read by the host, then released by it, once.
#[repr(C)]
#[derive(StableAbi)]
pub struct Failure {
    /// The panic's message, or the error as the engine words it.
    pub message: RString,
    /// `file:line:column` of a panic; empty for an error that was returned.
    pub location: RString,
    /// Frees the failure. `[any thread]`
    ///
    /// # Safety
    ///
    /// `failure` is the object that has this function, and given up.
    pub release: unsafe extern "C" fn(failure: *mut Failure),
}

/// What every callback returns, in two registers: at most one of the two is not null.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Returned {
    /// A job to run, which is the host's from now on, or null.
    pub job: *mut JobObject,
    /// The panic that ended the callback, or null.
    pub failure: *mut Failure,
}

impl Returned {
    /// Neither a job nor a failure.
    pub const NOTHING: Returned = Returned { job: std::ptr::null_mut(), failure: std::ptr::null_mut() };
}
