//! How the process ends: exit codes as in sysexits, and a sentence where it could not do what it was told.

use crate::crash;
use crate::log;
use crate::net::unix_socket;
use crate::server::loading::NotLoaded;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wshost_core::plugin::{LoadError, NotOpened};

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

/// How long the end waits for whoever reads the log.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long it waits for the log's own thread, on a machine that has other things to do.
const LAST_WORDS_WRITTEN: Duration = Duration::from_secs(1);
/// The same where the server has not come up: nobody is served meanwhile, and nothing else says why.
const REFUSAL: Duration = Duration::from_secs(2);
const REFUSAL_WRITTEN: Duration = Duration::from_secs(10);

/// Whether the end that is coming is the host's own doing.
static BY_OURSELVES: AtomicBool = AtomicBool::new(false);

/// Ends the process, at once but for what the log still has to say, for which there is a moment. Nothing of an engine's runs
/// any more: `exit` would take the loader's lock, which an engine may hold for ever, and run the destructors of libraries.
pub fn leave(code: u8) -> ! {
    by_ourselves();
    unix_socket::remove_all();
    last_words();
    crash::end(code.into())
}

/// Ends a process whose server has not come up, and says why in the log.
pub fn refuse(refused: &Refused) -> ! {
    by_ourselves();
    unix_socket::remove_all();
    // A caller that gave the log to a collector still sees why its command ended.
    log::say(&format!("wshost: {}", refused.why));
    log::flush(REFUSAL, REFUSAL_WRITTEN);
    crash::end(refused.code.into())
}

/// Waits for what the log still has to say, for a moment.
pub(crate) fn last_words() {
    log::flush(LAST_WORDS, LAST_WORDS_WRITTEN);
}

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
pub struct Refused {
    /// The exit code.
    pub code: u8,
    /// What to tell the operator: what is wrong, and what to do about it.
    pub why: String,
}

impl Refused {
    /// With an exit code and a sentence.
    pub fn new(code: u8, why: impl Into<String>) -> Self {
        Refused { code, why: why.into() }
    }

    /// Not the operator's fault.
    pub(crate) fn internal(error: anyhow::Error) -> Self {
        Refused::new(INTERNAL, format!("{error:#}"))
    }
}

impl From<NotLoaded> for Refused {
    fn from(error: NotLoaded) -> Self {
        match error {
            NotLoaded::Load(error) => error.into(),
            NotLoaded::Late(NotOpened::Blocked { .. }) => Refused::new(UNAVAILABLE, error.to_string()),
            NotLoaded::Late(_) | NotLoaded::Unfit { .. } => Refused::new(PLUGIN_REFUSED, error.to_string()),
        }
    }
}

impl From<LoadError> for Refused {
    fn from(error: LoadError) -> Self {
        let code = match error {
            LoadError::NotFound { .. } | LoadError::Unreadable { .. } => PLUGIN_NOT_FOUND,
            LoadError::NotStaged { .. } => INTERNAL,
            LoadError::NoThreadStorage { .. } | LoadError::OtherNeeded { .. } => UNAVAILABLE,
            _ => PLUGIN_REFUSED,
        };
        Refused::new(code, error.to_string())
    }
}
