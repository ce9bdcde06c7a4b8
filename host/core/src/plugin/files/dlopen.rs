//! Opens a library, and checks what it exports: the only `unsafe` of the core.
#![allow(unsafe_code)] // the system's loader, and the type of one symbol

use super::error::LoadError;
use super::revision::other_version;
use super::staged::not_staged;
use crate::calls::{CallFor, Callback, Whose, watched};
use crate::lock::Lock;
use abi_stable::library::{AbiHeaderRef, LibraryError, ROOT_MODULE_LOADER_NAME_WITH_NUL};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use plugin_api::abi::{EngineModuleRef, FileManifest};
use plugin_api::hosting::EngineTables;
use std::collections::HashSet;
use std::error::Error;
use std::mem::ManuallyDrop;
use std::path::Path;

/// Opens the copy of a file. `told` is the file's manifest, if it is known.
///
/// # Errors
///
/// The library is refused.
pub(super) fn open(path: &Path, told: Option<&FileManifest>, copy: &Path) -> Result<EngineTables, LoadError> {
    let file = path.to_string_lossy();
    let whose = Whose { number: 0, name: &file, version: "" };
    let opened = watched(Callback::OpeningOfLibrary, &whose, CallFor::Nobody, || {
        // SAFETY: opening runs the library's initialisers. The operator has decided to run this engine's code.
        unsafe { Library::open(Some(copy), RTLD_NOW | RTLD_LOCAL) }
    });
    let library = opened.map_err(|error| match copy.symlink_metadata() {
        Ok(_) => LoadError::Refused { path: path.to_owned(), error: reason(&error, copy) },
        Err(gone) => not_staged(path, gone),
    })?;
    // It is never closed, even if it is refused below.
    let library = ManuallyDrop::new(library);

    // SAFETY: only abi_stable makes a symbol of this name, and of this type.
    let header = unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes()) }
        .map_err(|_| LoadError::NotAnEngine { path: path.to_owned() })?;
    let other = |why: String| LoadError::other_revision(path, told, why);
    let header = header.upgrade().map_err(|error| other(first_difference(&error)))?;
    if !first_seen(std::ptr::from_ref(header).addr()) {
        return Err(LoadError::SeenBefore { path: path.to_owned() });
    }
    let module = header.init_root_module::<EngineModuleRef>().map_err(|error| other(first_difference(&error)))?;
    EngineTables::of(module).map_err(|why| other(why.to_string()))
}

/// The loader's message without the copy's path, which means nothing to anybody.
fn reason(error: &libloading::Error, copy: &Path) -> String {
    let said = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    said.trim_start_matches(&*copy.to_string_lossy()).trim_start_matches(": ").to_owned()
}

fn first_seen(address: usize) -> bool {
    static SEEN: Lock<Option<HashSet<usize>>> = Lock::new(None);
    SEEN.hold().get_or_insert_default().insert(address)
}

fn first_difference(error: &LibraryError) -> String {
    match error {
        LibraryError::IncompatibleVersionNumber { expected_version, actual_version, .. } => {
            other_version(actual_version, expected_version)
        }
        LibraryError::AbiInstability(_) => "the layout of its root module differs".into(),
        LibraryError::InvalidAbiHeader(_) => "it was built with another version of abi_stable".into(),
        other => other.to_string().lines().find(|line| !line.trim().is_empty()).unwrap_or("unknown").trim().to_owned(),
    }
}
