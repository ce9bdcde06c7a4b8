//! The options of `wshost bench`, and the defaults of each mode and preset.

use crate::fault::Fault;
use crate::units::{duration, duration_or_zero, message_size};
use crate::{Mode, Target, Wire, Workload};
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use std::time::Duration;

const MOST: u32 = 10_000_000;

/// What to measure, and how.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct BenchArgs {
    /// The server's address: ws://HOST, ws://HOST:PORT or either with a path. tcp://HOST:PORT measures a server that echoes
    /// bytes, without WebSocket
    #[arg(value_name = "URL")]
    target: Target,

    /// What the connections do.
    #[arg(long, default_value = "echo", hide_default_value = true)]
    mode: ModeArg,

    /// A load test with all its options; options that are given beside it take precedence.
    #[arg(long, value_name = "NAME", conflicts_with = "mode")]
    preset: Option<Preset>,

    /// Connections open at the same time [default: echo and jobs 64, fanout 100, accept 64, idle 1000]
    #[arg(long, value_name = "N", value_parser = count())]
    connections: Option<u32>,

    /// The payload of a message, such as 20 or 64KiB [default: 20]
    #[arg(long, value_name = "SIZE", value_parser = message_size)]
    size: Option<ByteSize>,

    /// Messages sent and not yet answered: of each connection (echo, jobs), or of all together (fanout, idle). With 1, a
    /// connection waits for each reply before its next message [default: echo and idle 1, fanout 10, jobs 16]
    #[arg(long, value_name = "N", value_parser = count())]
    in_flight: Option<u32>,

    /// How long to measure.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    duration: Duration,

    /// How long to keep the server busy before measuring begins.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration_or_zero)]
    warmup: Duration,

    /// Send text messages, of printable ASCII. This is the default.
    #[arg(long)]
    text: bool,

    /// Send binary messages, of any bytes.
    #[arg(long, conflicts_with = "text")]
    binary: bool,

    /// With accept: how many messages each client has echoed before it goes [default: 1]
    #[arg(long, value_name = "N", value_parser = count())]
    messages: Option<u32>,

    /// With fanout: how many further clients there are that never read [default: 0]
    #[arg(long, value_name = "N", value_parser = count())]
    stalled: Option<u32>,

    /// The server's process on this machine. The report then has its processor time for each message and its memory for
    /// each connection.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// Print one JSON object instead of the table, and show no progress.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the connections do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// Each sends, and gets its own messages back: libecho.so. This is the default.
    Echo,
    /// The first sends, and all get each message, the first included: libbroadcast.so.
    Fanout,
    /// Clients come and go: connect, handshake, one message echoed, closing handshake.
    Accept,
    /// All have one message echoed and are silent from then on; then messages go through them in turn.
    Idle,
    /// As echo, but a reply may have more behind the message, always the same: libcpu_bound.so.
    Jobs,
}

/// A load test with all that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// How many clients per second come, talk and go: accept, 100 at a time, 10 messages of 125 bytes each.
    Traffic,
    /// How many idle clients fit, and the latency then: idle, until no more fit, 100,000 at most.
    IdleClients,
}

const AFTER_HELP: &str = "\
Examples:
  wshost bench ws://127.0.0.1:9001/                                  64 connections, each waits for its reply
  wshost bench ws://127.0.0.1:9001/ --in-flight 16 --pid $(pidof wshost)      as fast as it goes, and what it costs
  wshost bench ws://127.0.0.1:9001/ --connections 4 --size 1MiB --binary
  wshost bench ws://127.0.0.1:9001/ --mode fanout --connections 1000          one sends, all get it
  wshost bench ws://127.0.0.1:9001/ --preset traffic                 clients per second
  wshost bench ws://127.0.0.1:9001/ --preset idle-clients --pid $(pidof wshost)    how many fit, and their memory

Reading the table: latency is from handing a message to its socket until having read its reply (accept: from connecting
until the first reply); of 1,000 messages, 500 took at most p50, 990 at most p99, 999 at most p99.9. A fan-out counts
deliveries: one message at one client. The generator is one thread; if it used all of its core, the table says so, and
the server may be faster than that. Give generator and server different cores (taskset -c). Figures of one run mean
little: machines drift. tests/load/compare sets servers against each other, by ratios of many runs.

The first wrong reply ends the run. Ctrl-C ends it early, with the figures so far. Pings are not answered. To reach more
connections, raise the limit on open files (ulimit -n) here and for the server.

Exit codes: 0 every reply was right; 64 wrong usage; 69 no server there; 71 the system refuses what is needed; 76 the server
answered wrongly or not at all; 130 Ctrl-C before anything was measured.";

/// The defaults of a mode or a preset.
struct Shape {
    mode: Mode,
    connections: u32,
    size: ByteSize,
    in_flight: u32,
}

impl BenchArgs {
    /// The load that these options ask for.
    ///
    /// # Errors
    ///
    /// Options that do not go together.
    pub(crate) fn workload(&self) -> Result<Workload, Fault> {
        let shape = self.shape();
        let mode = match shape.mode {
            Mode::Fanout { stalled } => Mode::Fanout { stalled: self.stalled.map_or(stalled, wide) },
            Mode::Accept { messages } => Mode::Accept { messages: self.messages.map_or(messages, wide) },
            other => other,
        };
        let wire = match (self.target.is_raw(), self.binary) {
            (true, _) => Wire::Raw,
            (false, true) => Wire::Binary,
            (false, false) => Wire::Text,
        };
        let work = Workload {
            mode,
            target: self.target.clone(),
            connections: wide(self.connections.unwrap_or(shape.connections)),
            size: usize::try_from(self.size.unwrap_or(shape.size).as_u64()).unwrap_or(usize::MAX),
            in_flight: wide(self.in_flight.unwrap_or(shape.in_flight)),
            wire,
            warmup: self.warmup,
            duration: self.duration,
            server: self.pid,
        };
        self.fits(&work).map(|()| work)
    }

