//! Exit codes, as in sysexits, and the sentence of a process that could not do what it was told.

use std::sync::atomic::{AtomicBool, Ordering};
use wshost_core::plugin::LoadError;

/// The command line is wrong.
pub const USAGE: u8 = 64;
/// A plugin cannot be run.
pub const PLUGIN_REFUSED: u8 = 65;
/// There is no such plugin, or it cannot be read.
pub const PLUGIN_NOT_FOUND: u8 = 66;
/// An address cannot be listened on, or a server is not there.
pub const UNAVAILABLE: u8 = 69;
/// A fault of wshost's, or of the system's; or an engine has called `exit`.
pub const INTERNAL: u8 = 70;
/// Not now; asked again later, it may work.
pub const TRY_AGAIN: u8 = 75;
/// The server ended by its deadline, and not everyone was served to the end: clients, jobs, or what engines do when they
/// are dropped.
pub const CUT_OFF: u8 = 75;
/// This user may not ask for it.
pub const NOT_ALLOWED: u8 = 77;
/// A configuration cannot be used.
pub const BAD_CONFIGURATION: u8 = 78;

/// Whether the end that is coming is the host's own doing.
static BY_OURSELVES: AtomicBool = AtomicBool::new(false);

/// The host is about to end the process: whoever calls `exit` from now on does it for the host.
pub fn by_ourselves() {
    BY_OURSELVES.store(true, Ordering::SeqCst);
}

/// Whether the host ends the process itself.
pub(crate) fn is_by_ourselves() -> bool {
    BY_OURSELVES.load(Ordering::SeqCst)
}

/// Why what was asked for was not done.
#[derive(Debug)]
pub struct NotDone {
    /// The exit code.
    pub code: u8,
    /// What to tell the operator: what is wrong, and what to do about it.
    pub why: String,
}

impl NotDone {
    /// With an exit code and a sentence.
    pub fn new(code: u8, why: impl Into<String>) -> Self {
        NotDone { code, why: why.into() }
    }

    /// Not the operator's fault.
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
