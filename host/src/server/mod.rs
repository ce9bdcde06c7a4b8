//! The server: its event loops, their connections, and how its engines are loaded again.
//!
//! The core runs open connections: data on its way to a client is not known here.
//!
//! | file | subject |
//! |---|---|
//! | `settings`, `facilities` | its settings; the facilities that all engines share |
//! | `loading` | a plugin's file to an opened plugin: read, held to the rules, rehearsed, opened |
//! | `state` | what all event loops share |
//! | `reload` | an engine's plugin is loaded again, and the next generation takes over |
//! | `handle` | commands to an event loop |
//! | `accept` | accepts, and deals each connection to the loop with the fewest |
//! | `handshake`, `connection_task` | HTTP and the engine's word, to an open connection; a connection's task |
//! | `event_loop` | a thread, its runtime, a task per connection |
//! | `running`, `blocking` | starts and drains event loops; logs callbacks that block |

mod accept;
mod blocking;
mod connection_task;
mod event_loop;
pub mod facilities;
mod handle;
mod handshake;
pub(crate) mod loading;
pub(crate) mod reload;
mod running;
pub(crate) mod settings;
mod state;

pub use running::{Left, Running};
pub(crate) use state::Server;
