//! `wshost`: reads the command line, does what it says, and tells how it ended.

// See `wshost::log`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use wshost::check::check;
use wshost::cli::answer::{Answer, print_clap};
use wshost::cli::{Cli, Command};
use wshost::crash::{self, AfterExit};
use wshost::exit::{self, Refused, USAGE};
use wshost::serve::serve;
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
        Some(Command::Bench(args)) => {
            bench(args, &mut Answer::begin()).map_err(|fault| Refused::new(fault.exit_code(), fault.to_string()))
        }
        Some(Command::Check(args)) => check(args, &mut Answer::begin()),
        Some(Command::Reload(args)) => return ended(control::reload(args, &mut Answer::begin(), &mut io::stderr())),
        Some(Command::Status(args)) => return ended(control::status(args, &mut Answer::begin(), &mut io::stderr())),
        None => match log::start(cli.serve.log_format) {
            Ok(()) => {
                crash::attribute(AfterExit::Fail);
                let Err(refused) = serve(&cli.serve);
                exit::refuse(&refused)
            }
            Err(refused) => Err(refused),
        },
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

fn ended(done: Result<ExitCode, Refused>) -> ExitCode {
    exit::by_ourselves();
    match done {
        Ok(code) => code,
        Err(Refused { code, why }) => {
            // If this cannot be written, the exit code still says it.
            let _ = writeln!(io::stderr(), "wshost: {why}");
            ExitCode::from(code)
        }
    }
}
