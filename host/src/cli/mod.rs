//! The command line: what an operator can say, and what is made of it. Knows the options of each command, and does
//! nothing.
//!
//! `serve` has the options of the server, `values` those that are more than a number, and `answer` what commands write
//! to stdout.

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
    /// Keeps a server busy from one thread, checks every reply (opcode, length, content, order), and ends with a table of
    /// what came back and how soon. The server may be wshost or any other; it must answer as the mode says.
    Bench(BenchArgs),

    /// Checks an engine's library: opens it in a process of its own and leads the engine through its whole life.
    ///
    /// Tells who the engine is and how it was built, then how each step went, and what to do where one failed. For the one
    /// who writes an engine, and for the one who is about to serve it.
    Check(CheckArgs),

    /// Has a running server load an engine's plugin again, while everyone stays connected.
    ///
    /// Prints what came of it: `accepted: ...`, or `refused: ...` on stderr, and then the engine runs on as it was. Waits for
    /// as long as the reload takes; Ctrl-C ends the waiting, not the reload.
    Reload(ReloadArgs),

    /// Tells how a running server is: its engines, their generations and connections, and what retired ones cost.
    Status(StatusArgs),
}

const AFTER_HELP: &str = "\
Examples:
  wshost --plugin libecho.so                                   echo on ws://127.0.0.1:9001/
  wshost --plugin /echo=libecho.so --plugin /chat=libchat.so   two engines, a path each
  wshost --plugin ./libmine.so --listen 0.0.0.0:80             for everyone, on port 80
  wshost --plugin /chat=libchat.so --static plugins/chat/page  a chat, and its page on http://127.0.0.1:9001/
  wshost bench ws://127.0.0.1:9001/                            how fast it answers; bench --help has more
  wshost check ./libmine.so                                    whether it can be served; check --help has more
  wshost reload                                                the engine anew, from its file, while everyone stays
  wshost status                                                engines, connections, generations

The log goes to stderr; WSHOST_LOG=debug shows more of it. Nobody waits for whoever reads it: lines that are not taken in
time are dropped, and counted. Of events of one kind, 50 are logged in a row, then one per second, and how many were left
out. When the server is ready, one line goes to stdout.
Ctrl-C or SIGTERM closes every client with 1001 and ends the server by --drain-timeout; a second one ends it at once.
Exit codes: 0 ended, and everyone was served to the end; 64 wrong usage; 65 plugin refused; 66 plugin not found; 69 cannot
listen, or the loader has no room for a library; 70 a fault of wshost's, or an engine has called exit(); 75 ended, and what
was left at --drain-timeout was cut off; 78 bad configuration; 130 and 143 ended at once by a second Ctrl-C or SIGTERM, or
by the first before the server was up.";
