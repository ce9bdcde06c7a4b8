//! `wshost`: reads the command line, does what it says, and tells how it ended.

use clap::Parser;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use wshost::bench::bench;
use wshost::check::check;
use wshost::cli::{Cli, Command, LogFormat};
use wshost::control;
use wshost::descriptors;
use wshost::exit::{Refused, USAGE};
use wshost::serve::serve;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    descriptors::raise_limit();
    let done = match &cli.command {
        Some(Command::Bench(args)) => bench(args).map_err(|fault| Refused::new(fault.exit_code(), fault.to_string())),
        Some(Command::Check(args)) => check(args),
        Some(Command::Reload(args)) => return ended(control::reload(args)),
        Some(Command::Status(args)) => return ended(control::status(args)),
        None => {
            start_log(cli.serve.log_format);
            serve(&cli.serve)
        }
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

fn ended(done: Result<ExitCode, Refused>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(Refused { code, why }) => {
            // A caller that gave the log to a collector still sees why its command ended.
            eprintln!("wshost: {why}");
            ExitCode::from(code)
        }
    }
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("WSHOST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
