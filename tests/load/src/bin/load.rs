//! `load`: keeps messages in flight to an echo server and reports how many came back, and how fast.

use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;
use std::time::Duration;
use wshost::bench::{Mode, Wire, Work, run};

/// Loads a WebSocket server, checks every reply, and reports messages per second and latency.
///
/// Each connection keeps a number of messages in flight: whatever comes back is sent again, merged into one write.
/// With --fanout the first connection sends, and all must get each message; it is in flight until all have got it.
/// Opcode, length, payload and order of each reply must be right; the first that isn't ends the run with exit code 1.
#[derive(Debug, Parser)]
#[command(max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    /// The server's address, such as ws://127.0.0.1:9001/.
    #[arg(long)]
    url: String,

    /// Connections open at the same time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    connections: usize,

    /// Bytes of payload in each message.
    #[arg(long, value_name = "BYTES", default_value_t = 20)]
    size: usize,

    /// One connection sends and all get each message, itself included: for a server that sends every message to everyone.
    #[arg(long, conflicts_with = "raw")]
    fanout: bool,

    /// With --fanout, so many further clients that never read.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "fanout")]
    stalled: usize,

    /// Messages each connection has sent and not yet got back; 1 waits for each reply before the next message.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    in_flight: usize,

    /// Seconds to measure.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    seconds: Duration,

    /// Seconds under load before measuring begins.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warmup: Duration,

    /// Send binary messages of random bytes instead of text.
    #[arg(long)]
    binary: bool,

    /// No handshake, and expect every byte back as it was sent: for `tcp_echo`, to find the generator's own limit.
    #[arg(long, conflicts_with = "binary")]
    raw: bool,

    /// The server's process, to report its processor time.
    #[arg(long)]
    pid: Option<u32>,

    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  load --url ws://127.0.0.1:9001/                                       64 connections, 1 in flight
  load --url ws://127.0.0.1:9001/ --in-flight 16 --pid $(pidof wshost)  and the server's processor time
  load --url ws://127.0.0.1:9001/ --connections 4 --size 1048576 --in-flight 2 --binary
  load --url ws://127.0.0.1:9001/ --fanout --connections 1000 --size 100 --in-flight 10

Pin generator and server to different cores (taskset -c). Where the generator's share of a core comes near 100 %, the
generator was measured and not the server. Figures of one run mean little; `compare` makes ratios of many.";

fn main() -> ExitCode {
    match load(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn load(cli: Cli) -> Result<()> {
    let wire = match (cli.raw, cli.binary) {
        (true, _) => Wire::Raw,
        (false, true) => Wire::Binary,
        (false, false) => Wire::Text,
    };
    let mode = if cli.fanout { Mode::Fanout { stalled: cli.stalled } } else { Mode::Echo };
    let Cli { url, connections, size, in_flight, .. } = cli;
    let work = Work { mode, url, connections, size, in_flight, wire };
    let report = run::run(&work, cli.warmup, cli.seconds, cli.pid)?;
    if cli.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
