//! One connection while it is under load: its ring, its socket, and when each message left.

use crate::fault::Fault;
use crate::replies::Cursor;
use crate::ring::Ring;
use mio::net::TcpStream;
use mio::{Interest, Poll, Token};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::time::Instant;

/// A connection that keeps its messages in flight.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    ring: Ring,
    cursor: Cursor,
    /// When the message in each slot was handed to the socket.
    sent_at: Vec<Instant>,
    /// The slots of the oldest unanswered message and of the next message to send.
    oldest: usize,
    next: usize,
}

/// How a connection goes on when its replies have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterReply {
    /// Send as many messages again.
    Send,
    /// Send nothing more.
    Rest,
}

impl Connection {
    /// Takes over an open socket on which nothing is in flight, and sets it to non-blocking.
    pub(crate) fn new(stream: std::net::TcpStream, ring: Ring, cursor: Cursor) -> Result<Connection, Fault> {
        stream.set_nonblocking(true).map_err(Fault::Broken)?;
        let sent_at = vec![Instant::now(); ring.slots()];
        let next = ring.next_slot();
        Ok(Connection { socket: TcpStream::from_std(stream), ring, cursor, sent_at, oldest: next, next })
    }

    /// Has its events come with its number.
    pub(crate) fn registered(mut self, index: usize, poll: &Poll) -> Result<Connection, Fault> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = poll.registry().register(&mut self.socket, Token(index), interest);
        registered.map_err(Fault::system("watch a socket"))?;
        Ok(self)
    }

    /// The socket, when all is over.
    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }

    /// Whether every message sent has been answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.ring.replies().is_idle(&self.cursor)
    }

    /// Sends `count` messages, in one write if the socket takes them.
    pub(crate) fn send(&mut self, count: usize, now: Instant) -> Result<(), Fault> {
        self.ring.stamp(count);
        for _ in 0..count {
            self.sent_at[self.next] = now;
            self.next = after(self.next, self.sent_at.len());
        }
        self.flush()
    }

    /// Writes the rest of the messages sent, as much of it as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        flush(&mut self.socket, &mut self.ring)
    }

    /// Reads what has arrived, checks it, and has `answered` told of replies: how many, when sent, and when received.
    ///
    /// A read that doesn't fill `buffer` has emptied the socket, which spares the read that would say so; `to_the_end`
    /// reads on nevertheless, because the peer has closed.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        to_the_end: bool,
        then: AfterReply,
        mut answered: impl FnMut(usize, Instant, Instant),
    ) -> Result<(), Fault> {
        loop {
            let Some(len) = read(&mut self.socket, buffer)? else { return Ok(()) };
            let now = Instant::now();
            let completed = self.ring.replies().check(&mut self.cursor, &buffer[..len])?;
            self.settle(completed, now, &mut answered);
            if completed > 0 && then == AfterReply::Send {
                self.send(completed, now)?;
            }
            if len < buffer.len() && !to_the_end {
                return Ok(());
            }
        }
    }

    /// Reports the oldest `completed` messages, those that were sent together at once.
    fn settle(&mut self, mut completed: usize, now: Instant, answered: &mut impl FnMut(usize, Instant, Instant)) {
        while completed > 0 {
            let sent = self.sent_at[self.oldest];
            let mut together = 0;
            while together < completed && self.sent_at[self.oldest] == sent {
                together += 1;
                self.oldest = after(self.oldest, self.sent_at.len());
            }
            completed -= together;
            answered(together, sent, now);
        }
    }
}

/// Writes stamped messages, as much of them as the socket takes.
pub(crate) fn flush(socket: &mut TcpStream, ring: &mut Ring) -> Result<(), Fault> {
    loop {
        let written = match ring.unsent() {
            ([], _) => return Ok(()),
            (only, []) => socket.write(only),
            (first, second) => socket.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
        };
        match written {
            Ok(len) => ring.sent(len),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Broken(error)),
        }
    }
}

/// Reads the bytes that have arrived, if there are any; the end of the stream is an error.
pub(crate) fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> Result<Option<usize>, Fault> {
    loop {
        match socket.read(buffer) {
            Ok(0) => return Err(Fault::Ended),
            Ok(len) => return Ok(Some(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Broken(error)),
        }
    }
}

/// The slot behind this one.
pub(crate) fn after(slot: usize, slots: usize) -> usize {
    if slot + 1 == slots { 0 } else { slot + 1 }
}
