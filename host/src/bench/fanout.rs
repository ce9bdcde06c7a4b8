//! Fan-out: one connection sends, and every connection gets each message, the sender included.
//!
//! A message is in flight until **all** clients have got it; only then is another one sent in its place. So a server
//! cannot look fast by serving the sender and letting others wait, and no client is ever further behind than the
//! messages in flight, which is why one ring holds the replies of all. What is measured is deliveries: one message that
//! has arrived at one client.
//!
//! Stalled clients complete the handshake and never read. They are not counted; they show whether the others notice.

use crate::bench::connection::{Then, after, flush, read};
use crate::bench::replies::Cursor;
use crate::bench::ring::Ring;
use crate::bench::run::{Found, Load, READ_SIZE};
use crate::bench::{Work, opening};
use anyhow::{Context, Result};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Poll, Token};
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

/// How much the system may hold for a stalled client; little, so that the server soon has to.
const STALLED_BUFFER: usize = 4 << 10;
/// How long all stalled clients together may read at last, and how long one of them waits for more.
const READ_AT_LAST: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_millis(200);
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// The connection that sends.
const SENDER: usize = 0;

/// One sender and its audience.
#[derive(Debug)]
pub struct Fanout {
    clients: Vec<Client>,
    stalled: Vec<std::net::TcpStream>,
    ring: Ring,
    messages: Messages,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    socket: TcpStream,
    cursor: Cursor,
    /// The slot of the message that comes next.
    next: usize,
}

/// The messages in flight, by slot.
#[derive(Debug)]
struct Messages {
    clients: usize,
    sent_at: Vec<Instant>,
    /// How many clients have not yet got it.
    waiting: Vec<usize>,
    /// The slots of the oldest message in flight and of the next one to send, and how many are in flight.
    oldest: usize,
    next: usize,
    in_flight: usize,
}

impl Fanout {
    /// Opens the connections, those that stall first.
    pub fn open(work: &Work, stalled: usize, poll: &Poll) -> Result<Fanout> {
        let open_stalled = |index| -> Result<_> {
            let stream = opening::open(&work.url, work.wire)
                .with_context(|| format!("connection {index} of those that stall"))?;
            rustix::net::sockopt::set_socket_recv_buffer_size(&stream, STALLED_BUFFER)?;
            Ok(stream)
        };
        let open_client = |index| -> Result<_> {
            let stream = opening::open(&work.url, work.wire).with_context(|| format!("connection {index}"))?;
            stream.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(stream);
            let interest = if index == SENDER { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            poll.registry().register(&mut socket, Token(index), interest)?;
            Ok(Client { socket, cursor: Cursor::new(), next: 0 })
        };
        Ok(Fanout {
            stalled: (0..stalled).map(open_stalled).collect::<Result<_>>()?,
            clients: (0..work.connections).map(open_client).collect::<Result<_>>()?,
            ring: Ring::new(work.in_flight, work.size, work.wire),
            messages: Messages::new(work.connections, work.in_flight),
            buffer: vec![0; READ_SIZE],
        })
    }

    fn send(&mut self, count: usize) -> Result<()> {
        self.ring.stamp(count);
        self.messages.send(count, Instant::now());
        flush(&mut self.clients[SENDER].socket, &mut self.ring)
    }
}

impl Load for Fanout {
    fn start(&mut self) -> Result<()> {
        self.send(self.messages.waiting.len())
    }

    fn serve(&mut self, event: &Event, _then: Then, found: &mut Found) -> Result<()> {
        let Token(index) = event.token();
        let client = &mut self.clients[index];
        while event.is_readable() {
            let Some(len) = read(&mut client.socket, &mut self.buffer)? else { break };
            let completed = self.ring.replies().check(&mut client.cursor, &self.buffer[..len])?;
            let now = Instant::now();
            client.next = self.messages.deliver(client.next, completed, |count, sent| found.note(count, now - sent));
            // As in an echo: a read that doesn't fill the buffer has emptied the socket.
            if len < self.buffer.len() && !event.is_read_closed() {
                break;
            }
        }
        if index == SENDER { flush(&mut client.socket, &mut self.ring) } else { Ok(()) }
    }

