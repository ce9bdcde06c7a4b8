//! Which engines can be tested, and what a host is told of them.

use plugin_api::Engine;
use plugin_api::abi::{EngineModuleRef, HandoverTable};
use plugin_api::export::{self, Described};
use plugin_api::handover::Handover;
use std::fmt;
use std::marker::PhantomData;

/// What can be tested: an [`Engine`], or one [with its handover](WithHandover).
pub trait TestEngine: 'static {
    #[doc(hidden)]
    fn module() -> EngineModuleRef;
}

/// An engine with its [`Handover`], as `export_engine!(Counter, handover)` exports it. By itself an engine is tested as
/// `export_engine!(Counter)` exports it: its connections pass to another generation if its sessions are `()`, or else stay
/// with it.
///
/// ```
/// use plugin_api::handover::Handover;
/// use plugin_api::prelude::*;
/// use plugin_testing::{Swapped, TestHost, WithHandover};
///
/// /// Counts the texts of each client, from `FIRST` on.
/// struct Counter<const FIRST: u64>;
///
/// impl<const FIRST: u64> Engine for Counter<FIRST> {
///     type Session = u64;
///
///     fn new(_: Host, _: &Config) -> Result<Self> {
///         Ok(Counter)
///     }
///
///     fn on_text(&self, client: &Client, count: &mut u64, _: &str) -> Option<Box<dyn Job>> {
///         client.send_text(&format!("{}", FIRST + *count));
///         *count += 1;
///         None
///     }
/// }
///
/// impl<const FIRST: u64> Handover for Counter<FIRST> {
///     const SCHEMA: &'static str = "counter";
///
///     fn export_session(&self, _: &Client, count: &u64) -> Result<Vec<u8>> {
///         Ok(count.to_le_bytes().to_vec())
///     }
///
///     fn import_session(&self, _: &Client, _: &plugin_api::handover::Schema, bytes: &[u8]) -> Result<u64> {
///         Ok(u64::from_le_bytes(bytes.try_into()?))
///     }
/// }
///
/// let host = TestHost::new::<WithHandover<Counter<1>>>();
/// let alice = host.connect("/");
/// alice.text("");
/// assert_eq!(host.swap::<WithHandover<Counter<100>>>(), Ok(Swapped::HandedOver { clients: 1 }));
/// alice.text("");
/// assert_eq!(alice.received(), ["1", "101"]);
/// ```
pub struct WithHandover<E>(PhantomData<fn() -> E>);

impl<E: Engine> TestEngine for E {
    fn module() -> EngineModuleRef {
        export::engine_module::<Plain<E>>()
    }
}

impl<E: Handover> TestEngine for WithHandover<E> {
    fn module() -> EngineModuleRef {
        export::engine_module::<WithHandover<E>>()
    }
}

impl<E> fmt::Debug for WithHandover<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithHandover")
    }
}

/// An engine as `export_engine!` exports it without a handover.
struct Plain<E>(PhantomData<fn() -> E>);

/// What an engine under test is called.
const NAME: &str = "test";

impl<E: Engine> Described for Plain<E> {
    type Engine = E;
    const NAME: &'static str = NAME;
    const VERSION: &'static str = "0.0.0";
    const DESCRIPTION: &'static str = "";
    const INTERFACES: &'static [&'static str] = export::INTERFACES;
    const PANIC_UNWINDS: bool = cfg!(panic = "unwind");

    fn handover() -> Option<&'static HandoverTable> {
        export::unit_handover::<E>()
    }
}

impl<E: Handover> Described for WithHandover<E> {
    type Engine = E;
    const NAME: &'static str = NAME;
    const VERSION: &'static str = "0.0.0";
    const DESCRIPTION: &'static str = "";
    const INTERFACES: &'static [&'static str] = export::INTERFACES_WITH_HANDOVER;
    const PANIC_UNWINDS: bool = cfg!(panic = "unwind");

    fn handover() -> Option<&'static HandoverTable> {
        Some(export::handover::<E>())
    }
}
