//! The command line: the options of each command. It does nothing itself.
//!
//! `serve` has the options of the server, `values` has values that are more than a number, and `answer` writes what
//! commands print to stdout.

pub mod answer;
mod serve;
mod values;

pub(crate) use serve::ServeArgs;
pub(crate) use values::PluginArg;

use crate::check::CheckArgs;
use crate::control::{ReloadArgs, StatusArgs};
use clap::{Parser, Subcommand};
use wshost_bench::BenchArgs;

/// A WebSocket server that runs engines: applications loaded from dynamic libraries.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Action>,

    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to do instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Measures a WebSocket server: messages per second, latency, clients per second, idle clients.
    ///
    /// It keeps a server busy from one thread, checks every reply (opcode, length, content, order), and prints a table
    /// of the replies and their latency. The server may be wshost or any other, if it answers as the mode requires.
    Bench(BenchArgs),

    /// Checks an engine's library: opens it in a process of its own and leads the engine through its whole life.
    ///
    /// It prints the engine's name and how it was built, the outcome of each step, and what to do about a step that
    /// failed. It is for authors of engines, and for operators who are about to serve one.
    Check(CheckArgs),

    /// Makes a running server load an engine's plugin again, while everyone stays connected.
    ///
    /// It prints the result: `accepted: ...`, or `refused: ...` on stderr if the old engine stays. It waits until the
    /// reload is over; Ctrl-C ends the waiting, not the reload.
    Reload(ReloadArgs),

    /// Shows the state of a running server: its engines, their generations and connections, and what retired ones cost.
    Status(StatusArgs),
}

const AFTER_HELP: &str = "\
Examples:
  wshost --plugin libecho.so                                   echo on ws://127.0.0.1:9001/
  wshost --plugin /echo=libecho.so --plugin /chat=libchat.so   two engines, each with a path
  wshost --plugin ./libmine.so --listen 0.0.0.0:80             reachable from outside, on port 80
  wshost --plugin /chat=libchat.so --static plugins/chat/page  a chat, and its page on http://127.0.0.1:9001/
  wshost bench ws://127.0.0.1:9001/                            how fast a server answers; bench --help has more
  wshost check ./libmine.so                                    whether an engine can be served; check --help has more
  wshost reload                                                load the engine again, while everyone stays connected
  wshost status                                                engines, connections, generations

The log goes to stderr; WSHOST_LOG=debug shows more of it. The server never waits for the reader of the log: lines that are
not read in time are dropped and counted. Of events of one kind, 50 are logged in a row, then one per second with the number
of those left out. When the server is ready, it writes one line to stdout.
Ctrl-C or SIGTERM closes every client with 1001 and ends the server by --drain-timeout; a second one ends it at once.
Exit codes: 0 ended, and everyone was served to the end; 64 wrong usage; 65 plugin refused; 66 plugin not found; 69 cannot
listen, or the loader has no room for a library; 70 a fault of wshost, or an engine has called exit(); 75 ended, and whatever
was left at --drain-timeout was cut off; 78 bad configuration; 130 and 143 ended at once by a second Ctrl-C or SIGTERM, or
by the first before the server was up.";
