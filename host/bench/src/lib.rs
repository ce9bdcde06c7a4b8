//! `wshost bench`: a load generator for WebSocket servers, lean enough not to be what is measured.
//!
//! It shares nothing with the server, since a fault that both had would not be seen: this crate does not depend on that of
//! the server. It speaks to any WebSocket server, over sockets alone. One thread does all.
//!
//! A server must answer with payloads that are known beforehand, in order, one unfragmented frame each: to the client that
//! sent them (echo) or to every client (fan-out). So the byte stream that a connection has to receive is known, and
//! checking it costs one comparison of memory per read: opcode, length, payload and order at once. What that leaves to
//! do per message is a sequence number written in two places: nothing is built, hashed or allocated per message.
//!
//! | file | subject |
//! |---|---|
//! | `args`, `units`, `command` | the command line, durations and sizes in it, and the subcommand |
//! | `target`, `handshake`, `opening` | where the server is; its answer to a handshake; connections opened and closed |
//! | `ring`, `replies` | the frames to send and the replies they must cause; no sockets, no clock |
//! | `connection` | a ring, its socket and the times of sending |
//! | `run` | the phases of a run: warm up, measure, let the last replies come in |
//! | `load`, `measured` | what all loads have in common; what is counted while a run measures |
//! | `echo`, `fanout`, `idle`, `accept`, `jobs` | what a run puts on a server, one file each |
//! | `process` | how much processor time and memory the generator and the server used |
//! | `progress` | the bar on a terminal, and Ctrl-C |
//! | `report`, `table` | what was found, for machines and for people |
//! | `fault` | why a run ended, and the exit code for it |
//!
//! Another load is a `Mode`, a file with its `Load`, a line of `run::run`, and its options in `args`.

#![forbid(unsafe_code)]
// It writes its report to what it is given.
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![warn(unreachable_pub)]

mod accept;
mod args;
mod command;
mod connection;
mod echo;
mod fanout;
mod fault;
mod handshake;
mod idle;
mod jobs;
mod load;
mod measured;
mod opening;
mod process;
mod progress;
mod replies;
mod report;
mod ring;
mod run;
mod table;
mod target;
mod units;

pub use args::BenchArgs;
pub use command::bench;
pub use fault::Fault;
pub use handshake::HandshakeError;
pub use process::Memory;
pub use progress::Progress;
pub use replies::Mismatch;
pub use report::{Clients, IdleConnections, Latency, Report, Stalled};
pub use run::run;
pub use target::{BadTarget, Target};

use serde::Serialize;
use std::time::Duration;

/// How a server is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What the connections do.
    pub mode: Mode,
    /// The server's address.
    pub target: Target,
    /// How many connections are open at the same time; at least 1.
    pub connections: usize,
    /// Bytes of payload in each message.
    pub size: usize,
    /// Messages that have been sent and whose replies have not all come; at least 1. For each connection in an echo and
    /// in jobs, for all together in the other modes; if clients come and go, it is not used.
    pub in_flight: usize,
    /// What the messages are on the wire.
    pub wire: Wire,
    /// How long the server is under load before measuring begins.
    pub warmup: Duration,
    /// How long it is measured.
    pub duration: Duration,
    /// The server's process, for its processor time and memory.
    pub server: Option<u32>,
}

/// What the connections do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every connection sends, and gets its own messages.
    Echo,
    /// The first connection sends, and every connection gets the message, the sender included.
    Fanout {
        /// Further connections that never read what they get.
        stalled: usize,
    },
    /// Clients come and go: connect, handshake, so many messages echoed one after the other, closing handshake.
    Accept {
        /// Messages of each client; at least 1.
        messages: usize,
    },
    /// All connections say one word and are silent from then on, but for a message that wanders through them.
    Idle {
        /// Whether it is the task to find out how many fit: then it is no fault that not all do.
        until_full: bool,
    },
    /// As in an echo, but a reply may have more behind the message, always the same.
    Jobs,
}

impl Mode {
    /// As on the command line and in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Mode::Echo => "echo",
            Mode::Fanout { .. } => "fanout",
            Mode::Accept { .. } => "accept",
            Mode::Idle { .. } => "idle",
            Mode::Jobs => "jobs",
        }
    }
}

/// What the messages are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// Text messages of random printable ASCII.
    Text,
    /// Binary messages of random bytes.
    Binary,
    /// No handshake, and every byte sent is expected back as it was sent: for a server that echoes a bare TCP stream.
    Raw,
}

impl Wire {
    /// As in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Wire::Text => "text",
            Wire::Binary => "binary",
            Wire::Raw => "raw",
        }
    }
}
