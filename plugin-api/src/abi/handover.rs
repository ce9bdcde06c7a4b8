//! How one generation of an engine passes its state to the next.

use super::{ClientHandle, EngineObject, Failure, SessionObject};
use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr, RVec};

/// What exported bytes mean.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct SchemaView<'a> {
    /// The schema's name.
    pub name: RStr<'a>,
    /// Its version.
    pub version: u32,
}

/// Exported bytes, or why there are none.
#[repr(C)]
#[derive(StableAbi)]
pub struct Exported {
    /// Meaningless where `failure` is not null.
    pub bytes: RVec<u8>,
    /// The error or panic, or null.
    pub failure: *mut Failure,
}

/// An imported session, or why there is none.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Imported {
    /// The session, where `failure` is null.
    pub session: SessionObject,
    /// The error or panic, or null.
    pub failure: *mut Failure,
}

/// `wshost.handover/1`: offered by engines whose connections can pass to their next generation.
///
/// Called while no other call goes on in the engine, and on one thread: `[handover thread]`.
#[repr(C)]
#[derive(StableAbi)]
pub struct HandoverTable {
    /// What this engine's exports are.
    pub schema: SchemaView<'static>,
    /// Whether this engine can import what another exported.
    pub accepts: unsafe extern "C" fn(engine: EngineObject, schema: SchemaView<'_>) -> bool,
    /// The engine's own state. Consumes nothing.
    pub export_state: unsafe extern "C" fn(engine: EngineObject) -> Exported,
    /// A session. Consumes nothing.
    pub export_session: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject) -> Exported,
    /// Takes over the state; called once, before any session is imported.
    pub import_state: unsafe extern "C" fn(EngineObject, SchemaView<'_>, state: RSlice<'_, u8>) -> *mut Failure,
    /// Makes a session of an exported one.
    pub import_session:
        unsafe extern "C" fn(EngineObject, &ClientHandle, SchemaView<'_>, session: RSlice<'_, u8>) -> Imported,
}
