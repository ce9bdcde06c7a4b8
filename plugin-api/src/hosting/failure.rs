//! Failures inside an engine, copied into the host's memory.

use super::Callback;
use crate::abi::Failure;
use std::error::Error;
use std::fmt;

/// A failure inside an engine: its message and, for a panic, the source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineFailure {
    /// The callback that failed.
    pub callback: &'static str,
    /// The panic's message, or the engine's text of an error.
    pub message: String,
    /// `file:line:column` of a panic; empty for an error that was returned.
    pub location: String,
}

impl fmt::Display for EngineFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The log has one line per event.
        let message = self.message_in_one_line();
        if self.location.is_empty() {
            write!(f, "{} failed: {message}", self.callback)
        } else {
            write!(f, "{} panicked at {}: {message}", self.callback, self.location)
        }
    }
}

impl Error for EngineFailure {}

impl EngineFailure {
    /// The message, its lines joined by `; `: that of an assertion has several.
    pub fn message_in_one_line(&self) -> String {
        self.message.lines().map(str::trim).collect::<Vec<_>>().join("; ")
    }

    /// The failure of a call for a reason of the host's.
    pub fn of_host(callback: Callback, message: impl Into<String>) -> EngineFailure {
        EngineFailure { callback: callback.name(), message: message.into(), location: String::new() }
    }

    /// Takes over a failure that the engine returned. Null means none.
    ///
    /// # Safety
    ///
    /// `failure` is null or came from the engine just now and is used nowhere else.
    #[inline]
    pub(super) unsafe fn take(callback: Callback, failure: *mut Failure) -> Result<(), EngineFailure> {
        if failure.is_null() {
            return Ok(());
        }
        // SAFETY: the caller's promise.
        Err(unsafe { Self::read(callback, failure) })
    }

    /// # Safety
    ///
    /// As for [`EngineFailure::take`]; `failure` is not null.
    #[cold]
    unsafe fn read(callback: Callback, failure: *mut Failure) -> EngineFailure {
        // SAFETY: the caller's promise; the strings are copied before the engine frees them, by Failure::release, once.
        unsafe {
            let message = (*failure).message.as_str().to_owned();
            let location = (*failure).location.as_str().to_owned();
            ((*failure).release)(failure);
            EngineFailure { callback: callback.name(), message, location }
        }
    }
}
