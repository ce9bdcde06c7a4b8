//! Everything that crosses between host and engine: `repr(C)` types with their layouts, ids and revisions.
//!
//! Authors of engines need none of this; the safe face is the rest of the crate.
//!
//! # How the boundary grows
//!
//! The [root module](EngineModule) is frozen: a revision and one function that answers an id with an [`Interface`].
//! abi_stable refuses a type whose host side has other fields than the engine's, so a released table never changes. New
//! functions come under a new id (`wshost.engine/2`), beside the old one: an old engine goes on answering
//! `wshost.engine/1` to a new host, and a new engine still offers `/1` to an old host. The host's services reach the
//! engine in the same way, through [`HostHandle::interface`].
//!
//! # The contract
//!
//! Each table and object states for every function its effect, its thread and how often it is called, and under
//! *Safety* the duties of its caller. The engine calls only the functions of [`ClientTable`], [`HostTable`] and
//! [`MetricHandle`]; the host calls all others. These words mean the same everywhere:
//!
//! - A side **has** an object of the other side as long as it owns a count of it or has it on loan. A count comes with
//!   a handle that is given away, or from `retain`, and goes with `release`. A loan lasts as long as the call. An
//!   object is alive as long as somebody has it, on whatever thread.
//! - An argument, or the data of a view, is **borrowed**: it is valid until the call returns, and nobody keeps a
//!   pointer to it.
//! - An object that is **given up** belongs to the function from then on, whatever the result of the call. The side
//!   that gave it up does not touch it again.
//! - A returned object, such as a [`Failure`], belongs to the caller, which ends it, once.
//! - Numbers that stand for an enum are [codes](Code).
//!
//! Host and engine have separate allocators: the side that made memory frees it, through a function that the object
//! carries. No function unwinds, on either side: the engine's functions catch a panic and return a [`Failure`], and the
//! host's functions give an answer that does no harm.

mod client;
mod codes;
mod engine;
pub(crate) mod file_manifest;
mod handover;
mod host;
mod object;

pub use client::{ClientHandle, ClientId, ClientObject, ClientTable, CloseView, PartView};
pub use codes::{Code, MetricKind};
pub use engine::{
    AcceptView, AnswerHandle, AuthenticateReturned, ConfigView, EngineObject, EngineTable, HeaderView, Manifest,
    NewReturned, RejectView, RequestView, SessionObject,
};
pub use file_manifest::{FileManifest, SECTION as MANIFEST_SECTION};
pub use handover::{Exported, HandoverTable, Imported, SchemaView};
pub use host::{AudienceView, ClientVisitor, HostHandle, HostTable, LabelView, MetricHandle, MetricView};
pub use object::{EventObject, Failure, JobObject, Returned, TimerObject};

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::check_layout_compatibility;
use abi_stable::library::RootModule;
use abi_stable::package_version_strings;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{ROption, RStr};
use abi_stable::type_layout::TypeLayout;

/// The revision of the root module itself. It has not changed and is not meant to.
pub const ROOT_REVISION: u32 = 1;

/// The id of [`EngineTable`].
pub const ENGINE_ID: &str = "wshost.engine/1";
/// The id of [`Manifest`].
pub const MANIFEST_ID: &str = "wshost.manifest/1";
/// The id of [`ClientTable`].
pub const CLIENT_ID: &str = "wshost.client/1";
/// The id of [`HostTable`].
pub const HOST_ID: &str = "wshost.host/1";
/// The id of [`HandoverTable`]; not every engine has one.
pub const HANDOVER_ID: &str = "wshost.handover/1";

/// The root of every engine: found by symbol name, checked by abi_stable, frozen.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = EngineModuleRef)))]
#[sabi(missing_field(panic))]
pub struct EngineModule {
    /// [`ROOT_REVISION`] of the crate that the engine was built with.
    pub revision: u32,
    /// Answers an id with a table, or with nothing if the engine has none under it: always the same, on any thread. It
    /// runs no code of the author.
    #[sabi(last_prefix_field)]
    pub interface: extern "C" fn(id: RStr<'_>) -> ROption<Interface>,
}

impl RootModule for EngineModuleRef {
    abi_stable::declare_root_module_statics! {EngineModuleRef}
    const BASE_NAME: &'static str = "wshost_engine";
    const NAME: &'static str = "wshost engine";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// One table and its layout.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct Interface {
    /// The layout of the table's type, as compiled by the side that made it.
    layout: &'static TypeLayout,
    /// The table, which lives as long as the process. In Rust, only [`Interface::new`] makes one.
    table: *const (),
}

/// A table that can be requested by its id and is frozen under it.
///
/// # Safety
///
/// No two types share an id, and a type never changes once it is released.
pub unsafe trait Table: StableAbi + Sized + 'static {
    /// The id, as `wshost.name/revision`.
    const ID: &'static str;
}

// SAFETY: each id is named once.
unsafe impl Table for EngineTable {
    const ID: &'static str = ENGINE_ID;
}
// SAFETY: as above.
unsafe impl Table for Manifest {
    const ID: &'static str = MANIFEST_ID;
}
// SAFETY: as above.
unsafe impl Table for ClientTable {
    const ID: &'static str = CLIENT_ID;
}
// SAFETY: as above.
unsafe impl Table for HostTable {
    const ID: &'static str = HOST_ID;
}

// SAFETY: as above.
unsafe impl Table for HandoverTable {
    const ID: &'static str = HANDOVER_ID;
}

impl Interface {
    /// Offers `table` under its type's id.
    pub const fn new<T: Table>(table: &'static T) -> Interface {
        Interface { layout: T::LAYOUT, table: std::ptr::from_ref(table).cast() }
    }

    /// The table, after comparing its layout with this side's.
    ///
    /// # Errors
    ///
    /// The layouts differ.
    pub fn check<T: Table>(self) -> Result<&'static T, String> {
        // abi_stable's own message is pages long, and useless to somebody who must build both from one version.
        check_layout_compatibility(T::LAYOUT, self.layout).map_err(|_| format!("the layout of {} differs", T::ID))?;
        // SAFETY: the layouts agree, and the maker, here or in a library that passed abi_stable's check, had a static
        // of that layout.
        Ok(unsafe { &*self.table.cast::<T>() })
    }
}
