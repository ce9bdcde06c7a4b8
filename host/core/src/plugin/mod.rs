//! Plugins: from a file to a library whose tables are checked.

// Opening a library, and what its module says, is a matter of trust: see `library`.
#![allow(unsafe_code)]

mod beside;
mod build;
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
