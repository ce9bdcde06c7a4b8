//! The tables that an engine offers, checked.

use crate::abi::{EngineModuleRef, EngineTable, HandoverTable, Manifest, ROOT_REVISION, Table};
use std::fmt;
use std::time::Duration;

/// The tables of an engine. Like every library that was opened, they live as long as the process.
#[derive(Clone, Copy)]
pub struct EngineTables {
    manifest: &'static Manifest,
    pub(super) engine: &'static EngineTable,
    pub(super) handover: Option<&'static HandoverTable>,
}

/// Why this host cannot use an engine's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// The root module is of another revision than [`ROOT_REVISION`].
    RootRevision(u32),
    /// It does not offer a table of this id.
    NotOffered(&'static str),
    /// The table of this id has another layout.
    OtherLayout(&'static str),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::RootRevision(theirs) => write!(f, "its root module has revision {theirs}, not {ROOT_REVISION}"),
            Mismatch::NotOffered(id) => write!(f, "it does not offer {id}"),
            Mismatch::OtherLayout(id) => write!(f, "the layout of {id} differs"),
        }
    }
}

impl std::error::Error for Mismatch {}

impl EngineTables {
    /// Checks the module's revision, and the layout of each table.
    ///
    /// # Errors
    ///
    /// The first difference from this host's build.
    pub fn of(module: EngineModuleRef) -> Result<EngineTables, Mismatch> {
        if module.revision() != ROOT_REVISION {
            return Err(Mismatch::RootRevision(module.revision()));
        }
        Ok(EngineTables {
            manifest: offered::<Manifest>(module)?.ok_or(Mismatch::NotOffered(Manifest::ID))?,
            engine: offered::<EngineTable>(module)?.ok_or(Mismatch::NotOffered(EngineTable::ID))?,
            handover: offered::<HandoverTable>(module)?,
        })
    }

    /// The engine's manifest.
    pub fn manifest(&self) -> &'static Manifest {
        self.manifest
    }

    /// Whether `authenticate` needs a worker.
    pub fn authenticates_on_worker(&self) -> bool {
        self.engine.authenticate_on_worker
    }

    /// The engine's own times for pinging an idle client, and for closing one without a pong.
    pub fn keepalive_wishes(&self) -> (Option<Duration>, Option<Duration>) {
        let wish = |millis| (millis > 0).then(|| Duration::from_millis(millis));
        (wish(self.engine.ping_after_ms), wish(self.engine.close_after_no_pong_ms))
    }

    /// The ids of all tables that it offers and this host knows.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        [Some(EngineTable::ID), Some(Manifest::ID), self.handover.map(|_| HandoverTable::ID)].into_iter().flatten()
    }
}

/// A table that the module may offer.
///
/// # Errors
///
/// Its layout differs from this host's build.
pub fn offered<T: Table>(module: EngineModuleRef) -> Result<Option<&'static T>, Mismatch> {
    let interface = (module.interface())(T::ID.into()).into_option();
    interface.map(|interface| interface.check::<T>()).transpose().map_err(|_| Mismatch::OtherLayout(T::ID))
}

impl fmt::Debug for EngineTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineTables({} {})", self.manifest.name, self.manifest.version)
    }
}
