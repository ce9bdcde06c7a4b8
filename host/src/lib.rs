//! The wshost server: everything behind the command line. ARCHITECTURE.md tells how the parts fit together.

// What nobody reads must not be able to end the server, nor to hold it up: see `log`, and `cli::answer` for commands.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod crash;
pub mod descriptors;
pub mod exit;
pub mod http;
pub mod listener;
pub mod loading;
pub mod log;
mod net;
pub mod plugin_watch;
pub mod reload;
pub mod serve;
pub mod server;
pub mod signals;

mod accept;
mod addresses;
mod allocator;
mod connection_task;
mod ending;
mod event_loop;
pub mod facilities;
mod handshake;
mod settling;
mod turned_away;
mod units;
mod unix_socket;
