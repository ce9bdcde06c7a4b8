//! Idle: many connections that say one word each, and then a message that wanders through them.
//!
//! It answers how many clients fit, what each costs the server in memory, and how soon a message is answered while
//! they are there. A connection that cannot be opened, or whose first word is not answered, is the one too many.

use crate::connection::{AfterReply, Connection};
use crate::fault::{Fault, OnConnection};
use crate::load::Load;
use crate::measured::Measured;
use crate::opening::{self, Opener, exchange};
use crate::progress::Progress;
use crate::replies::Cursor;
use crate::report::{IdleConnections, Report};
use crate::ring::Ring;
use crate::{Target, Workload};
use mio::event::Event;
use mio::{Poll, Token};
use std::fs::File;
use std::time::Instant;

/// A wandering message is alone on its connection.
const READ_SIZE: usize = 16 << 10;

/// Connections that are silent, but for a few.
#[derive(Debug)]
pub(crate) struct Idle {
    connections: Vec<Connection>,
    target: Target,
    in_flight: usize,
    /// Where the next message goes, unless one is under way there.
    next: usize,
    /// Messages to be sent when all events that came together have been looked at.
    due: usize,
    opened: IdleConnections,
    /// Why there are no more connections.
    full: Option<Fault>,
    /// Whether it was the task to find out how many fit.
    until_full: bool,
    buffer: Vec<u8>,
}

impl Idle {
    /// Opens connections and lets each talk once, as many as there are to be or as fit; one must fit.
    pub(crate) fn open(work: &Workload, until_full: bool, poll: &Poll, progress: &Progress) -> Result<Idle, Fault> {
        let mut opener = Opener::new(&work.target)?;
        let mut connections = Vec::with_capacity(work.connections);
        let mut full = None;
        // If this process has no files left, it must still be able to look at the server's memory.
        let spare = File::open("/dev/null").map_err(Fault::system("open /dev/null"))?;
        let begin = Instant::now();
        for index in 0..work.connections {
            progress.opened(index)?;
            match open_one(work, &mut opener) {
                Ok(connection) => connections.push(connection.registered(index, poll)?),
                Err(fault @ Fault::Wrong(_)) => return Err(fault).on(index),
                Err(fault) if index == 0 => return Err(fault).on(index),
                Err(fault) => {
                    full = Some(fault);
                    break;
                }
            }
        }
        drop(spare);
        let opened = IdleConnections {
            wanted: work.connections,
            opened: connections.len(),
            seconds: begin.elapsed().as_secs_f64(),
            why_no_more: full.as_ref().map(Fault::to_string),
        };
        Ok(Idle {
            in_flight: work.in_flight.min(connections.len()),
            connections,
            target: work.target.clone(),
            next: 0,
            due: 0,
            opened,
            full,
            until_full,
            buffer: vec![0; READ_SIZE],
        })
    }

    /// Sends on the next connection on which no message is under way; there is one, as not more are in flight than there
    /// are connections.
    fn send_next(&mut self) -> Result<(), Fault> {
        loop {
            let index = self.next;
            self.next = (index + 1) % self.connections.len();
            let connection = &mut self.connections[index];
            if connection.is_idle() {
                return connection.send(1, Instant::now()).on(index);
            }
        }
    }
}

fn open_one(work: &Workload, opener: &mut Opener) -> Result<Connection, Fault> {
    let stream = opener.open()?;
    let mut ring = Ring::new(1, work.size, work.wire, b"");
    let mut cursor = Cursor::new();
    exchange(&stream, &mut ring, &mut cursor)?;
    Connection::new(stream, ring, cursor)
}

impl Load for Idle {
    fn start(&mut self) -> Result<(), Fault> {
        (0..self.in_flight).try_for_each(|_| self.send_next())
    }

    fn serve(&mut self, event: &Event, _then: AfterReply, measured: &mut Measured) -> Result<(), Fault> {
        let Token(index) = event.token();
        let connection = &mut self.connections[index];
        if event.is_readable() {
            let due = &mut self.due;
            let answered = |count, sent, received| {
                measured.note(count, received - sent);
                *due += count;
            };
            connection.receive(&mut self.buffer, event.is_read_closed(), AfterReply::Rest, answered)?;
        }
        connection.flush()
    }

    fn settle(&mut self, then: AfterReply) -> Result<(), Fault> {
        let due = std::mem::take(&mut self.due);
        if then == AfterReply::Send { (0..due).try_for_each(|_| self.send_next()) } else { Ok(()) }
    }

    fn is_idle(&self) -> bool {
        self.connections.iter().all(Connection::is_idle)
    }

    fn connections(&self) -> usize {
        self.connections.len()
    }

    fn close(self, report: &mut Report) {
        let streams = self.connections.into_iter().map(|connection| connection.into_socket().into()).collect();
        opening::close(streams, &self.target);
        let IdleConnections { opened, wanted, .. } = self.opened;
        report.opened = Some(self.opened);
        if let Some(why) = self.full.filter(|_| !self.until_full) {
            report.fail(1, Fault::Full { opened, wanted, why: Box::new(why) });
        }
    }
}
