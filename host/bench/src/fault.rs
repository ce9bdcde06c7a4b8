//! Why a run ended before its time, or did not begin; for each the sentence to the operator and the exit code.

use crate::handshake::HandshakeError;
use crate::replies::Mismatch;
use std::io;
use std::time::Duration;
use thiserror::Error;

/// Why a run ended before its time, or did not begin.
#[derive(Debug, Error)]
pub enum Fault {
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// Another fault, and the connection that had it.
    #[error("connection {index}: {fault}")]
    On {
        /// The number of the connection, from 0.
        index: usize,
        /// What happened to it.
        fault: Box<Fault>,
    },
    /// No connection came about.
    #[error("cannot connect to {address}: {error}; is the server running, and is that its address?")]
    Connect {
        /// The address.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// The answer to the handshake was no, or none.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// Neither a handshake nor a first message was answered.
    #[error("the server did not answer within {0:?}")]
    Silent(Duration),
    /// A reply was not as it should be.
    #[error(transparent)]
    Wrong(#[from] Mismatch),
    /// The connection ended.
    #[error("the server closed the connection without a close frame")]
    Ended,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// Not all replies came.
    #[error("replies are missing {0:?} after the last message")]
    Missing(Duration),
    /// Some clients of many failed.
    #[error("{failed} of {tried} clients failed; the first one: {first}")]
    Clients {
        /// How many.
        failed: u64,
        /// Of how many.
        tried: u64,
        /// What happened to the first.
        first: Box<Fault>,
    },
    /// Not all the connections that were wanted could be opened.
    #[error("only {opened} of {wanted} connections could be opened; the next one: {why}")]
    Full {
        /// How many are open.
        opened: usize,
        /// How many were to be.
        wanted: usize,
        /// What happened to the next one.
        why: Box<Fault>,
    },
    /// Ctrl-C, before there was anything to report.
    #[error("ended by Ctrl-C before anything was measured")]
    Interrupted,
    /// The server's process could not be observed.
    #[error("cannot observe process {pid}: {error}; does --pid name the server's process?")]
    Process {
        /// Its number.
        pid: u32,
        /// What the system says.
        error: io::Error,
    },
    /// This process could not have what it needs.
    #[error("cannot {what}: {error}")]
    System {
        /// What it needs.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl Fault {
    /// The exit code, as in sysexits: the caller's fault (64), no server there (69), ours (71), the server's (76).
    pub fn exit_code(&self) -> u8 {
        match self {
            Fault::Usage(_) | Fault::Process { .. } => 64,
            Fault::Connect { .. } | Fault::Silent(_) => 69,
            Fault::System { .. } => 71,
            Fault::Handshake(_) | Fault::Wrong(_) | Fault::Ended | Fault::Broken(_) | Fault::Missing(_) => 76,
            Fault::Interrupted => 130,
            Fault::On { fault, .. } => fault.exit_code(),
            Fault::Clients { first, .. } => first.exit_code(),
            Fault::Full { why, .. } => why.exit_code(),
        }
    }

    /// How many connections it stands for.
    pub(crate) fn failed(&self) -> u64 {
        match self {
            Fault::Clients { failed, .. } => *failed,
            Fault::On { fault, .. } => fault.failed(),
            _ => 1,
        }
    }

    /// Makes a fault of the system's out of an error.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Fault {
        move |error| Fault::System { what, error }
    }
}

/// Says which connection a fault is about.
pub(crate) trait OnConnection<T> {
    /// Adds the connection's number.
    fn on(self, index: usize) -> Result<T, Fault>;
}

impl<T> OnConnection<T> for Result<T, Fault> {
    fn on(self, index: usize) -> Result<T, Fault> {
        self.map_err(|fault| Fault::On { index, fault: Box::new(fault) })
    }
}
