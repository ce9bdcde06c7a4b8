//! Plugins: a file becomes a library whose tables are checked; or an engine is linked into the program. It knows
//! neither clients nor the work of an engine.
//!
//! `library` is the plugin itself, `fingerprint` tells one state of a file from another, and `files/` has all that is
//! about files, as a feature.

#[cfg(feature = "files")]
mod files;
mod fingerprint;
mod library;

#[cfg(feature = "files")]
pub use files::{Build, Image, LoadError, Staged, find, scratch};
pub use fingerprint::Fingerprint;
pub use library::Plugin;
