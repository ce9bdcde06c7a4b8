//! A report, for people.

use crate::process::Memory;
use crate::report::{Clients, IdleConnections, Latency, Report, Stalled};
use indicatif::HumanCount;
use std::fmt::{self, Display, Formatter};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.headline(f)?;
        self.figures(f)?;
        self.details(f)?;
        self.processors(f)
    }
}

impl Report {
    fn headline(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { mode, url, connections, size, in_flight, wire, seconds, .. } = self;
        let connections = HumanCount(*connections as u64);
        write!(f, "{mode} on {url}: ")?;
        match (self.clients, *mode) {
            (Some(Clients { messages, .. }), _) => {
                let plural = if messages == 1 { "message" } else { "messages" };
                write!(f, "{connections} clients at a time, {messages} {plural} each")?;
            }
            (None, "echo" | "jobs") => write!(f, "{connections} connections, {in_flight} in flight each")?,
            (None, _) => write!(f, "{connections} connections, {in_flight} in flight")?,
        }
        writeln!(f, ", {size} bytes, {}, {seconds:.1} s", wire.name())?;
        if self.interrupted {
            writeln!(f, "  ended early, by Ctrl-C")?;
        }
        Ok(())
    }

    fn figures(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Latency { p50, p99, p99_9, max } = self.latency_us;
        let columns = match self.clients {
            Some(clients) => ("clients/s", clients.per_second),
            None => ("messages/s", self.messages_per_second),
        };
        let head = [columns.0, "p50 us", "p99 us", "p99.9 us", "max us", "errors"];
        let rate = if columns.1 < 100.0 { format!("{:.1}", columns.1) } else { whole(columns.1) };
        let [p50, p99, p99_9, max] = [p50, p99, p99_9, max].map(whole);
        let values = [rate, p50, p99, p99_9, max, HumanCount(self.errors).to_string()];
        writeln!(f)?;
        head.iter().try_for_each(|title| write!(f, "{title:>12}"))?;
        writeln!(f)?;
        values.iter().try_for_each(|value| write!(f, "{value:>12}"))?;
        write!(f, "\n\n")
    }

    fn details(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let replies = if self.mode == "fanout" { "deliveries" } else { "replies" };
        writeln!(f, "  replies    {} {replies}, every one as it should be", HumanCount(self.messages))?;
        if let Some(Clients { completed, .. }) = self.clients {
            writeln!(f, "  clients    {} came, talked and went; latency: from connecting to the first reply", {
                HumanCount(completed)
            })?;
        }
        if let Some(IdleConnections { wanted, opened, seconds, why_no_more }) = &self.opened {
            let [opened, wanted] = [*opened, *wanted].map(|count| HumanCount(count as u64));
            write!(f, "  idle       {opened} of {wanted} connections, opened in {seconds:.1} s")?;
            match why_no_more {
                Some(why) => writeln!(f, "; the next one: {why}")?,
                None => writeln!(f)?,
            }
        }
        if let Some(Stalled { clients, closed }) = self.stalled {
            writeln!(f, "  stalled    {clients} further clients never read; the server closed {closed} of them")?;
        }
        Ok(())
    }

    /// What the generator and the server used, and which of them was the limit.
    fn processors(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some((share, each)) = self.server_cpu.zip(self.server_cpu_us_per_message) {
            let (each, what) = match self.clients.and_then(|clients| clients.server_cpu_us) {
                Some(each) => (each, "client"),
                None => (each, "message"),
            };
            writeln!(f, "  server     {:.0} % of a core, {each:.2} us per {what}", share * 1e2)?;
        }
        if let Some(Memory { resident, peak }) = self.server_memory {
            write!(f, "  memory     {:.1} MiB, at most {:.1}", mebibytes(resident), mebibytes(peak))?;
            if let Some(each) = self.server_memory_per_connection {
                write!(f, "; grown by {} bytes per connection", whole(each))?;
            }
            writeln!(f)?;
        }
        write!(f, "  generator  {:.0} % of a core", self.generator_cpu * 1e2)?;
        if self.generator_was_limit {
            write!(f, ": its thread was the limit, the server may be faster than this")?;
        }
        Ok(())
    }
}

/// A number of at least 0, without its fraction and with commas between its thousands.
fn whole(number: f64) -> String {
    HumanCount(number.round() as u64).to_string()
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
