//! Safe calls into an engine's handover.
//!
//! Whoever calls these sees to it that nothing else goes on in the two engines that a callback with the same session
//! could be: the sessions are with the swap then, and not with their connections.

use super::client_table::lend;
use super::instance::{Instance, Session, called_for};
use super::notice::Client;
use super::object::EngineFailure;
use crate::calls::{Callback, Whom, watched};
use plugin_api::abi::{Exported, HandoverTable, SchemaView};
use std::fmt;
use std::sync::Arc;

/// What exported bytes mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The name that the exporting engine gives it.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.name, self.version)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Schema {
    fn view(&self) -> SchemaView<'static> {
        SchemaView { name: self.name.into(), version: self.version }
    }
}

/// An instance with a handover.
#[derive(Clone, Debug)]
pub struct Handover {
    instance: Arc<Instance>,
    table: Table,
}

#[derive(Clone, Copy)]
struct Table(&'static HandoverTable);

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandoverTable")
    }
}

impl Handover {
    /// The handover of this instance, if its engine has one.
    pub fn of(instance: &Arc<Instance>) -> Option<Handover> {
        let table = Table(instance.plugin().handover()?);
        Some(Handover { instance: Arc::clone(instance), table })
    }

    /// The instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// What its exports are.
    pub fn schema(&self) -> Schema {
        Schema { name: self.table.0.schema.name.as_str(), version: self.table.0.schema.version }
    }

    /// Whether its sessions are `()`, which have nothing that could be exported.
    pub fn has_no_state(&self) -> bool {
        self.schema() == Schema { name: "()", version: 1 }
    }

    /// Whether it can import what another generation exports.
    pub fn accepts(&self, schema: Schema) -> bool {
        self.call(Callback::Accepts, Whom::Nobody, || {
            // SAFETY: the engine is alive; the view lives for the call.
            unsafe { (self.table.0.accepts)(self.instance.engine(), schema.view()) }
        })
    }

    /// The engine's own state.
    ///
    /// # Errors
    ///
    /// The engine's error or panic.
    pub fn export_state(&self) -> Result<Vec<u8>, EngineFailure> {
        let exported = self.call(Callback::ExportState, Whom::Nobody, || {
            // SAFETY: the engine is alive.
            unsafe { (self.table.0.export_state)(self.instance.engine()) }
        });
        take(Callback::ExportState, exported)
    }

    /// A client's session.
    ///
    /// # Errors
    ///
    /// The engine's error or panic.
    pub fn export_session(&self, client: &Arc<Client>, session: &Session) -> Result<Vec<u8>, EngineFailure> {
        debug_assert!(Arc::ptr_eq(session.instance(), &self.instance));
        let lent = lend(client, self.instance.generation_of_handles());
        let exported = self.call(Callback::ExportSession, called_for(client), || {
            // SAFETY: the session is this engine's, and borrowed, so that no callback has it.
            unsafe { (self.table.0.export_session)(self.instance.engine(), &lent, session.object()) }
        });
        take(Callback::ExportSession, exported)
    }

    /// Takes over the state of the generation before.
    ///
    /// # Errors
    ///
    /// The engine's error or panic.
    pub fn import_state(&self, schema: Schema, state: &[u8]) -> Result<(), EngineFailure> {
        self.instance.begin();
        let failure = self.call(Callback::ImportState, Whom::Nobody, || {
            // SAFETY: the engine is alive; view and bytes live for the call.
            unsafe { (self.table.0.import_state)(self.instance.engine(), schema.view(), state.into()) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::ImportState.name(), failure) }
    }

    /// Makes a session of what the generation before exported.
    ///
    /// # Errors
    ///
    /// The engine's error or panic.
    pub fn import_session(
        &self,
        client: &Arc<Client>,
        schema: Schema,
        session: &[u8],
    ) -> Result<Session, EngineFailure> {
        let lent = lend(client, self.instance.generation_of_handles());
        let imported = self.call(Callback::ImportSession, called_for(client), || {
            // SAFETY: the engine is alive; handle, view and bytes live for the call.
            unsafe { (self.table.0.import_session)(self.instance.engine(), &lent, schema.view(), session.into()) }
        });
        // SAFETY: the failure is the engine's, just returned.
        unsafe { EngineFailure::take(Callback::ImportSession.name(), imported.failure)? };
        Ok(Session::new(imported.session, Arc::clone(&self.instance)))
    }

    fn call<R>(&self, callback: Callback, whom: Whom<'_>, call: impl FnOnce() -> R) -> R {
        watched(callback, self.instance.generation_of_handles().whose(), whom, call)
    }
}

fn take(callback: Callback, exported: Exported) -> Result<Vec<u8>, EngineFailure> {
    // SAFETY: the failure is the engine's, just returned.
    unsafe { EngineFailure::take(callback.name(), exported.failure)? };
    // A copy in memory of our own: the engine's can then be anything.
    Ok(exported.bytes.to_vec())
}
