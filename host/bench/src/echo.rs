//! Echo: every connection sends, and gets its own messages back; with jobs, with something behind them.

use crate::connection::{AfterReply, Connection};
use crate::fault::{Fault, OnConnection};
use crate::load::{Load, READ_SIZE};
use crate::measured::Measured;
use crate::opening::{self, Opener};
use crate::progress::Progress;
use crate::replies::Cursor;
use crate::report::Report;
use crate::ring::Ring;
use crate::{Target, Workload};
use mio::event::Event;
use mio::{Poll, Token};
use std::time::Instant;

/// Connections that get their own messages back.
#[derive(Debug)]
pub(crate) struct Echo {
    connections: Vec<Connection>,
    target: Target,
    in_flight: usize,
    buffer: Vec<u8>,
}

impl Echo {
    /// Opens the connections. `tail` is what every reply has behind the message.
    pub(crate) fn open(work: &Workload, tail: &[u8], poll: &Poll, progress: &Progress) -> Result<Echo, Fault> {
        let mut opener = Opener::new(&work.target)?;
        let mut connections = Vec::with_capacity(work.connections);
        for index in 0..work.connections {
            progress.opened(index)?;
            let stream = opener.open().on(index)?;
            let ring = Ring::new(work.in_flight, work.size, work.wire, tail);
            let connection = Connection::new(stream, ring, Cursor::new())?;
            connections.push(connection.registered(index, poll)?);
        }
        Ok(Echo { connections, target: work.target.clone(), in_flight: work.in_flight, buffer: vec![0; READ_SIZE] })
    }
}

impl Load for Echo {
    fn start(&mut self) -> Result<(), Fault> {
        for (index, connection) in self.connections.iter_mut().enumerate() {
            connection.send(self.in_flight, Instant::now()).on(index)?;
        }
        Ok(())
    }

    fn serve(&mut self, event: &Event, then: AfterReply, measured: &mut Measured) -> Result<(), Fault> {
        let Token(index) = event.token();
        let connection = &mut self.connections[index];
        if event.is_readable() {
            let answered = |count, sent, received| measured.note(count, received - sent);
            connection.receive(&mut self.buffer, event.is_read_closed(), then, answered)?;
        }
        connection.flush()
    }

    fn settle(&mut self, _then: AfterReply) -> Result<(), Fault> {
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.connections.iter().all(Connection::is_idle)
    }

    fn connections(&self) -> usize {
        self.connections.len()
    }

    fn close(self, _report: &mut Report) {
        let streams = self.connections.into_iter().map(|connection| connection.into_socket().into()).collect();
        opening::close(streams, &self.target);
    }
}
