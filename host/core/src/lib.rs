//! The core of wshost: what happens to a message between a byte stream and an engine.
//!
//! It has no sockets, no HTTP and no command line. Three programs use it: the server (`wshost`), the kit for testing
//! engines (`plugin-testing`), and the simulation. ARCHITECTURE.md explains how the parts fit together.

// A reader of stdout or stderr that does not read must not end the server or hold it up: see `wshost::log`.
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![warn(unreachable_pub)]

pub mod calls;
pub mod client;
pub mod clock;
pub mod connection;
pub mod engine;
pub mod executor;
pub mod jobs;
pub(crate) mod lock;
pub mod loops;
pub mod plugin;
pub mod protocol;
pub mod serving;

/// Uses every thread-local of the core that has a destructor and that the calling thread may need later. While a
/// library hangs in its initialiser, a thread that uses one for the first time would hang as well.
pub fn touch_thread_locals() {
    calls::watch::touch();
    client::at_hand::touch();
    loops::prefer_read::touch();
    protocol::touch();
}