    fn settle(&mut self, then: Then) -> Result<()> {
        match self.messages.finish() {
            finished @ 1.. if then == Then::Send => self.send(finished).context("the sender"),
            _ => Ok(()),
        }
    }

    fn is_idle(&self) -> bool {
        self.messages.in_flight == 0
    }

    fn close(self, work: &Work) -> Result<usize> {
        let (closed, open) = read_at_last(self.stalled)?;
        let clients = self.clients.into_iter().map(|client| client.socket.into());
        opening::close(open.into_iter().chain(clients).collect(), work.wire)?;
        Ok(closed)
    }
}

impl Messages {
    fn new(clients: usize, slots: usize) -> Messages {
        let (sent_at, waiting) = (vec![Instant::now(); slots], vec![0; slots]);
        Messages { clients, sent_at, waiting, oldest: 0, next: 0, in_flight: 0 }
    }

    fn send(&mut self, count: usize, now: Instant) {
        for _ in 0..count {
            self.sent_at[self.next] = now;
            self.waiting[self.next] = self.clients;
            self.next = after(self.next, self.waiting.len());
        }
        self.in_flight += count;
    }

    /// Notes that a client has got `count` messages from `slot` on, and returns the slot of its next one.
    ///
    /// `delivered` is told of them: how many were sent together, and when.
    fn deliver(&mut self, mut slot: usize, mut count: usize, mut delivered: impl FnMut(usize, Instant)) -> usize {
        while count > 0 {
            let sent = self.sent_at[slot];
            let mut together = 0;
            while together < count && self.sent_at[slot] == sent {
                self.waiting[slot] -= 1;
                together += 1;
                slot = after(slot, self.waiting.len());
            }
            count -= together;
            delivered(together, sent);
        }
        slot
    }

    /// Takes the messages that all clients have got out of flight, and returns how many.
    fn finish(&mut self) -> usize {
        let before = self.in_flight;
        while self.in_flight > 0 && self.waiting[self.oldest] == 0 {
            self.oldest = after(self.oldest, self.waiting.len());
            self.in_flight -= 1;
        }
        before - self.in_flight
    }
}

/// Reads what waits for clients that have not read so far. How many the server has closed, and the others.
fn read_at_last(streams: Vec<std::net::TcpStream>) -> Result<(usize, Vec<std::net::TcpStream>)> {
    let (mut closed, mut open) = (0, Vec::new());
    let mut buffer = vec![0; READ_SIZE];
    let deadline = Instant::now() + READ_AT_LAST;
    for mut stream in streams {
        stream.set_nonblocking(false)?;
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, READ_SIZE)?;
        let is_closed = loop {
            // Behind what has arrived there may be more, and the end behind that.
            let patience = deadline.saturating_duration_since(Instant::now()).clamp(SHORTEST_WAIT, LONGEST_WAIT);
            stream.set_read_timeout(Some(patience))?;
            match stream.read(&mut buffer) {
                Ok(0) => break true,
                Ok(_) if Instant::now() < deadline => {}
                Ok(_) => break false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        if is_closed {
            closed += 1;
        } else {
            open.push(stream);
        }
    }
    Ok((closed, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_finished_when_all_have_got_it() {
        let mut messages = Messages::new(2, 3);
        let mut delivered = Vec::new();
        messages.send(3, Instant::now());
        assert_eq!(messages.deliver(0, 2, |count, _| delivered.push(count)), 2);
        assert_eq!(messages.finish(), 0, "the other client has got nothing");
        assert_eq!(messages.deliver(0, 1, |count, _| delivered.push(count)), 1);
        assert_eq!(messages.finish(), 1);
        assert_eq!(messages.in_flight, 2);

        messages.send(1, Instant::now());
        assert_eq!(messages.deliver(2, 2, |count, _| delivered.push(count)), 1);
        assert_eq!(delivered, [2, 1, 1, 1], "sent at different times, so reported apart");
        assert_eq!(messages.deliver(1, 3, |_, _| ()), 1);
        assert_eq!((messages.finish(), messages.in_flight), (3, 0));
    }
}
