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

    /// Print the server's reply as one JSON object. The names in it are stable.
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `wshost reload`.
#[derive(Args, Clone, Debug)]
#[command(after_help = RELOAD_HELP)]
pub struct ReloadArgs {
    /// The engine: its path, such as /chat, or its file, such as libchat.so. If the server has only one engine, it may
    /// be left out.
    ///
    /// An argument is a file if such a file exists, if it ends in .so, or if it does not begin with a slash; otherwise
    /// it is a path. A file is loaded for the engine that runs from it. If the server has only one engine, the file is
    /// loaded for that one, as with --plugin.
    #[arg(value_name = "PATH")]
    pub engine: Option<PathBuf>,

    /// Another file for the engine, such as libchat-2.so to upgrade from libchat-1.so.
    ///
    /// If it takes over, later reloads load this file; the next start uses the server's command line. A bare name is
    /// searched for as in wshost --plugin.
    #[arg(long, value_name = "FILE")]
    pub plugin: Option<PathBuf>,

    /// Which server, and how to print.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// The arguments of `wshost status`.
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
  wshost reload /chat                             the engine under /chat, from its present file
  wshost reload /chat --plugin libchat-2.so       from another file
  wshost reload target/release/libchat.so         the engine that runs from this file
  wshost reload --control /run/chat.sock --json   of the server with this control socket

The new generation takes over while everyone stays connected. If anything goes wrong, the old one
goes on. SIGHUP does the same for all engines, and only the server's log tells the result.
Exit codes: 0 accepted; 64 wrong usage, no such engine; 65 plugin refused; 66 plugin not found;
69 no server, one that is ending, or one that may load no more generations; 75 a reload is under
way, or the engine was busy for too long; 77 another user's server; 78 bad configuration.";

const STATUS_HELP: &str = "\
Examples:
  wshost status                             the only server of this user
  wshost status --control /run/chat.sock    the server with this control socket
  wshost status --json | jq .engines        as JSON, for programs

Servers are searched for in $XDG_RUNTIME_DIR/wshost, /run/wshost and $TMPDIR/wshost-UID; the first
folder in which one answers counts.
Exit codes: 0 the status was printed; 64 wrong usage, several servers; 69 no server; 75 too many are asking;
77 another user's server.";
