//! Handover: passes an engine's state to the generation that replaces it, while everyone stays connected.

use crate::{Client, Engine, Result};
use std::fmt;

/// An engine whose connections can pass to its next generation.
///
/// When a new version of a plugin takes over, the host
///
/// 1. calls every export once on trial and throws the bytes away. Everyone goes on meanwhile; a client only waits while
///    its own session is exported. So an export that blocks or fails is found before it holds up others;
/// 2. waits until the callbacks and jobs that are under way have ended, while everyone goes on;
/// 3. stops reading from the engine's clients, lets the callbacks and jobs that have begun meanwhile finish, exports
///    the engine's state and every session, and imports them into the new generation. Everyone waits for that, but no
///    longer than the operator's `--reload-max-pause`, 1 s unless set. If it takes longer, everyone goes on with the
///    old generation and the host returns to step 2, unless an import has begun: then the reload is refused.
///
/// If anything fails, the old generation goes on with its sessions: exporting consumes nothing. No message and no
/// connection is lost. Exports are made at least twice, so they must neither send nor change anything. All calls come
/// from one thread of the host, which is neither an event loop nor a worker, so they do not overlap. Everyone waits
/// while they run: 100 µs for each of 10,000 sessions add up to a second. When everyone has gone on, the old sessions
/// and the old engine are dropped on another thread.
///
/// Afterwards the old generation is [retired](crate::Host::is_retired): its handles reach nobody any more, and its own
/// threads should end. The handles that `import_state` and `import_session` of the new generation get work at once.
///
/// Export the engine with `export_engine!(Counter, handover)`, and test it with `swap` of `plugin_testing::TestHost`.
/// Engines whose sessions are `()` need none of this: their connections pass over by themselves. If sessions are serde
/// types, [`hand_over_by_serde!`](crate::hand_over_by_serde)
/// implements the trait in one line.
///
/// ```
/// use plugin_api::handover::{Handover, Schema};
/// use plugin_api::prelude::*;
///
/// struct Counter;
///
/// impl Engine for Counter {
///     type Session = u64;
///     fn new(_: Host, _: &Config) -> Result<Self> {
///         Ok(Counter)
///     }
/// }
///
/// impl Handover for Counter {
///     const SCHEMA: &'static str = "counter";
///
///     fn export_session(&self, _: &Client, count: &u64) -> Result<Vec<u8>> {
///         Ok(count.to_le_bytes().to_vec())
///     }
///
///     fn import_session(&self, _: &Client, _: &Schema, bytes: &[u8]) -> Result<u64> {
///         Ok(u64::from_le_bytes(bytes.try_into()?))
///     }
/// }
///
/// export_engine!(Counter, handover);
/// # fn main() {}
/// ```
pub trait Handover: Engine {
    /// The name of this engine's exports. Another name means another kind of state.
    const SCHEMA: &'static str;

    /// The version of the exports. Raise it when their form changes.
    const VERSION: u32 = 1;

    /// Whether this engine can import what another generation exported. Default: the same schema in the same version.
    ///
    /// If it cannot, the handover is refused, and the old generation goes on. `[handover thread]`
    fn accepts(&self, schema: &Schema) -> bool {
        schema.name == Self::SCHEMA && schema.version == Self::VERSION
    }

    /// The engine's own state. Default: nothing.
    ///
    /// On trial it is called while callbacks run, and they wait for locks that it holds.
    /// `[handover thread, all clients quiet; and on trial before]`
    fn export_state(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes over the state of the generation before. The host calls it once, before it imports any session and before
    /// any other callback. Default: ignores the state. `[handover thread, all clients quiet]`
    fn import_state(&self, schema: &Schema, state: &[u8]) -> Result<()> {
        let _ = (schema, state);
        Ok(())
    }

    /// A client's session. On trial, no callback of this client runs meanwhile, but its jobs and other clients'
    /// callbacks may.
    /// `[handover thread, all clients quiet; and on trial before]`
    fn export_session(&self, client: &Client, session: &Self::Session) -> Result<Vec<u8>>;

    /// Makes a client's session from the bytes that the generation before exported. `on_open` is not called again.
    /// `[handover thread, all clients quiet]`
    fn import_session(&self, client: &Client, schema: &Schema, session: &[u8]) -> Result<Self::Session>;
}

/// Describes exported bytes by a name and a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema<'a> {
    /// [`Handover::SCHEMA`] of the engine that exported.
    pub name: &'a str,
    /// [`Handover::VERSION`] of the engine that exported.
    pub version: u32,
}

impl fmt::Display for Schema<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.name, self.version)
    }
}

/// Implements [`Handover`] for an engine whose sessions are serde types: `hand_over_by_serde!(Chat, "chat", 1);`
///
/// Sessions cross as JSON, so that a new version may add fields with `#[serde(default)]`. The engine's own state is not
/// handed over.
#[macro_export]
macro_rules! hand_over_by_serde {
    ($engine:ty, $schema:literal, $version:literal) => {
        impl $crate::handover::Handover for $engine {
            const SCHEMA: &'static str = $schema;
            const VERSION: u32 = $version;

            fn export_session(
                &self,
                _: &$crate::Client,
                session: &<Self as $crate::Engine>::Session,
            ) -> $crate::Result<Vec<u8>> {
                $crate::handover::to_json(session)
            }

            fn import_session(
                &self,
                _: &$crate::Client,
                _: &$crate::handover::Schema,
                session: &[u8],
            ) -> $crate::Result<<Self as $crate::Engine>::Session> {
                $crate::handover::from_json(session)
            }
        }
    };
}

/// A value as JSON, for exports.
///
/// # Errors
///
/// serde's error, if JSON cannot hold the value.
pub fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}

/// A value from JSON, for imports.
///
/// # Errors
///
/// serde's error, if the bytes are no such value.
pub fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    Ok(serde_json::from_slice(bytes)?)
}
