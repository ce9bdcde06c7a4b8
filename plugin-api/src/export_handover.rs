//! The engine's side of a handover: the functions behind its table.

use crate::abi::{ClientHandle, EngineObject, Exported, Failure, HandoverTable, Imported, SchemaView, SessionObject};
use crate::contain::{contain, failed};
use crate::export::{Described, engine_ref};
use crate::handover::{Handover, Schema};
use crate::{Client, Result};
use abi_stable::std_types::{RSlice, RStr, RVec};
use std::any::TypeId;
use std::marker::PhantomData;
use std::ptr::null_mut;

/// What sessions of type `()` are called.
const UNIT: SchemaView<'static> = SchemaView { name: RStr::from_str("()"), version: 1 };

/// The table of an engine that implements [`Handover`].
pub fn handover<E: Handover>() -> &'static HandoverTable {
    Tables::<E>::HANDOVER
}

/// The table of an engine whose sessions are `()`; others have none.
pub fn unit_handover<E: Described>() -> Option<&'static HandoverTable> {
    (TypeId::of::<E::Session>() == TypeId::of::<()>()).then_some(UnitTables::<E>::HANDOVER)
}

struct Tables<E>(PhantomData<E>);

impl<E: Handover> Tables<E> {
    const HANDOVER: &'static HandoverTable = &HandoverTable {
        schema: SchemaView { name: RStr::from_str(E::SCHEMA), version: E::VERSION },
        accepts: accepts::<E>,
        export_state: export_state::<E>,
        export_session: export_session::<E>,
        import_state: import_state::<E>,
        import_session: import_session::<E>,
    };
}

unsafe extern "C" fn accepts<E: Handover>(engine: EngineObject, schema: SchemaView<'_>) -> bool {
    // SAFETY: the host passes what `new` made.
    let engine = unsafe { engine_ref::<E>(&engine) };
    contain(|| engine.accepts(&view(&schema))).unwrap_or_else(|failure| {
        // SAFETY: the failure is ours, and nobody else's.
        unsafe { ((*failure).release)(failure) };
        false
    })
}

unsafe extern "C" fn export_state<E: Handover>(engine: EngineObject) -> Exported {
    // SAFETY: the host passes what `new` made.
    let engine = unsafe { engine_ref::<E>(&engine) };
    exported(contain(|| engine.export_state()))
}

unsafe extern "C" fn export_session<E: Handover>(
    engine: EngineObject,
    client: &ClientHandle,
    session: SessionObject,
) -> Exported {
    // SAFETY: the host passes what `new` and `authenticate` made, and no other call uses the session.
    let (engine, session) = unsafe { (engine_ref::<E>(&engine), &*session.0.cast::<E::Session>()) };
    exported(contain(|| engine.export_session(Client::borrowed(client), session)))
}

unsafe extern "C" fn import_state<E: Handover>(
    engine: EngineObject,
    schema: SchemaView<'_>,
    state: RSlice<'_, u8>,
) -> *mut Failure {
    // SAFETY: the host passes what `new` made.
    let engine = unsafe { engine_ref::<E>(&engine) };
    flatten(contain(|| engine.import_state(&view(&schema), state.as_slice()))).err().unwrap_or(null_mut())
}

unsafe extern "C" fn import_session<E: Handover>(
    engine: EngineObject,
    client: &ClientHandle,
    schema: SchemaView<'_>,
    session: RSlice<'_, u8>,
) -> Imported {
    // SAFETY: the host passes what `new` made.
    let engine = unsafe { engine_ref::<E>(&engine) };
    let import = || engine.import_session(Client::borrowed(client), &view(&schema), session.as_slice());
    match flatten(contain(import)) {
        Ok(session) => {
            Imported { session: SessionObject(Box::into_raw(Box::new(session)).cast()), failure: null_mut() }
        }
        Err(failure) => Imported { session: SessionObject(null_mut()), failure },
    }
}

struct UnitTables<E>(PhantomData<E>);

impl<E: Described> UnitTables<E> {
    const HANDOVER: &'static HandoverTable = &HandoverTable {
        schema: UNIT,
        accepts: accepts_unit,
        export_state: export_nothing,
        export_session: export_unit,
        import_state: import_nothing,
        import_session: import_unit::<E>,
    };
}

unsafe extern "C" fn accepts_unit(_: EngineObject, schema: SchemaView<'_>) -> bool {
    view(&schema) == view(&UNIT)
}

unsafe extern "C" fn export_nothing(_: EngineObject) -> Exported {
    exported(Ok(Ok(Vec::new())))
}

unsafe extern "C" fn export_unit(_: EngineObject, _: &ClientHandle, _: SessionObject) -> Exported {
    exported(Ok(Ok(Vec::new())))
}

unsafe extern "C" fn import_nothing(_: EngineObject, _: SchemaView<'_>, _: RSlice<'_, u8>) -> *mut Failure {
    null_mut()
}

unsafe extern "C" fn import_unit<E: Described>(
    _: EngineObject,
    _: &ClientHandle,
    _: SchemaView<'_>,
    _: RSlice<'_, u8>,
) -> Imported {
    // Of the engine's own type, which is `()`.
    let session = Box::<E::Session>::default();
    Imported { session: SessionObject(Box::into_raw(session).cast()), failure: null_mut() }
}

fn view<'a>(schema: &SchemaView<'a>) -> Schema<'a> {
    Schema { name: schema.name.as_str(), version: schema.version }
}

fn exported(contained: Result<Result<Vec<u8>>, *mut Failure>) -> Exported {
    match flatten(contained) {
        Ok(bytes) => Exported { bytes: bytes.into(), failure: null_mut() },
        Err(failure) => Exported { bytes: RVec::new(), failure },
    }
}

/// The engine's own error is a failure too.
fn flatten<T>(contained: Result<Result<T>, *mut Failure>) -> Result<T, *mut Failure> {
    contained.and_then(|result| result.map_err(|error| failed(error.to_string())))
}
