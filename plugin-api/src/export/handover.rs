//! The engine's side of a handover: the functions behind its table.

use super::engine_ref;
use crate::abi::{ClientHandle, EngineObject, Exported, Failure, HandoverTable, Imported, SchemaView, SessionObject};
use crate::contain::entry::{entries, text_of};
use crate::contain::failed;
use crate::handover::{Handover, Schema};
use crate::{Client, Engine, Result};
use abi_stable::std_types::{RSlice, RStr, RVec};
use std::any::TypeId;
use std::marker::PhantomData;
use std::ptr::null_mut;

/// The schema of sessions of type `()`.
pub(crate) const UNIT: Schema<'static> = Schema { name: "()", version: 1 };

/// The handover table of an engine that implements [`Handover`].
pub fn handover<E: Handover>() -> &'static HandoverTable {
    Tables::<E>::HANDOVER
}

/// The handover table of an engine whose sessions are `()`. Other engines have none.
pub fn unit_handover<E: Engine>() -> Option<&'static HandoverTable> {
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

entries! {
    fn accepts<E: Handover>(engine: EngineObject, schema: SchemaView<'_>) -> bool {
        // SAFETY: the host passes what `new` made.
        unsafe { engine_ref::<E>(&engine) }.accepts(&view(&schema))
    }

    fn export_state<E: Handover>(engine: EngineObject) -> Exported {
        // SAFETY: the host passes what `new` made.
        exported(unsafe { engine_ref::<E>(&engine) }.export_state())
    }

    fn export_session<E: Handover>(engine: EngineObject, client: &ClientHandle, session: SessionObject) -> Exported {
        // SAFETY: the host passes what `new` and `authenticate` made, and no other call uses the session.
        let (engine, session) = unsafe { (engine_ref::<E>(&engine), &*session.0.cast::<E::Session>()) };
        exported(engine.export_session(Client::borrowed(client), session))
    }

    fn import_state<E: Handover>(engine: EngineObject, schema: SchemaView<'_>, state: RSlice<'_, u8>) -> *mut Failure {
        // SAFETY: the host passes what `new` made.
        match unsafe { engine_ref::<E>(&engine) }.import_state(&view(&schema), state.as_slice()) {
            Ok(()) => null_mut(),
            Err(error) => failed(text_of(error)),
        }
    }

    fn import_session<E: Handover>(
        engine: EngineObject,
        client: &ClientHandle,
        schema: SchemaView<'_>,
        session: RSlice<'_, u8>,
    ) -> Imported {
        // SAFETY: the host passes what `new` made.
        let engine = unsafe { engine_ref::<E>(&engine) };
        match engine.import_session(Client::borrowed(client), &view(&schema), session.as_slice()) {
            Ok(session) => imported(Box::new(session)),
            Err(error) => Imported { session: SessionObject(null_mut()), failure: failed(text_of(error)) },
        }
    }
}

struct UnitTables<E>(PhantomData<E>);

impl<E: Engine> UnitTables<E> {
    const HANDOVER: &'static HandoverTable = &HandoverTable {
        schema: SchemaView { name: RStr::from_str(UNIT.name), version: UNIT.version },
        accepts: accepts_unit,
        export_state: export_nothing,
        export_session: export_unit,
        import_state: import_nothing,
        import_session: import_unit::<E>,
    };
}

entries! {
    fn accepts_unit(_engine: EngineObject, schema: SchemaView<'_>) -> bool {
        view(&schema) == UNIT
    }

    fn export_nothing(_engine: EngineObject) -> Exported {
        exported(Ok(Vec::new()))
    }

    fn export_unit(_engine: EngineObject, _client: &ClientHandle, _session: SessionObject) -> Exported {
        exported(Ok(Vec::new()))
    }

    fn import_nothing(_engine: EngineObject, _schema: SchemaView<'_>, _state: RSlice<'_, u8>) -> *mut Failure {
        null_mut()
    }

    fn import_unit<E: Engine>(
        _engine: EngineObject,
        _client: &ClientHandle,
        _schema: SchemaView<'_>,
        _session: RSlice<'_, u8>,
    ) -> Imported {
        // The engine's session type is `()` here.
        imported(Box::<E::Session>::default())
    }
}

fn view<'a>(schema: &SchemaView<'a>) -> Schema<'a> {
    Schema { name: schema.name.as_str(), version: schema.version }
}

fn imported<S>(session: Box<S>) -> Imported {
    Imported { session: SessionObject(Box::into_raw(session).cast()), failure: null_mut() }
}

/// Makes the export's result cross. The engine's own error becomes a failure.
fn exported(result: Result<Vec<u8>>) -> Exported {
    match result {
        Ok(bytes) => Exported { bytes: bytes.into(), failure: null_mut() },
        Err(error) => Exported { bytes: RVec::new(), failure: failed(text_of(error)) },
    }
}
