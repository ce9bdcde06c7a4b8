//! Safe calls into an engine's handover.

use super::{Callback, CalledFor, EngineFailure, EngineSession, Hosting, LoadedEngine, client};
use crate::abi::{Exported, HandoverTable, SchemaView};
use crate::export::handover::UNIT;
use crate::handover::Schema;
use std::fmt;
use std::sync::Arc;

/// An engine with a handover.
///
/// The caller ensures that no callback of the engine runs meanwhile, as [`Handover`](crate::handover::Handover)
/// promises to authors. Nothing else can use a session that is exported, since it is borrowed.
pub struct EngineHandover<H: Hosting> {
    engine: Arc<LoadedEngine<H>>,
    table: &'static HandoverTable,
}

impl<H: Hosting> EngineHandover<H> {
    /// The handover of this engine, if it has one.
    pub fn of(engine: &Arc<LoadedEngine<H>>) -> Option<Self> {
        Some(EngineHandover { table: engine.handover?, engine: Arc::clone(engine) })
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<LoadedEngine<H>> {
        &self.engine
    }

    /// The schema of its exports.
    pub fn schema(&self) -> Schema<'static> {
        Schema { name: self.table.schema.name.as_str(), version: self.table.schema.version }
    }

    /// Whether its sessions are `()`, so that there is nothing to export.
    pub fn has_no_state(&self) -> bool {
        self.schema() == UNIT
    }

    /// Whether it can import what another generation exports.
    pub fn accepts(&self, schema: Schema<'_>) -> bool {
        self.call(Callback::Accepts, CalledFor::Nobody, || {
            // SAFETY: HandoverTable::accepts: the view lives for the call.
            unsafe { (self.table.accepts)(self.engine.object, view(schema)) }
        })
    }

    /// The engine's own state.
    ///
    /// # Errors
    ///
    /// The engine's error or panic.
    pub fn export_state(&self) -> Result<Vec<u8>, EngineFailure> {
        let exported = self.call(Callback::ExportState, CalledFor::Nobody, || {
            // SAFETY: HandoverTable::export_state.
            unsafe { (self.table.export_state)(self.engine.object) }
        });
        take(Callback::ExportState, exported)
    }

    /// A client's session.
    ///
    /// # Errors
    ///
    /// The engine's error or panic.
    pub fn export_session(
        &self,
        client: &Arc<H::Client>,
        session: &EngineSession<H>,
    ) -> Result<Vec<u8>, EngineFailure> {
        const CALLBACK: Callback = Callback::ExportSession;
        if !Arc::ptr_eq(session.engine(), &self.engine) {
            return Err(EngineFailure::of_host(CALLBACK, "the session is of another generation"));
        }
        let lent = client::lend::<H>(client, self.engine.generation);
        let exported = self.call(CALLBACK, CalledFor::Client(&**client), || {
            // SAFETY: HandoverTable::export_session: the session is this engine's, and borrowed, so that no callback has it.
            unsafe { (self.table.export_session)(self.engine.object, &lent, session.object()) }
        });
        take(CALLBACK, exported)
    }

    /// Takes over the state of the generation before. From now on, the engine's handles reach the clients.
    ///
    /// # Errors
    ///
    /// The engine's error or panic.
    pub fn import_state(&self, schema: Schema<'_>, state: &[u8]) -> Result<(), EngineFailure> {
        self.engine.generation.begin();
        let failure = self.call(Callback::ImportState, CalledFor::Nobody, || {
            // SAFETY: HandoverTable::import_state: view and bytes live for the call.
            unsafe { (self.table.import_state)(self.engine.object, view(schema), state.into()) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::ImportState, failure) }
    }

    /// Makes a session from the exports of the generation before.
    ///
    /// # Errors
    ///
    /// The engine's error or panic.
    pub fn import_session(
        &self,
        client: &Arc<H::Client>,
        schema: Schema<'_>,
        session: &[u8],
    ) -> Result<EngineSession<H>, EngineFailure> {
        const CALLBACK: Callback = Callback::ImportSession;
        let lent = client::lend::<H>(client, self.engine.generation);
        let imported = self.call(CALLBACK, CalledFor::Client(&**client), || {
            // SAFETY: HandoverTable::import_session: handle, view and bytes live for the call.
            unsafe { (self.table.import_session)(self.engine.object, &lent, view(schema), session.into()) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(CALLBACK, imported.failure)? };
        Ok(EngineSession::new(imported.session, Arc::clone(&self.engine)))
    }

    fn call<R>(&self, callback: Callback, called_for: CalledFor<'_, H::Client>, call: impl FnOnce() -> R) -> R {
        H::call(callback, self.engine.generation.whose(), called_for, call)
    }
}

fn view(schema: Schema<'_>) -> SchemaView<'_> {
    SchemaView { name: schema.name.into(), version: schema.version }
}

fn take(callback: Callback, exported: Exported) -> Result<Vec<u8>, EngineFailure> {
    // SAFETY: the failure is the engine's, just returned.
    unsafe { EngineFailure::take(callback, exported.failure)? };
    // This copies into our own memory, so the engine's memory may be of any kind.
    Ok(exported.bytes.to_vec())
}

impl<H: Hosting> Clone for EngineHandover<H> {
    fn clone(&self) -> Self {
        EngineHandover { engine: Arc::clone(&self.engine), table: self.table }
    }
}

impl<H: Hosting> fmt::Debug for EngineHandover<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineHandover(of {:?})", self.engine)
    }
}
