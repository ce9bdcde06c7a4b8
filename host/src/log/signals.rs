//! Signals that the system sends to who writes what cannot be written. Their default is to end or to stop the process.

// A line of it: signal(2) itself.
#![allow(unsafe_code)]

use libc::{SIG_ERR, SIG_IGN, SIGTTOU, SIGXFSZ};

/// Has writing fail, or succeed, instead: at the limit of a file's size, and from the background of a terminal with
/// `tostop`. Rust itself does it for pipes (SIGPIPE).
pub(super) fn ignore() {
    for signal in [SIGXFSZ, SIGTTOU] {
        // SAFETY: no handler is involved.
        if unsafe { libc::signal(signal, SIG_IGN) } == SIG_ERR {
            tracing::debug!(signal, "cannot be ignored");
        }
    }
}
