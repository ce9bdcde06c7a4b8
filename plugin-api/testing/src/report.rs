//! What a test can read about an engine that did not show on the wire: failures and log lines.

use log::Level;
use plugin_api::{ClientId, hosting};
use std::fmt;

/// A panic in the engine, or a mistake of its that the host noticed.
///
/// In the server it is a line in the log. The client that it happened for, if any, is closed with 1011.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFailure {
    /// What failed: a callback by its name, or `job`, `timer`, `drop of a job` and the like.
    pub callback: &'static str,
    /// The panic's message, its lines joined by `; `, or what the host says.
    pub message: String,
    /// `file:line:column` of a panic; else empty.
    pub location: String,
    /// The client that it happened for.
    pub client: Option<ClientId>,
}

impl EngineFailure {
    /// As the core tells it, without a client.
    pub(crate) fn of(failure: &hosting::EngineFailure) -> Self {
        let (message, location) = (failure.message_in_one_line(), failure.location.clone());
        EngineFailure { callback: failure.callback, message, location, client: None }
    }
}

impl fmt::Display for EngineFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.location.is_empty() {
            write!(f, "{} failed: {}", self.callback, self.message)
        } else {
            write!(f, "{} panicked at {}: {}", self.callback, self.location, self.message)
        }
    }
}

impl std::error::Error for EngineFailure {}

/// Why an engine did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotStarted {
    /// What the engine's `new` said.
    pub failure: EngineFailure,
    /// Whether that is a [`ConfigError`](plugin_api::ConfigError): the host would end with exit code 78.
    pub configuration_at_fault: bool,
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine does not start: {}", self.failure)
    }
}

impl std::error::Error for NotStarted {}

/// A line that the engine wrote with the [`log`] macros, or the host about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How important.
    pub level: Level,
    /// The module that wrote it; `wshost` for the host.
    pub target: String,
    /// What it says.
    pub message: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.level, self.target, self.message)
    }
}
