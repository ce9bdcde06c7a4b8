//! Fan-out: one connection sends, and every connection gets each message, the sender included.
//!
//! A message is in flight until **all** clients have got it; only then is another one sent in its place. So a server
//! cannot look fast by serving the sender and letting others wait, and no client is ever further behind than the
//! messages in flight, which is why one ring holds the replies of all. The run counts deliveries: one message that
//! has arrived at one client.
//!
//! Stalled clients complete the handshake and never read. They are not counted; they show whether the others notice.

use crate::connection::{AfterReply, after, flush, read};
use crate::fault::{Fault, OnConnection};
use crate::load::{Load, READ_SIZE};
use crate::measured::Measured;
use crate::opening::{self, Opener};
use crate::progress::Progress;
use crate::replies::Cursor;
use crate::report::{Report, Stalled};
use crate::ring::Ring;
use crate::{Target, Workload};
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
pub(crate) struct Fanout {
    clients: Vec<Recipient>,
    target: Target,
    stalled: Vec<std::net::TcpStream>,
    ring: Ring,
    messages: InFlight,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Recipient {
    socket: TcpStream,
    cursor: Cursor,
    /// The slot of the message that comes next.
    next: usize,
}

/// The messages in flight, by slot.
#[derive(Debug)]
struct InFlight {
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
    pub(crate) fn open(work: &Workload, stalled: usize, poll: &Poll, progress: &Progress) -> Result<Fanout, Fault> {
        let mut opener = Opener::new(&work.target)?;
        let mut open_stalled = |index| {
            progress.opened(index)?;
            let stream = opener.open().on(index)?;
            set_receive_buffer(&stream, STALLED_BUFFER)?;
            Ok(stream)
        };
        let stalled = (0..stalled).map(&mut open_stalled).collect::<Result<_, Fault>>()?;
        let open_client = |index| {
            progress.opened(index)?;
            let stream = opener.open().on(index)?;
            stream.set_nonblocking(true).map_err(Fault::Broken)?;
            let mut socket = TcpStream::from_std(stream);
            let interest = if index == SENDER { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            let registered = poll.registry().register(&mut socket, Token(index), interest);
            registered.map_err(Fault::system("watch a socket"))?;
            Ok(Recipient { socket, cursor: Cursor::new(), next: 0 })
        };
        Ok(Fanout {
            stalled,
            clients: (0..work.connections).map(open_client).collect::<Result<_, Fault>>()?,
            target: work.target.clone(),
            ring: Ring::new(work.in_flight, work.size, work.wire, b""),
            messages: InFlight::new(work.connections, work.in_flight),
            buffer: vec![0; READ_SIZE],
        })
    }

    fn send(&mut self, count: usize) -> Result<(), Fault> {
        self.ring.stamp(count);
        self.messages.send(count, Instant::now());
        flush(&mut self.clients[SENDER].socket, &mut self.ring).on(SENDER)
    }
}

fn set_receive_buffer(stream: &std::net::TcpStream, size: usize) -> Result<(), Fault> {
    let set = rustix::net::sockopt::set_socket_recv_buffer_size(stream, size);
    set.map_err(|error| Fault::system("set a socket's buffer")(error.into()))
}

impl Load for Fanout {
    fn start(&mut self) -> Result<(), Fault> {
        self.send(self.messages.waiting.len())
    }

    fn serve(&mut self, event: &Event, _then: AfterReply, measured: &mut Measured) -> Result<(), Fault> {
        let Token(index) = event.token();
        let client = &mut self.clients[index];
        while event.is_readable() {
            let Some(len) = read(&mut client.socket, &mut self.buffer)? else { break };
            let completed = self.ring.replies().check(&mut client.cursor, &self.buffer[..len])?;
            let now = Instant::now();
            client.next = self.messages.deliver(client.next, completed, |count, sent| measured.note(count, now - sent));
            // As in an echo: a read that doesn't fill the buffer has emptied the socket.
            if len < self.buffer.len() && !event.is_read_closed() {
                break;
            }
        }
        if index == SENDER { flush(&mut client.socket, &mut self.ring) } else { Ok(()) }
    }

    fn settle(&mut self, then: AfterReply) -> Result<(), Fault> {
        match self.messages.finish() {
            finished @ 1.. if then == AfterReply::Send => self.send(finished),
            _ => Ok(()),
        }
    }

    fn is_idle(&self) -> bool {
        self.messages.in_flight == 0
    }

    fn connections(&self) -> usize {
        self.clients.len()
    }

    fn close(self, report: &mut Report) {
        let clients = self.stalled.len();
        let (closed, open) = read_at_last(self.stalled);
        report.stalled = (clients > 0).then_some(Stalled { clients, closed });
        let reading = self.clients.into_iter().map(|client| client.socket.into());
        opening::close(open.into_iter().chain(reading).collect(), &self.target);
    }
}

impl InFlight {
    fn new(clients: usize, slots: usize) -> InFlight {
        let (sent_at, waiting) = (vec![Instant::now(); slots], vec![0; slots]);
        InFlight { clients, sent_at, waiting, oldest: 0, next: 0, in_flight: 0 }
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
fn read_at_last(streams: Vec<std::net::TcpStream>) -> (usize, Vec<std::net::TcpStream>) {
    let mut buffer = vec![0; READ_SIZE];
    let deadline = Instant::now() + READ_AT_LAST;
    let before = streams.len();
    let is_open = |stream: &std::net::TcpStream| reads_on(stream, &mut buffer, deadline).unwrap_or(false);
    let open: Vec<_> = streams.into_iter().filter(is_open).collect();
    (before - open.len(), open)
}

/// Whether a connection is still there behind all that has arrived; an error says that it isn't.
fn reads_on(mut stream: &std::net::TcpStream, buffer: &mut [u8], deadline: Instant) -> std::io::Result<bool> {
    rustix::net::sockopt::set_socket_recv_buffer_size(stream, READ_SIZE)?;
    loop {
        // Behind what has arrived there may be more, and the end behind that.
        let patience = deadline.saturating_duration_since(Instant::now()).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        stream.set_read_timeout(Some(patience))?;
        match stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(_) if Instant::now() < deadline => {}
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_finished_when_all_have_got_it() {
        let mut messages = InFlight::new(2, 3);
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
