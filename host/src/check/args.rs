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
    /// The engine's library. A bare name is searched for in the current folder, beside wshost, and in /usr/lib/wshost.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The configuration to make the engine with: TOML, or JSON if the file is named *.json [default: none]
    #[arg(long, value_name = "FILE")]
    pub engine_config: Option<PathBuf>,

    /// Print one JSON object instead of the list.
    #[arg(long)]
    pub json: bool,

    /// How long each step may take, such as 500ms or 2m. An engine that hangs is waited for this long.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = timeout)]
    pub timeout: Duration,

    /// In the child: do the steps and report them to the descriptor that replaces stdin.
    #[arg(long, hide = true)]
    pub in_child: bool,

    /// In the child: stop after opening the library.
    #[arg(long, hide = true, requires = "in_child")]
    pub only_open: bool,

    /// In the child: FILE is a private copy of this file and can be opened directly.
    #[arg(long, hide = true, requires = "in_child", value_name = "FILE")]
    pub copy_of: Option<PathBuf>,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = units::duration(text)?;
    if timeout > LONGEST { Err("it must be a day at most".into()) } else { Ok(timeout) }
}

const AFTER_HELP: &str = "\
Each step is ok, ok with a note, or failed; a failure ends the check:
  file        the library is for this machine and this revision; none of its code runs yet
  open        the system's loader opens it, and its tables are laid out like those of this wshost
  interfaces  it offers the tables that are needed
  new         the engine is made, with the configuration from --engine-config or without one
  connect     a client on 127.0.0.1 is accepted (authenticate) and connects to / (on_open)
  text        the client sends a text (on_text), and the resulting jobs run
  binary      the client sends binary data (on_binary), and the resulting jobs run
  close       the client closes the connection (on_close, on_closed)
  handover    with another client connected, the library is loaded again and imports its own exports
  shutdown    the engine is dropped
  exit        the process ends, together with whatever the library does then

The steps from open on run in a process of their own: a crash, a hang or an exit there fails the step.

Examples:
  wshost check target/release/libmine.so
  wshost check libmine.so --engine-config mine.toml
  wshost check libmine.so --json | jq -r '.steps[] | select(.outcome != \"ok\").text'

Exit codes: 0 it can be served, with notes or without; 64 wrong usage; 65 a step failed; 66 there is no such file.";
