//! Signals that the system sends to a process that writes where it cannot. By default they end or stop the process.

// This needs signal(2) itself.
#![allow(unsafe_code)]

use libc::{SIG_ERR, SIG_IGN, SIGTTOU, SIGXFSZ};

/// Ignores these signals, so that a write fails at the limit of a file's size, and succeeds from the background of a
/// terminal with `tostop`. Rust itself does this for pipes (SIGPIPE).
pub(super) fn ignore() {
    for signal in [SIGXFSZ, SIGTTOU] {
        // SAFETY: no handler is involved.
        if unsafe { libc::signal(signal, SIG_IGN) } == SIG_ERR {
            tracing::debug!(signal, "cannot be ignored");
        }
    }
}
