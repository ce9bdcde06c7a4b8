//! Writes a command's answer and help to stdout. Apart from the log and `main`, only this module prints.

use crate::exit::{INTERNAL, NotDone};
use std::io::{self, ErrorKind, Stdout, Write};

/// Stdout, for the answer of a command. A reader may hang up early: that is no error.
#[derive(Debug)]
pub struct AnswerWriter(Stdout);

impl AnswerWriter {
    /// Begins an answer.
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
/// Requested help cannot be written.
pub fn print_clap(error: &clap::Error) -> Result<(), NotDone> {
    match error.print() {
        Err(why) if !error.use_stderr() && why.kind() != ErrorKind::BrokenPipe => {
            Err(NotDone::new(INTERNAL, format!("cannot write to stdout: {why}")))
        }
        _ => Ok(()),
    }
}
