//! Echo: every connection sends, and gets its own messages back.

use crate::bench::connection::{Connection, Then};
use crate::bench::ring::Ring;
use crate::bench::run::{Found, Load, READ_SIZE};
use crate::bench::{Work, opening};
use anyhow::{Context, Result};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Poll, Token};
use std::time::Instant;

/// Connections that get their own messages back.
#[derive(Debug)]
pub struct Echo {
    connections: Vec<Connection>,
    in_flight: usize,
    buffer: Vec<u8>,
}

impl Echo {
    /// Opens the connections.
    pub fn open(work: &Work, poll: &Poll) -> Result<Echo> {
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
        Ok(Echo { connections, in_flight: work.in_flight, buffer: vec![0; READ_SIZE] })
    }
}

impl Load for Echo {
    fn start(&mut self) -> Result<()> {
        for (index, connection) in self.connections.iter_mut().enumerate() {
            connection.send(self.in_flight, Instant::now()).with_context(|| format!("connection {index}"))?;
        }
        Ok(())
    }

    fn serve(&mut self, event: &Event, then: Then, found: &mut Found) -> Result<()> {
        let Token(index) = event.token();
        let connection = &mut self.connections[index];
        if event.is_readable() {
            let answered = |count, sent, received| found.note(count, received - sent);
            connection.receive(&mut self.buffer, event.is_read_closed(), then, answered)?;
        }
        connection.flush()
    }

    fn settle(&mut self, _then: Then) -> Result<()> {
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.connections.iter().all(Connection::is_idle)
    }

    fn close(self, work: &Work) -> Result<usize> {
        let streams = self.connections.into_iter().map(|connection| connection.into_socket().into()).collect();
        opening::close(streams, work.wire)?;
        Ok(0)
    }
}
