//! The wshost server: everything behind the command line. ARCHITECTURE.md explains how the parts fit together.

// A reader of stdout or stderr that does not read must not end the server or hold it up: see `log` and `cli::answer`.
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![warn(unreachable_pub)]

pub mod check;
pub mod cli;
pub mod control;
pub mod crash;
pub mod descriptors;
pub mod exit;
mod http;
mod lock;
pub mod log;
pub mod net;
mod rehearsal;
pub mod serve;
pub mod server;
mod signals;
mod threads;
mod units;
mod watch;
