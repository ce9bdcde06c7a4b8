//! The host's services, as an engine sees them.

use super::Interface;
use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RStr};

/// The host, for one instance of an engine: an object and the functions that take it.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct HostHandle {
    /// Counted by `retain` and `release`.
    pub object: *const (),
    /// Answers an id with one of the host's tables. The engine checks each before use.
    pub interface: extern "C" fn(id: RStr<'_>) -> ROption<Interface>,
}

/// `wshost.host/1`. Every function may be called on any thread, during `new` too, and after shutdown.
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
    /// How many clients of this engine are connected.
    pub client_count: unsafe extern "C" fn(object: *const ()) -> usize,
}
