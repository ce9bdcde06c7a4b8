//! The event loop: all connections on one thread and one epoll.
//!
//! A run has three phases. It warms up, so that buffers, caches and the server's allocations are as they will stay; it
//! measures; and it rests: nothing more is sent, but the replies still owed must arrive and be right. Only replies that
//! arrive while it measures are counted.

use crate::connection::{Connection, Then, raise_file_limit};
use crate::report::Report;
use crate::ring::Ring;
use crate::{Work, cpu, opening};
use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// Bytes per read: many small messages, or a good part of a large one, and still within a core's own cache.
const READ_SIZE: usize = 128 << 10;
/// How long the last replies may take.
const REST_DEADLINE: Duration = Duration::from_secs(5);
/// Latencies are kept with this many digits, up to [`LONGEST`].
const DIGITS: u8 = 3;
const LONGEST: Duration = Duration::from_secs(60);

/// Opens the connections, keeps the work's messages in flight for `warmup` and then `seconds`, and closes them.
///
/// With `server`, the server's process id, its processor time is reported too. The first wrong reply is an error.
pub fn run(work: &Work, warmup: Duration, seconds: Duration, server: Option<u32>) -> Result<Report> {
    raise_file_limit().context("raising the limit on open files")?;
    let mut load = Load::open(work)?;
    load.start()?;
    load.keep_up(Instant::now() + warmup, Then::Send)?;

    load.forget();
    let begin = Usage::now(server)?;
    load.keep_up(begin.at + seconds, Then::Send)?;
    let used = Usage::now(server)?.since(&begin);
    let report = Report::new(work, &load.latencies, load.answered, &used);

    load.keep_up(Instant::now() + REST_DEADLINE, Then::Rest)?;
    load.close(work)?;
    Ok(report)
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

struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    in_flight: usize,
    buffer: Vec<u8>,
    /// In nanoseconds.
    latencies: Histogram<u64>,
    answered: u64,
}

impl Load {
    fn open(work: &Work) -> Result<Load> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(work.connections);
        for index in 0..work.connections {
            let stream = opening::open(&work.url, work.wire).with_context(|| format!("connection {index}"))?;
            stream.set_nonblocking(true)?;
            let ring = Ring::new(work.in_flight, work.size, work.wire);
            let mut connection = Connection::new(TcpStream::from_std(stream), ring, work.in_flight);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(connection.socket(), Token(index), interest)?;
            connections.push(connection);
        }
        Ok(Load {
            poll,
            connections,
            in_flight: work.in_flight,
            buffer: vec![0; READ_SIZE],
            latencies: Histogram::new_with_bounds(1, nanoseconds(LONGEST), DIGITS)?,
            answered: 0,
        })
    }

    fn start(&mut self) -> Result<()> {
        for (index, connection) in self.connections.iter_mut().enumerate() {
            connection.send(self.in_flight, Instant::now()).with_context(|| format!("connection {index}"))?;
        }
        Ok(())
    }

    /// Serves the connections until `end`; resting ones until all replies are there.
    fn keep_up(&mut self, end: Instant, then: Then) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match then {
                Then::Rest if self.connections.iter().all(Connection::is_idle) => return Ok(()),
                Then::Rest if left.is_zero() => bail!("replies are missing {REST_DEADLINE:?} after the last message"),
                Then::Send if left.is_zero() => return Ok(()),
                _ => {}
            }
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.context("waiting for events")?,
            }
            for event in &events {
                let Token(index) = event.token();
                let connection = &mut self.connections[index];
                let mut serve = || {
                    if event.is_readable() {
                        connection.receive(
                            &mut self.buffer,
                            event.is_read_closed(),
                            then,
                            |count, sent, received| {
                                self.answered += count as u64;
                                self.latencies.saturating_record_n(nanoseconds(received - sent), count as u64);
                            },
                        )?;
                    }
                    connection.flush()
                };
                serve().with_context(|| format!("connection {index}"))?;
            }
        }
    }

    /// Forgets what was counted while warming up.
    fn forget(&mut self) {
        self.latencies.reset();
        self.answered = 0;
    }

    fn close(self, work: &Work) -> Result<()> {
        let streams = self.connections.into_iter().map(|connection| connection.into_socket().into()).collect();
        opening::close(streams, work.wire)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
