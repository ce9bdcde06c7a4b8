//! What a run found; as JSON, for machines.

use crate::fault::Fault;
use crate::measured::Measured;
use crate::process::Elapsed;
use crate::process::Memory;
use crate::{Mode, Wire, Workload};
use serde::{Serialize, Serializer};

/// Above this share of its core, and above the server's share, the generator's thread was the limit.
const BUSY: f64 = 0.95;

/// A run's figures; the names of the fields are those of `--json`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `echo`, `fanout`, `accept`, `idle` or `jobs`.
    pub mode: &'static str,
    /// The server's address.
    pub url: String,
    /// Connections open at the same time.
    pub connections: usize,
    /// Bytes of payload in each message.
    pub size: usize,
    /// Messages in flight from each sender.
    pub in_flight: usize,
    /// What the messages were on the wire.
    pub wire: Wire,
    /// How long it was measured.
    pub seconds: f64,
    /// Whether Ctrl-C ended it early.
    pub interrupted: bool,
    /// Replies received in that time, all of them right; in a fan-out, deliveries to any client.
    pub messages: u64,
    /// The same, per second.
    pub messages_per_second: f64,
    /// From handing a message to its socket until having read its reply. If clients come and go, from connecting until
    /// having read a client's first reply.
    pub latency_us: Latency,
    /// Connections that failed, and wrong replies.
    pub errors: u64,
    /// What went wrong, or first did.
    #[serde(serialize_with = "as_text")]
    pub fault: Option<Fault>,
    /// Processor time of the generator as a share of one core. It has one thread: near 1, it was the limit itself.
    pub generator_cpu: f64,
    /// Whether the generator's thread was the limit, as far as can be told.
    pub generator_was_limit: bool,
    /// Processor time of the server as a share of one core, with `--pid`.
    pub server_cpu: Option<f64>,
    /// Processor time of the server for one message, in microseconds, with `--pid`.
    pub server_cpu_us_per_message: Option<f64>,
    /// The server's resident memory in bytes when the measuring ended, and the most it ever was, with `--pid`.
    pub server_memory: Option<Memory>,
    /// By how many bytes the server's memory has grown since before the first connection, for each connection, with
    /// `--pid`. A server that has served before reuses what it kept, and grows by less than it needs.
    pub server_memory_per_connection: Option<f64>,
    /// Further clients that never read, and how many of them the server had closed by the end.
    pub stalled: Option<Stalled>,
    /// How clients came and went.
    pub clients: Option<Clients>,
    /// How idle connections were opened.
    pub opened: Option<IdleConnections>,
}

/// Clients that never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stalled {
    /// How many were opened.
    pub clients: usize,
    /// How many the server had closed by the end.
    pub closed: usize,
}

/// Clients that came and went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Clients {
    /// Messages of each.
    pub messages: usize,
    /// How many completed the closing handshake while measuring.
    pub completed: u64,
    /// The same, per second.
    pub per_second: f64,
    /// Processor time of the server for one client, in microseconds, with `--pid`.
    pub server_cpu_us: Option<f64>,
}

/// Connections that were opened to be idle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdleConnections {
    /// How many there were to be.
    pub wanted: usize,
    /// How many are open, each with its first message answered.
    pub opened: usize,
    /// How long that took.
    pub seconds: f64,
    /// What happened to the next one, if not all could be opened.
    pub why_no_more: Option<String>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the replies took no longer.
    pub p50: f64,
    /// 99 of 100 replies took no longer.
    pub p99: f64,
    /// 999 of 1,000 replies took no longer.
    pub p99_9: f64,
    /// The slowest.
    pub max: f64,
}

impl Report {
    pub(crate) fn new(work: &Workload, connections: usize, measured: &Measured, elapsed: &Elapsed) -> Report {
        let Measured { latencies, replies: messages, clients } = measured;
        let seconds = elapsed.time.as_secs_f64();
        let quantile = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        let max = latencies.max() as f64 / 1e3;
        let each = |count: u64| elapsed.server.map(|server| server.as_secs_f64() * 1e6 / count.max(1) as f64);
        let generator_cpu = elapsed.generator.as_secs_f64() / seconds;
        let server_cpu = elapsed.server.map(|server| server.as_secs_f64() / seconds);
        let Workload { mode, target, size, in_flight, wire, .. } = work;
        let clients = |messages| Clients {
            messages,
            completed: *clients,
            per_second: *clients as f64 / seconds,
            server_cpu_us: each(*clients),
        };
        Report {
            mode: mode.name(),
            url: target.to_string(),
            connections,
            size: *size,
            in_flight: *in_flight,
            wire: *wire,
            seconds,
            interrupted: false,
            messages: *messages,
            messages_per_second: *messages as f64 / seconds,
            latency_us: Latency { p50: quantile(0.5), p99: quantile(0.99), p99_9: quantile(0.999), max },
            errors: 0,
            fault: None,
            generator_cpu,
            generator_was_limit: generator_cpu > BUSY.max(server_cpu.unwrap_or_default()),
            server_cpu,
            server_cpu_us_per_message: each(*messages),
            server_memory: None,
            server_memory_per_connection: None,
            stalled: None,
            clients: if let Mode::Accept { messages } = *mode { Some(clients(messages)) } else { None },
            opened: None,
        }
    }

    /// Adds the server's memory: what it was before the first connection, and is now.
    pub(crate) fn note_memory(&mut self, memory: Option<Memory>, before: Option<u64>) {
        self.server_memory = memory;
        let grown = |(now, before): (Memory, u64)| now.resident.saturating_sub(before) as f64;
        let holds_them = self.clients.is_none() && self.connections > 0;
        self.server_memory_per_connection =
            memory.zip(before).filter(|_| holds_them).map(|grew| grown(grew) / self.connections as f64);
    }

    /// Adds what went wrong, and how many connections it was about.
    pub(crate) fn fail(&mut self, errors: u64, fault: Fault) {
        self.errors += errors;
        self.fault = Some(fault);
    }
}

fn as_text<S: Serializer>(fault: &Option<Fault>, serializer: S) -> Result<S::Ok, S::Error> {
    fault.as_ref().map(Fault::to_string).serialize(serializer)
}
