//! What a test can read about an engine that did not show on the wire: failures and log lines.

use crate::{ClientId, Host};
use log::{Level, Log, Metadata, Record};
use std::cell::RefCell;
use std::fmt;
use std::sync::Once;

/// A panic in the engine, or a mistake of its that the host noticed.
///
/// In the real host it is a line in the log. The client that it happened for, if any, is closed with 1011.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFailure {
    /// What failed: a callback by its name, or `job`, `timer`, `drop of a job` and the like.
    pub callback: &'static str,
    /// The panic's message, or what the host says.
    pub message: String,
    /// `file:line:column` of a panic; else empty.
    pub location: String,
    /// The client that it happened for.
    pub client: Option<ClientId>,
}

impl EngineFailure {
    /// A mistake that is no panic.
    pub(super) fn of_host(callback: &'static str, message: impl Into<String>) -> Self {
        EngineFailure { callback, message: message.into(), location: String::new(), client: None }
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
    /// Whether that is a [`ConfigError`](crate::ConfigError): the host would end with exit code 78.
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

thread_local! {
    /// The host whose engine is at work on this thread.
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Brings log lines to the host whose engine is at work. A process has one logger only, but a host per test.
struct TestLogger;

impl Log for TestLogger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        CURRENT.with_borrow(|host| match host {
            Some(host) => host.log(record.level(), record.target(), &record.args().to_string()),
            // A thread of the engine's own, or of the test's.
            None => eprintln!("{} {}: {}", record.level(), record.target(), record.args()),
        });
    }

    fn flush(&self) {}
}

/// Installs the logger, before an engine installs the one that it has in a real host. A test that has installed one of
/// its own keeps it.
pub(super) fn install_logger() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&TestLogger).is_ok() {
            log::set_max_level(log::LevelFilter::Trace);
        }
    });
}

/// Does something during which log lines of this thread are the engine's.
pub(super) fn capture_logs<R>(host: &Host, work: impl FnOnce() -> R) -> R {
    let before = CURRENT.replace(Some(host.clone()));
    let result = work();
    CURRENT.set(before);
    result
}