    fn shape(&self) -> Shape {
        let shape = |mode, connections, in_flight| Shape { mode, connections, size: ByteSize::b(20), in_flight };
        match (self.preset, self.mode) {
            (Some(Preset::Traffic), _) => {
                Shape { size: ByteSize::b(125), ..shape(Mode::Accept { messages: 10 }, 100, 1) }
            }
            (Some(Preset::IdleClients), _) => shape(Mode::Idle { until_full: true }, 100_000, 1),
            (None, ModeArg::Echo) => shape(Mode::Echo, 64, 1),
            (None, ModeArg::Fanout) => shape(Mode::Fanout { stalled: 0 }, 100, 10),
            (None, ModeArg::Accept) => shape(Mode::Accept { messages: 1 }, 64, 1),
            (None, ModeArg::Idle) => shape(Mode::Idle { until_full: false }, 1000, 1),
            (None, ModeArg::Jobs) => shape(Mode::Jobs, 64, 16),
        }
    }

    /// Refuses what would be ignored.
    fn fits(&self, work: &Workload) -> Result<(), Fault> {
        let refused = |why: &str| Err(Fault::Usage(why.to_owned()));
        let is_accept = matches!(work.mode, Mode::Accept { .. });
        if work.wire == Wire::Raw && work.mode != Mode::Echo {
            return refused("a server that echoes bytes (tcp://) can be measured with --mode echo only");
        }
        if work.wire == Wire::Raw && (self.text || self.binary) {
            return refused("--text and --binary are about WebSocket messages; a bare stream (tcp://) has none");
        }
        if self.stalled.is_some() && !matches!(work.mode, Mode::Fanout { .. }) {
            return refused("--stalled goes with --mode fanout only");
        }
        if self.messages.is_some() && !is_accept {
            return refused("--messages goes with --mode accept only");
        }
        if self.in_flight.is_some() && is_accept {
            return refused("--in-flight does not go with --mode accept: its clients wait for each reply");
        }
        if matches!(work.mode, Mode::Idle { .. }) && work.in_flight > work.connections {
            return refused("with --mode idle, --in-flight can be at most --connections");
        }
        Ok(())
    }
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(MOST))
}

fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct BenchLine {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn work(arguments: &[&str]) -> Result<Workload, String> {
        let line = BenchLine::try_parse_from([&["bench"], arguments].concat()).map_err(|error| error.to_string())?;
        line.bench.workload().map_err(|fault| fault.to_string())
    }

    #[test]
    fn each_mode_has_its_defaults() {
        let shape = |arguments: &[&str]| {
            let work = work(&[&["ws://h/"], arguments].concat()).unwrap();
            (work.mode, work.connections, work.size, work.in_flight)
        };
        assert_eq!(shape(&[]), (Mode::Echo, 64, 20, 1));
        assert_eq!(shape(&["--mode", "fanout", "--stalled", "3"]), (Mode::Fanout { stalled: 3 }, 100, 20, 10));
        assert_eq!(shape(&["--mode", "accept"]), (Mode::Accept { messages: 1 }, 64, 20, 1));
        assert_eq!(shape(&["--mode", "idle"]), (Mode::Idle { until_full: false }, 1000, 20, 1));
        assert_eq!(shape(&["--mode", "jobs", "--in-flight", "2"]), (Mode::Jobs, 64, 20, 2));
    }

    #[test]
    fn what_is_given_precedes_a_preset() {
        let traffic = work(&["ws://h/", "--preset", "traffic", "--size", "1KiB"]).unwrap();
        assert_eq!((traffic.mode, traffic.connections, traffic.size), (Mode::Accept { messages: 10 }, 100, 1024));
        let idle = work(&["ws://h/", "--preset", "idle-clients", "--connections", "5"]).unwrap();
        assert_eq!((idle.mode, idle.connections), (Mode::Idle { until_full: true }, 5));
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        let refused = |arguments: &[&str]| work(arguments).unwrap_err();
        assert!(refused(&["wss://h/"]).contains("TLS"));
        assert!(refused(&["ws://h/", "--stalled", "1"]).contains("fanout only"));
        assert!(refused(&["ws://h/", "--messages", "1"]).contains("accept only"));
        assert!(refused(&["ws://h/", "--mode", "accept", "--in-flight", "2"]).contains("wait for each reply"));
        assert!(refused(&["ws://h/", "--mode", "idle", "--connections", "1", "--in-flight", "2"]).contains("at most"));
        assert!(refused(&["tcp://h:1/", "--mode", "jobs"]).contains("echo only"));
        assert!(refused(&["tcp://h:1/", "--binary"]).contains("bare stream"));
        assert!(refused(&["ws://h/", "--preset", "traffic", "--mode", "echo"]).contains("cannot be used with"));
        assert!(refused(&["ws://h/", "--connections", "0"]).contains("--connections"));
        assert!(refused(&["ws://h/", "--size", "2GiB"]).contains("at most 1.0 GiB"));
        assert!(refused(&["ws://h/", "--duration", "0s"]).contains("longer than 0"));
        assert!(refused(&["ws://h/", "--warmup", "soon"]).contains("500ms, 10s or 2m"));
    }

    #[test]
    fn a_duration_is_one_that_clocks_can_tell() {
        let endless = work(&["ws://h/", "--duration", "500000000000years", "--warmup", "0s"]).unwrap();
        assert!(std::time::Instant::now().checked_add(endless.duration).is_some());
        assert_eq!(endless.warmup, Duration::ZERO);
    }
}
