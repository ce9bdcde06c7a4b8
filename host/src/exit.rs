//! Exit codes, as in sysexits, and the error of a process that could not do its task.

use std::sync::atomic::{AtomicBool, Ordering};
use wshost_core::plugin::LoadError;

/// The command line is wrong.
pub const USAGE: u8 = 64;
/// A plugin cannot be run.
pub const PLUGIN_REFUSED: u8 = 65;
/// There is no such plugin, or it cannot be read.
pub const PLUGIN_NOT_FOUND: u8 = 66;
/// An address cannot be listened on, or no server answers.
pub const UNAVAILABLE: u8 = 69;
/// A fault of wshost or of the system, or an engine has called `exit`.
pub const INTERNAL: u8 = 70;
/// It is not possible now, but may work later.
pub const TRY_AGAIN: u8 = 75;
/// The server ended at its deadline with something unfinished: clients, jobs, or the drop of an engine.
pub const CUT_OFF: u8 = 75;
/// This user may not ask for this.
pub const NOT_ALLOWED: u8 = 77;
/// A configuration cannot be used.
pub const BAD_CONFIGURATION: u8 = 78;

/// Whether the host itself ends the process.
static BY_OURSELVES: AtomicBool = AtomicBool::new(false);

/// Notes that the host is about to end the process: a call of `exit` from now on is the host's.
pub fn by_ourselves() {
    BY_OURSELVES.store(true, Ordering::SeqCst);
}

/// Whether the host ends the process itself.
pub(crate) fn is_by_ourselves() -> bool {
    BY_OURSELVES.load(Ordering::SeqCst)
}

/// Why a command has failed.
#[derive(Debug)]
pub struct NotDone {
    /// The exit code.
    pub code: u8,
    /// What to tell the operator: what is wrong, and what to do about it.
    pub why: String,
}

impl NotDone {
    /// An error with an exit code and a sentence.
    pub fn new(code: u8, why: impl Into<String>) -> Self {
        NotDone { code, why: why.into() }
    }

    /// A fault that is not the operator's.
    pub(crate) fn internal(error: anyhow::Error) -> Self {
        NotDone::new(INTERNAL, format!("{error:#}"))
    }
}

impl From<LoadError> for NotDone {
    fn from(error: LoadError) -> Self {
        let code = match error {
            LoadError::NotFound { .. } | LoadError::Unreadable { .. } => PLUGIN_NOT_FOUND,
            LoadError::NotStaged { .. } => INTERNAL,
            LoadError::NoThreadStorage { .. } | LoadError::OtherNeeded { .. } => UNAVAILABLE,
            _ => PLUGIN_REFUSED,
        };
        NotDone::new(code, error.to_string())
    }
}
