//! Passes the state of one generation of an engine to the next.

use super::{ClientHandle, EngineObject, Failure, SessionObject};
use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr, RVec};

/// The meaning of exported bytes.
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
    /// The bytes. They mean nothing if `failure` is not null. The caller must free them in any case.
    pub bytes: RVec<u8>,
    /// The error or panic, or null.
    pub failure: *mut Failure,
}

/// An imported session, or why there is none.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Imported {
    /// The session, if `failure` is null.
    pub session: SessionObject,
    /// The error or panic, or null.
    pub failure: *mut Failure,
}

/// `wshost.handover/1`: offered by engines whose connections can pass to their next generation, for the host to call.
///
/// All calls of a swap come from one thread. Except for the exports on trial, no callback, job or timer of either
/// engine runs meanwhile. Each runs the author's code, which may fail by an error or a panic.
///
/// # Safety
///
/// For all functions: those of [`EngineTable`](super::EngineTable). Each function states its further conditions.
#[repr(C)]
#[derive(StableAbi)]
pub struct HandoverTable {
    /// The schema of this engine's exports; always the same.
    pub schema: SchemaView<'static>,
    /// Whether this engine can import what another exported. Any number of times. `[any thread]`
    ///
    /// # Safety
    ///
    /// The schema's name is borrowed.
    pub accepts: unsafe extern "C" fn(engine: EngineObject, schema: SchemaView<'_>) -> bool,
    /// The engine's own state. Consumes nothing: the engine may go on. At least twice in a swap, on trial and for good; on
    /// trial, callbacks, jobs and timers run meanwhile. `[handover thread]`
    ///
    /// # Safety
    ///
    /// Nothing else.
    pub export_state: unsafe extern "C" fn(engine: EngineObject) -> Exported,
    /// A session. Consumes nothing: the engine may go on with it. As often as `export_state`. `[handover thread]`
    ///
    /// # Safety
    ///
    /// The client is on loan; no other call uses the session meanwhile, even on trial.
    pub export_session: unsafe extern "C" fn(EngineObject, &ClientHandle, SessionObject) -> Exported,
    /// Takes over the state: once, before any session is imported and before any callback. `[handover thread]`
    ///
    /// # Safety
    ///
    /// The schema's name and `state` are borrowed.
    pub import_state: unsafe extern "C" fn(EngineObject, SchemaView<'_>, state: RSlice<'_, u8>) -> *mut Failure,
    /// Makes a session from an exported one, once for each. `on_open` is not called again. The host must end a returned
    /// session. `[handover thread]`
    ///
    /// # Safety
    ///
    /// The client is on loan; the schema's name and `session` are borrowed.
    pub import_session:
        unsafe extern "C" fn(EngineObject, &ClientHandle, SchemaView<'_>, session: RSlice<'_, u8>) -> Imported,
}
