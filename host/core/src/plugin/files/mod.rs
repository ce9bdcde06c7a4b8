//! Plugins in files, with the feature `files`: tests of engines, which are linked into their program, are built faster
//! without.
//!
//! The steps from a file to an opened plugin follow. Before step 4, none of the library's code has run.
//!
//! 1. **Find** the file that the operator means (`load`).
//! 2. **Read** it, with the manifest in it (`image`). A file without an engine's entry is refused here, and so is one
//!    of another revision (`revision`), with the engine's name. All that the system's loader goes by is followed first
//!    (`wholeness`, on what `segments` reads), and a damaged file is refused. At a reload, build ids are compared, too
//!    (`build`).
//! 3. **Stage** a private copy under a name of its own (`staged`), with what it needs from places named after its own
//!    (`beside`), in a folder of the system's temporary one (`scratch`). The folder is locked, and the lock goes with
//!    the process, however that ends. So the next wshost knows what nobody uses and removes it, and services that tidy
//!    up leave alone what is locked.
//! 4. **Open** it with `dlopen`, and **check** abi_stable's header, the root module and the layout of each table
//!    (`dlopen`, the only `unsafe` of the core). A library that was opened is never closed.
//!
//! `error` says why a plugin is refused, and `thread_storage` how much of the loader's reserve a load takes.

mod beside;
mod build;
mod dlopen;
mod error;
mod image;
mod load;
mod revision;
pub mod scratch;
mod segments;
mod staged;
mod thread_storage;
mod wholeness;

pub use build::Build;
pub use error::LoadError;
pub use image::Image;
pub(super) use load::Loaded;
pub use load::find;
pub use staged::Staged;
