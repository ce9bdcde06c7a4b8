//! `wshost`: reads the command line, does what it says, and reports the result.

// See `wshost::log`.
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![warn(unreachable_pub)]

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use wshost::check::check;
use wshost::cli::answer::{AnswerWriter, print_clap};
use wshost::cli::{Action, Cli};
use wshost::crash::{self, AfterExit};
use wshost::exit::{self, NotDone, USAGE};
use wshost::serve::{refuse, serve};
use wshost::{control, descriptors, log};
use wshost_bench::bench;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            return ended(print_clap(&error).map(|()| ExitCode::from(code)));
        }
    };
    descriptors::raise_limit();
    let done = match &cli.command {
        Some(Action::Bench(args)) => {
            bench(args, &mut AnswerWriter::begin()).map_err(|fault| NotDone::new(fault.exit_code(), fault.to_string()))
        }
        Some(Action::Check(args)) => check(args, &mut AnswerWriter::begin()),
        Some(Action::Reload(args)) => {
            return ended(control::reload(args, &mut AnswerWriter::begin(), &mut io::stderr()));
        }
        Some(Action::Status(args)) => {
            return ended(control::status(args, &mut AnswerWriter::begin(), &mut io::stderr()));
        }
        None => match log::start(cli.serve.log_format) {
            Ok(()) => {
                crash::attribute(AfterExit::Fail);
                let Err(refused) = serve(&cli.serve);
                refuse(&refused)
            }
            Err(refused) => Err(refused),
        },
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

fn ended(done: Result<ExitCode, NotDone>) -> ExitCode {
    exit::by_ourselves();
    match done {
        Ok(code) => code,
        Err(NotDone { code, why }) => {
            // If this cannot be written, the exit code still says it.
            let _ = writeln!(io::stderr(), "wshost: {why}");
            ExitCode::from(code)
        }
    }
}
