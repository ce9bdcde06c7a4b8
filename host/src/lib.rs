//! The wshost server: everything behind the command line. ARCHITECTURE.md tells how the parts fit together.

pub mod cli;
pub mod client;
pub mod config;
pub mod connection;
pub mod deadlines;
pub mod engine;
pub mod http;
pub mod listener;
pub mod protocol;
pub mod registry;
pub mod server;

mod event_loop;
mod handshake;
mod jobs;
mod outbox;
