//! The command line of `wshost check`.

use crate::rehearsal::LONGEST;
use crate::units;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// What to check, and how.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArgs {
    /// The engine's library; a bare name is looked for in the current folder, beside wshost, and in /usr/lib/wshost.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The configuration to make the engine with, TOML or (named *.json) JSON [default: none]
    #[arg(long, value_name = "FILE")]
    pub engine_config: Option<PathBuf>,

    /// Print one JSON object instead of the list.
    #[arg(long)]
    pub json: bool,

    /// How long each step may take, such as 500ms or 2m. With more, an engine that hangs is waited for longer.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = timeout)]
    pub timeout: Duration,

    /// In the child: do the steps, and tell of them on what stands in for stdin.
    #[arg(long, hide = true)]
    pub in_child: bool,

    /// In the child: go no further than to open it.
    #[arg(long, hide = true, requires = "in_child")]
    pub only_open: bool,

    /// In the child: FILE is a private copy of this one, and is opened itself.
    #[arg(long, hide = true, requires = "in_child", value_name = "FILE")]
    pub copy_of: Option<PathBuf>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = units::duration(text)?;
    if timeout > LONGEST { Err("it must be a day at most".into()) } else { Ok(timeout) }
}

const AFTER_HELP: &str = "\
Steps, each of them ok, worth a note, or failed, which ends the check:
  file        a library for this machine, whose manifest is of this revision; nothing of it runs
  open        the system's loader takes it, and its tables are laid out as those of this wshost
  interfaces  the tables that it offers
  new         the engine is made, with --engine-config or without a configuration
  connect     a client on 127.0.0.1 is let in (authenticate) and connects to / (on_open)
  text        it sends a text (on_text), and the jobs that come of it run
  binary      the same with binary data (on_binary)
  close       it leaves in good order (on_close, on_closed)
  handover    with another client there, it is loaded again and takes over what it exports
  shutdown    the engine is dropped
  exit        the process ends, and what the library does then

The steps from open on run in a process of their own: a crash, a hang or an exit there fails the step.

Examples:
  wshost check target/release/libmine.so
  wshost check libmine.so --engine-config mine.toml
  wshost check libmine.so --json | jq -r '.steps[] | select(.outcome != \"ok\").text'

Exit codes: 0 it can be served, with notes or without; 64 wrong usage; 65 a step failed; 66 there is no such file.";
