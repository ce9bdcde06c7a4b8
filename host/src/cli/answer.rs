//! What a command writes to stdout: its answer, and help. Beside the log and `main`, only this prints.

use crate::exit::{INTERNAL, NotDone};
use std::io::{self, ErrorKind, Stdout, Write};

/// Stdout, for the answer of a command. A reader that has hung up has read enough: what it did not take is no error.
#[derive(Debug)]
pub struct AnswerWriter(Stdout);

impl AnswerWriter {
    /// An answer, of which nothing is written yet.
    pub fn begin() -> AnswerWriter {
        AnswerWriter(io::stdout())
    }
}

impl Write for AnswerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_hung_up(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_hung_up(self.0.flush(), ())
    }
}

fn unless_hung_up<T>(written: io::Result<T>, all: T) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(all),
        other => other,
    }
}

/// Prints help, a version, or what is wrong with the command line.
///
/// # Errors
///
/// Help that was asked for cannot be written.
pub fn print_clap(error: &clap::Error) -> Result<(), NotDone> {
    match error.print() {
        Err(why) if !error.use_stderr() && why.kind() != ErrorKind::BrokenPipe => {
            Err(NotDone::new(INTERNAL, format!("cannot write to stdout: {why}")))
        }
        _ => Ok(()),
    }
}
