//! The wshost server: everything behind the command line. ARCHITECTURE.md tells how the parts fit together.

// What nobody reads must not be able to end the server, nor to hold it up: see `log`, and `cli::answer` for commands.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod audience;
pub mod check;
pub mod cli;
pub mod client;
pub mod config;
pub mod control;
pub mod crash;
pub mod deadlines;
pub mod descriptors;
pub mod engine;
pub mod exit;
pub mod http;
pub mod keepalive;
pub mod listener;
pub mod loading;
pub mod log;
pub mod metrics;
pub mod mount;
pub mod plugin_watch;
pub mod prefer_read;
pub mod protocol;
pub mod serve;
pub mod server;
pub mod signals;
pub mod swap;

mod accept;
mod activity;
mod addresses;
mod allocator;
mod batch;
mod broadcast;
mod calls;
mod connection;
mod connection_task;
mod ending;
mod event_loop;
mod handshake;
mod jobs;
mod lock;
mod newborn;
mod outbox;
mod panics;
mod retire;
mod scratch;
mod settling;
mod standby;
mod timers;
mod turned_away;
mod turnstile;
mod units;
mod unix_socket;
mod wakes;
mod watch;
mod wire;
