//! What a command answers on stdout, and says on stderr: the one place of the host that prints, beside the log.

use crate::exit::{INTERNAL, Refused};
use std::io::{self, ErrorKind, Write};

/// Writes an answer to stdout. Whoever has hung up has read enough.
///
/// # Errors
///
/// What the system says, for example that a disk is full.
pub(crate) fn answer(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Says something beside the answer, on stderr. If that cannot be written, the exit code still says it.
pub fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints help, a version, or what is wrong with the command line.
///
/// # Errors
///
/// Help that was asked for cannot be written.
pub fn print_clap(error: &clap::Error) -> Result<(), Refused> {
    match error.print() {
        Err(why) if !error.use_stderr() && why.kind() != ErrorKind::BrokenPipe => {
            Err(Refused::new(INTERNAL, format!("cannot write to stdout: {why}")))
        }
        _ => Ok(()),
    }
}
