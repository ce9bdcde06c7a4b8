//! The events about engines that the program wants to know for the last line of a crash.

use super::Whose;
use std::path::Path;
use std::sync::OnceLock;

/// The functions to call.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    /// A library has been opened: its file, and the engine's name and version.
    pub library_opened: fn(&Path, &'static str, &'static str),
    /// Code of an engine has panicked on this thread: the engine, the source line and the message.
    pub panicked: fn(&Whose<'static>, &str, &str),
    /// Such a panic has been caught.
    pub caught: fn(),
}

static WITNESS: OnceLock<Witness> = OnceLock::new();

/// Installs a witness. The first one stays.
pub fn call(witness: Witness) {
    let _ = WITNESS.set(witness);
}

pub fn library_opened(copy: &Path, name: &'static str, version: &'static str) {
    if let Some(witness) = WITNESS.get() {
        (witness.library_opened)(copy, name, version);
    }
}

pub fn panicked(whose: &Whose<'static>, location: &str, message: &str) {
    if let Some(witness) = WITNESS.get() {
        (witness.panicked)(whose, location, message);
    }
}

pub fn caught() {
    if let Some(witness) = WITNESS.get() {
        (witness.caught)();
    }
}
