//! Plugins: from a file to a library whose tables are checked; or an engine that is linked into the program.

#[cfg(feature = "files")]
mod files;
mod fingerprint;
mod library;

#[cfg(feature = "files")]
pub use files::{Build, Image, LoadError, Staged, find, scratch};
pub use fingerprint::Fingerprint;
pub use library::Plugin;
