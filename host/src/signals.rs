//! What the operator tells a running server by signals.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// To end, in an orderly way; with the signal's name.
    End(&'static str),
    /// To load every engine again.
    Reload,
}

/// The signals that the server listens to.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on. To be called in a runtime, and before anybody knows that the server is there: until then, a
    /// signal ends the process.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::End("Ctrl-C"),
            _ = self.terminate.recv() => Told::End("SIGTERM"),
            _ = self.hangup.recv() => Told::Reload,
        }
    }
}
