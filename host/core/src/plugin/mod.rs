//! Plugins: from a file to a library whose tables are checked.

mod beside;
mod build;
mod dlopen;
mod fingerprint;
mod image;
mod library;
mod revision;
pub mod scratch;
mod segments;
mod staged;
mod thread_storage;
mod wholeness;

pub use build::Build;
pub use fingerprint::Fingerprint;
pub use image::Image;
pub use library::{LoadError, Plugin, find};
pub use staged::Staged;
