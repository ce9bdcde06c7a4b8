//! The wshost server: everything behind the command line. ARCHITECTURE.md tells how the parts fit together.

pub mod audience;
pub mod bench;
pub mod check;
pub mod cli;
pub mod client;
pub mod config;
pub mod deadlines;
pub mod descriptors;
pub mod engine;
pub mod exit;
pub mod http;
pub mod keepalive;
pub mod listener;
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
mod batch;
mod broadcast;
mod connection;
mod connection_task;
mod event_loop;
mod handshake;
mod jobs;
mod outbox;
mod settling;
mod timers;
mod wakes;
mod watch;
