//! The phases of a run and its event loop, whatever the load.
//!
//! There are three phases. A run warms up, so that buffers, caches and the server's allocations are as they will stay;
//! it measures; and it rests: nothing more is sent, but the replies still owed must arrive and be right. Only replies
//! that arrive while it measures are counted.

use crate::bench::connection::{Then, raise_file_limit};
use crate::bench::echo::Echo;
use crate::bench::fanout::Fanout;
use crate::bench::report::Report;
use crate::bench::{Mode, Work, cpu};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Poll};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// Bytes per read: many small messages, or a good part of a large one, and still within a core's own cache.
pub(crate) const READ_SIZE: usize = 128 << 10;
/// How long the last replies may take.
const REST_DEADLINE: Duration = Duration::from_secs(5);
/// Latencies are kept with this many digits, up to [`LONGEST`].
const DIGITS: u8 = 3;
const LONGEST: Duration = Duration::from_secs(60);

/// What a run puts on a server; its connections are open.
pub(crate) trait Load {
    /// Sends the first messages.
    fn start(&mut self) -> Result<()>;
    /// Reads and writes on the connection that an event is about.
    fn serve(&mut self, event: &Event, then: Then, found: &mut Found) -> Result<()>;
    /// Does what is left to do after all events that came together.
    fn settle(&mut self, then: Then) -> Result<()>;
    /// Whether every message sent has been answered.
    fn is_idle(&self) -> bool;
    /// Closes the connections; how many of those that never read had been closed by the server before.
    fn close(self, work: &Work) -> Result<usize>;
}

/// Opens the connections, keeps the work's messages in flight for `warmup` and then `seconds`, and closes them.
///
/// With `server`, the server's process id, its processor time is reported too. The first wrong reply is an error.
pub fn run(work: &Work, warmup: Duration, seconds: Duration, server: Option<u32>) -> Result<Report> {
    raise_file_limit().context("raising the limit on open files")?;
    let poll = Poll::new()?;
    let times = Times { warmup, seconds };
    match work.mode {
        Mode::Echo => run_load(Echo::open(work, &poll)?, poll, work, times, server),
        Mode::Fanout { stalled } => run_load(Fanout::open(work, stalled, &poll)?, poll, work, times, server),
    }
}

#[derive(Clone, Copy)]
struct Times {
    warmup: Duration,
    seconds: Duration,
}

fn run_load(mut load: impl Load, poll: Poll, work: &Work, times: Times, server: Option<u32>) -> Result<Report> {
    let mut events = EventLoop { poll, found: Found::new()? };
    load.start()?;
    events.keep_up(&mut load, Instant::now() + times.warmup, Then::Send)?;

    events.found.forget();
    let begin = Usage::now(server)?;
    events.keep_up(&mut load, begin.at + times.seconds, Then::Send)?;
    let used = Usage::now(server)?.since(&begin);
    let memory = server.map(cpu::memory).transpose()?;
    let mut report = Report::new(work, &events.found, &used, memory);

    events.keep_up(&mut load, Instant::now() + REST_DEADLINE, Then::Rest)?;
    report.note_stalled(work, load.close(work)?);
    Ok(report)
}

struct EventLoop {
    poll: Poll,
    found: Found,
}

impl EventLoop {
    /// Serves the connections until `end`; resting ones until all replies are there.
    fn keep_up(&mut self, load: &mut impl Load, end: Instant, then: Then) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match then {
                Then::Rest if load.is_idle() => return Ok(()),
                Then::Rest if left.is_zero() => bail!("replies are missing {REST_DEADLINE:?} after the last message"),
                Then::Send if left.is_zero() => return Ok(()),
                _ => {}
            }
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.context("waiting for events")?,
            }
            for event in &events {
                let connection = || format!("connection {}", event.token().0);
                load.serve(event, then, &mut self.found).with_context(connection)?;
            }
            load.settle(then)?;
        }
    }
}

/// The replies that came while measuring.
pub(crate) struct Found {
    /// From sending to receiving, in nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    /// How many.
    pub(crate) replies: u64,
}

impl Found {
    fn new() -> Result<Found> {
        Ok(Found { latencies: Histogram::new_with_bounds(1, nanoseconds(LONGEST), DIGITS)?, replies: 0 })
    }

    /// Counts replies to messages that were sent together.
    pub(crate) fn note(&mut self, count: usize, latency: Duration) {
        self.replies += count as u64;
        self.latencies.saturating_record_n(nanoseconds(latency), count as u64);
    }

    /// Forgets what was counted while warming up.
    fn forget(&mut self) {
        self.latencies.reset();
        self.replies = 0;
    }
}

/// Time that passed, and processor time that was used in it.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// Time that passed.
    pub time: Duration,
    /// Processor time of this process.
    pub generator: Duration,
    /// Processor time of the server, if its process is known.
    pub server: Option<Duration>,
}

struct Usage {
    at: Instant,
    generator: Duration,
    server: Option<Duration>,
}

impl Usage {
    fn now(server: Option<u32>) -> Result<Usage> {
        let server = server.map(cpu::of).transpose()?;
        Ok(Usage { at: Instant::now(), generator: cpu::own(), server })
    }

    fn since(&self, begin: &Usage) -> Used {
        Used {
            time: self.at - begin.at,
            generator: self.generator.saturating_sub(begin.generator),
            server: self.server.zip(begin.server).map(|(end, begin)| end.saturating_sub(begin)),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
