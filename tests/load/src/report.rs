//! What a run found.

use crate::run::Used;
use crate::{Wire, Work};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt;

/// A run's figures; the names of the fields are those of `--json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The server's address.
    pub url: String,
    /// Connections open at the same time.
    pub connections: usize,
    /// Bytes of payload in each message.
    pub size: usize,
    /// Messages in flight on each connection.
    pub in_flight: usize,
    /// `text`, `binary` or `raw`.
    pub wire: &'static str,
    /// How long it was measured.
    pub seconds: f64,
    /// Replies received in that time, all of them right.
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
    pub(crate) fn new(work: &Work, latencies: &Histogram<u64>, messages: u64, used: &Used) -> Report {
        let seconds = used.time.as_secs_f64();
        let quantile = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        let max = latencies.max() as f64 / 1e3;
        Report {
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
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { connections, size, in_flight, wire, seconds, messages, .. } = self;
        writeln!(f, "{connections} connections x {size} bytes x {in_flight} in flight, {wire}, {seconds:.1} s")?;
        writeln!(f, "  messages   {:.0}/s, {messages} replies, all checked", self.messages_per_second)?;
        let Latency { p50, p99, p99_9, max } = self.latency_us;
        writeln!(f, "  latency    p50 {p50:.0} us, p99 {p99:.0} us, p99.9 {p99_9:.0} us, max {max:.0} us")?;
        write!(f, "  generator  {:.0} % of a core", self.generator_cpu * 1e2)?;
        if let Some((share, each)) = self.server_cpu.zip(self.server_cpu_us_per_message) {
            write!(f, "\n  server     {:.0} % of a core, {each:.2} us per message", share * 1e2)?;
        }
        Ok(())
    }
}
