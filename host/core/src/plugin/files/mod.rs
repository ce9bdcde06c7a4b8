//! Plugins in files, with the feature `files`: tests of engines, which are linked into their program, are built faster without.

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
