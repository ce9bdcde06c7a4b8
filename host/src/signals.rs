//! The signals by which the operator controls a running server.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// End in an orderly way.
    End(Ending),
    /// Load every engine again.
    Reload,
}

/// A signal that asks the server to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The signal, in the operator's words.
    pub name: &'static str,
    /// The exit code of a process that this signal ended, as in shells: 128 plus the signal's number.
    pub code: u8,
}

const SIGNALS: [(i32, Told); 3] = [
    (SIGINT, Told::End(Ending { name: "Ctrl-C", code: 128 + 2 })),
    (SIGTERM, Told::End(Ending { name: "SIGTERM", code: 128 + 15 })),
    (SIGHUP, Told::Reload),
];

/// The signals that the server listens to. Each has a pipe of its own, so that none gets lost.
#[derive(Debug)]
pub(crate) struct Signals {
    pipes: Vec<(UnixStream, Told)>,
}

impl Signals {
    /// Begins to listen. Before that, a signal ends the process.
    ///
    /// # Errors
    ///
    /// The system refuses a pipe or a handler.
    pub(crate) fn listen() -> io::Result<Signals> {
        let listen = |(signal, told)| {
            let (reading, writing) = UnixStream::pair()?;
            pipe::register(signal, writing)?;
            Ok((reading, told))
        };
        Ok(Signals { pipes: SIGNALS.into_iter().map(listen).collect::<io::Result<_>>()? })
    }

    /// Waits for the next signal. Returns `None` if there was none by `until`.
    ///
    /// # Errors
    ///
    /// The system cannot poll or read a pipe.
    pub(crate) fn next(&mut self, until: Option<Instant>) -> io::Result<Option<Told>> {
        loop {
            let mut polled: Vec<_> = self.pipes.iter().map(|(pipe, _)| PollFd::new(pipe, PollFlags::IN)).collect();
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match poll(&mut polled, left.map(timespec).as_ref()) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let heard = polled.iter().position(|pipe| !pipe.revents().is_empty());
            if let Some((pipe, told)) = heard.and_then(|index| self.pipes.get(index)) {
                // Each signal writes one byte. Reading only one leaves a second signal for the next call.
                read(pipe, &mut [0; 1])?;
                return Ok(Some(*told));
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}
