//! What a run found.

use crate::bench::cpu::Memory;
use crate::bench::run::{Found, Used};
use crate::bench::{Mode, Wire, Work};
use serde::Serialize;
use std::fmt;

/// A run's figures; the names of the fields are those of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `echo` or `fanout`.
    pub mode: &'static str,
    /// The server's address.
    pub url: String,
    /// Connections open at the same time.
    pub connections: usize,
    /// Bytes of payload in each message.
    pub size: usize,
    /// Messages in flight from each sender.
    pub in_flight: usize,
    /// `text`, `binary` or `raw`.
    pub wire: &'static str,
    /// How long it was measured.
    pub seconds: f64,
    /// Replies received in that time, all of them right; in a fan-out, deliveries to any client.
    pub messages: u64,
    /// The same, per second.
    pub messages_per_second: f64,
    /// From handing a message to its socket until having read its reply.
    pub latency_us: Latency,
    /// Processor time of the generator as a share of one core: near 1, and it was the limit itself.
    pub generator_cpu: f64,
    /// Processor time of the server as a share of one core, with `--pid`.
    pub server_cpu: Option<f64>,
    /// Processor time of the server for one message, in microseconds, with `--pid`.
    pub server_cpu_us_per_message: Option<f64>,
    /// The server's resident memory in bytes when the measuring ended, and the most it ever was, with `--pid`.
    pub server_memory: Option<Memory>,
    /// Further clients that never read, and how many of them the server had closed by the end.
    pub stalled: Option<Stalled>,
}

/// Clients that never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stalled {
    /// How many were opened.
    pub clients: usize,
    /// How many the server had closed by the end.
    pub closed: usize,
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
    pub(crate) fn new(work: &Work, found: &Found, used: &Used, server_memory: Option<Memory>) -> Report {
        let Found { latencies, replies: messages } = found;
        let messages = *messages;
        let seconds = used.time.as_secs_f64();
        let quantile = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        let max = latencies.max() as f64 / 1e3;
        Report {
            mode: match work.mode {
                Mode::Echo => "echo",
                Mode::Fanout { .. } => "fanout",
            },
            url: work.url.clone(),
            connections: work.connections,
            size: work.size,
            in_flight: work.in_flight,
            wire: match work.wire {
                Wire::Text => "text",
                Wire::Binary => "binary",
                Wire::Raw => "raw",
            },
            seconds,
            messages,
            messages_per_second: messages as f64 / seconds,
            latency_us: Latency { p50: quantile(0.5), p99: quantile(0.99), p99_9: quantile(0.999), max },
            generator_cpu: used.generator.as_secs_f64() / seconds,
            server_cpu: used.server.map(|server| server.as_secs_f64() / seconds),
            server_cpu_us_per_message: used.server.map(|server| server.as_secs_f64() * 1e6 / messages.max(1) as f64),
            server_memory,
            stalled: None,
        }
    }

    /// Adds how many of the stalled clients the server had closed.
    pub(crate) fn note_stalled(&mut self, work: &Work, closed: usize) {
        if let Mode::Fanout { stalled: clients @ 1.. } = work.mode {
            self.stalled = Some(Stalled { clients, closed });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { mode, connections, size, in_flight, wire, seconds, messages, .. } = self;
        let replies = if *mode == "fanout" { "deliveries" } else { "replies" };
        writeln!(
            f,
            "{mode}: {connections} connections x {size} bytes x {in_flight} in flight, {wire}, {seconds:.1} s"
        )?;
        writeln!(f, "  messages   {:.0}/s, {messages} {replies}, all checked", self.messages_per_second)?;
        let Latency { p50, p99, p99_9, max } = self.latency_us;
        writeln!(f, "  latency    p50 {p50:.0} us, p99 {p99:.0} us, p99.9 {p99_9:.0} us, max {max:.0} us")?;
        write!(f, "  generator  {:.0} % of a core", self.generator_cpu * 1e2)?;
        if let Some((share, each)) = self.server_cpu.zip(self.server_cpu_us_per_message) {
            write!(f, "\n  server     {:.0} % of a core, {each:.2} us per message", share * 1e2)?;
        }
        if let Some(Memory { resident, peak }) = self.server_memory {
            write!(f, ", {:.1} MiB of memory (at most {:.1})", mebibytes(resident), mebibytes(peak))?;
        }
        if let Some(Stalled { clients, closed }) = self.stalled {
            write!(f, "\n  stalled    {clients} further clients never read; the server closed {closed} of them")?;
        }
        Ok(())
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
