//! Clients that want an answer now and then, and how long they wait for it.

use crate::connect::open;
use crate::kinds::frame;
use anyhow::{Context, Result, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Each client asks so often, if it has been answered.
const EVERY: Duration = Duration::from_millis(20);
/// Between two newcomers.
const NEWCOMER_EVERY: Duration = Duration::from_millis(100);
const TEXT: [u8; 20] = [b'x'; 20];

/// How long somebody waited, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    fn new(mut waits: Vec<Duration>) -> Waits {
        waits.sort_unstable();
        Waits(waits)
    }

    /// What so large a share of them was not longer than; `None` if nobody was answered.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((last as f64 * share).round() as usize).copied()
    }
}

/// A client with at most one question under way.
struct Client {
    stream: TcpStream,
    asks_at: Instant,
    asked: Option<Instant>,
    answered: usize,
}

/// Clients that are connected before anything is wrong.
pub(crate) struct Clients {
    poll: Poll,
    clients: Vec<Client>,
}

impl Clients {
    /// Connects them.
    pub(crate) fn connect(address: &str, compress: bool, count: usize) -> Result<Clients> {
        let poll = Poll::new()?;
        let now = Instant::now();
        let mut clients = Vec::new();
        for number in 0..count {
            let stream = open(address, "/", compress)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            let asks_at = now + EVERY * u32::try_from(number)? / u32::try_from(count)?;
            clients.push(Client { stream, asks_at, asked: None, answered: 0 });
        }
        Ok(Clients { poll, clients })
    }

    /// Has them ask for so long. A question that is not answered in the end counts with the time that it has waited.
    pub(crate) fn ask(&mut self, time: Duration) -> Result<Waits> {
        let question = frame(0x81, &TEXT);
        let until = Instant::now() + time;
        let mut events = Events::with_capacity(1024);
        let mut waits = Vec::new();
        while Instant::now() < until {
            let now = Instant::now();
            for client in self.clients.iter_mut().filter(|client| client.asked.is_none() && client.asks_at <= now) {
                client.stream.write_all(&question).context("an honest client lost its connection")?;
                client.asked = Some(Instant::now());
                client.asks_at = (client.asks_at + EVERY).max(now);
            }
            self.poll.poll(&mut events, Some(Duration::from_micros(500)))?;
            for event in &events {
                let client = &mut self.clients[event.token().0];
                if client.read()?
                    && let Some(asked) = client.asked.take()
                {
                    waits.push(asked.elapsed());
                }
            }
        }
        waits.extend(self.clients.iter().filter_map(|client| client.asked).map(|asked| asked.elapsed()));
        Ok(Waits::new(waits))
    }

    /// Waits until all are answered, so that the next work begins with nothing under way.
    pub(crate) fn settle(&mut self, longest: Duration) -> Result<()> {
        let until = Instant::now() + longest;
        let mut events = Events::with_capacity(1024);
        while self.clients.iter().any(|client| client.asked.is_some()) && Instant::now() < until {
            self.poll.poll(&mut events, Some(Duration::from_millis(10)))?;
            for event in &events {
                let client = &mut self.clients[event.token().0];
                if client.read()? {
                    client.asked = None;
                }
            }
        }
        Ok(())
    }
}

impl Client {
    /// Whether the answer is complete.
    fn read(&mut self) -> Result<bool> {
        let mut buffer = [0; 64];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => anyhow::bail!("an honest client was closed"),
                Ok(count) => self.answered += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("an honest client was closed"),
            }
        }
        // Below the threshold of compression, so that it comes as it is.
        let complete = self.answered == TEXT.len() + 2;
        ensure!(self.answered <= TEXT.len() + 2, "more came than was asked for");
        if complete {
            self.answered = 0;
        }
        Ok(complete)
    }
}

/// Connects, asks and goes, now and then.
pub(crate) struct Newcomers {
    over: Arc<AtomicBool>,
    waits: JoinHandle<Vec<Duration>>,
}

impl Newcomers {
    /// Begins.
    pub(crate) fn start(address: &str, compress: bool) -> Newcomers {
        let over = Arc::<AtomicBool>::default();
        let (address, until) = (address.to_owned(), Arc::clone(&over));
        let waits = thread::spawn(move || {
            let mut waits = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let began = Instant::now();
                // One that is not let in counts with the time that it has tried.
                let _ = newcomer(&address, compress);
                waits.push(began.elapsed());
                thread::sleep(NEWCOMER_EVERY);
            }
            waits
        });
        Newcomers { over, waits }
    }

    /// From the connection to the first answer, for each.
    pub(crate) fn end(self) -> Waits {
        self.over.store(true, Ordering::Relaxed);
        Waits::new(self.waits.join().unwrap_or_default())
    }
}

fn newcomer(address: &str, compress: bool) -> Result<()> {
    let mut stream = open(address, "/", compress)?;
    stream.write_all(&frame(0x81, &TEXT))?;
    let mut answer = [0; TEXT.len() + 2];
    Ok(stream.read_exact(&mut answer)?)
}
