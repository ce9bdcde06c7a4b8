//! The engine's manifest in its two forms: the table, and the text for the library's file.

use super::Described;
use crate::abi::file_manifest::{self, Field};
use crate::abi::{ENGINE_ID, HANDOVER_ID, MANIFEST_ID, Manifest};
use abi_stable::std_types::RStr;
use std::marker::PhantomData;

/// The tables that every engine offers.
pub const INTERFACES: &[&str] = &[ENGINE_ID, MANIFEST_ID];
/// The tables of an engine with a handover of its own.
pub const INTERFACES_WITH_HANDOVER: &[&str] = &[ENGINE_ID, MANIFEST_ID, HANDOVER_ID];

/// The table.
pub fn manifest<D: Described>() -> &'static Manifest {
    Forms::<D>::TABLE
}

/// The text, of `file_manifest_length` bytes.
pub const fn file_manifest<D: Described, const LENGTH: usize>() -> [u8; LENGTH] {
    file_manifest::text(Forms::<D>::FIELDS)
}

/// Bytes of an engine's `file_manifest`.
pub const fn file_manifest_length<D: Described>() -> usize {
    file_manifest::length(Forms::<D>::FIELDS)
}

const PLUGIN_API: &str = env!("CARGO_PKG_VERSION");
const RUSTC: &str = env!("PLUGIN_API_RUSTC");
const TARGET: &str = env!("PLUGIN_API_TARGET");

struct Forms<D>(PhantomData<D>);

impl<D: Described> Forms<D> {
    const PANIC_UNWINDS: bool = cfg!(panic = "unwind") && D::PANIC_UNWINDS;

    const TABLE: &'static Manifest = &Manifest {
        name: RStr::from_str(D::NAME),
        version: RStr::from_str(D::VERSION),
        description: RStr::from_str(D::DESCRIPTION),
        plugin_api: RStr::from_str(PLUGIN_API),
        rustc: RStr::from_str(RUSTC),
        target: RStr::from_str(TARGET),
        panic_unwinds: Self::PANIC_UNWINDS,
    };

    const FIELDS: &'static [Field<'static>] = &[
        ("name", &[D::NAME]),
        ("version", &[D::VERSION]),
        ("description", &[D::DESCRIPTION]),
        ("plugin_api", &[PLUGIN_API]),
        ("interfaces", D::INTERFACES),
        ("rustc", &[RUSTC]),
        ("target", &[TARGET]),
        ("panic", &[if Self::PANIC_UNWINDS { "unwind" } else { "abort" }]),
    ];
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_text_is_in_the_section_where_hosts_look_for_it() {
        let link_section = format!("link_section = \"{}\"", crate::abi::MANIFEST_SECTION);
        assert!(include_str!("mod.rs").contains(&link_section), "export_engine! must have {link_section}");
    }
}
