//! The command lines of `wshost reload` and `wshost status`.

use super::place::ControlArg;
use clap::Args;
use std::path::PathBuf;

/// Which server to ask, and how to print what it says.
#[derive(Args, Clone, Debug)]
pub struct AskArgs {
    /// The server's control socket [default: that of the only server in this user's runtime directory]
    #[arg(long, value_name = "PATH", env = "WSHOST_CONTROL")]
    pub control: Option<ControlArg>,

    /// Print the server's reply as one JSON object; the names in it stay.
    #[arg(long)]
    pub json: bool,
}

/// What to load again.
#[derive(Args, Clone, Debug)]
#[command(after_help = RELOAD_HELP)]
pub struct ReloadArgs {
    /// The engine: its path, such as /chat, or its file, such as libchat.so. Not needed where the server has only one.
    ///
    /// What is there as a file, ends in .so or does not begin with a slash is a file, all else is a path. A file is loaded
    /// for the engine that runs from it; where the server has only one engine, for that one, as with --plugin.
    #[arg(value_name = "PATH")]
    pub engine: Option<PathBuf>,

    /// Another file for the engine: an upgrade from libchat-1.so to libchat-2.so.
    ///
    /// If it takes over, later reloads load this one; the next start is up to the server's command line. A bare name is
    /// looked for as with wshost --plugin.
    #[arg(long, value_name = "FILE")]
    pub plugin: Option<PathBuf>,

    /// Which server, and how to print.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Nothing to say but which server.
#[derive(Args, Clone, Debug)]
#[command(after_help = STATUS_HELP)]
pub struct StatusArgs {
    /// Which server, and how to print.
    #[command(flatten)]
    pub ask: AskArgs,
}

const RELOAD_HELP: &str = "\
Examples:
  wshost reload                                   the only engine of the only server
  wshost reload /chat                             the engine under /chat, from the file that it has
  wshost reload /chat --plugin libchat-2.so       from another file
  wshost reload target/release/libchat.so         the engine that runs from this file
  wshost reload --control /run/chat.sock --json   of the server with this control socket

The new generation takes over while everyone stays connected; what goes wrong leaves the old one
running. SIGHUP does the same for all engines, and says what came of it in the server's log only.
Exit codes: 0 accepted; 64 wrong usage, no such engine; 65 plugin refused; 66 plugin not found;
69 no server, one that is ending, or one that may load no more generations; 75 a reload is under
way, or the engine was busy for too long; 77 another user's server; 78 bad configuration.";

const STATUS_HELP: &str = "\
Examples:
  wshost status                             the only server of this user
  wshost status --control /run/chat.sock    the server with this control socket
  wshost status --json | jq .engines        for programs

Servers are looked for in $XDG_RUNTIME_DIR/wshost, /run/wshost and $TMPDIR/wshost-UID; the first
folder in which one answers counts.
Exit codes: 0 here it is; 64 wrong usage, several servers; 69 no server; 75 too many are asking;
77 another user's server.";
