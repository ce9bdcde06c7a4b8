//! Accept: clients come and go. Each connects, shakes hands, has its messages echoed one after the other, and closes with
//! the closing handshake; then another one comes in its place.
//!
//! A client's latency is the time from connecting to its first reply: how long one waits to be served. The server is left
//! to close TCP first, as RFC 6455 section 7.1.1 has it, so that the ports of clients that are gone are free at once.
//!
//! A client that fails is counted, and the run goes on; one that gets a wrong reply ends it, as in all loads.

use crate::connection::{AfterReply, flush, read};
use crate::fault::{Fault, OnConnection};
use crate::load::Load;
use crate::measured::Measured;
use crate::opening::{self, CLOSE, Opener, exchange};
use crate::replies::{Cursor, Mismatch};
use crate::report::Report;
use crate::ring::Ring;
use crate::{Wire, Workload};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Poll, Registry, Token};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::time::Instant;

/// A client has little to read: the end of its handshake, one reply, a close frame.
const READ_SIZE: usize = 16 << 10;
/// A server may fail so many clients in a row, beside one for each place, until there is no sense in going on.
const PATIENCE: u64 = 16;

/// Places for clients, each taken by one after the other.
#[derive(Debug)]
pub(crate) struct Accept {
    address: SocketAddr,
    opener: Opener,
    registry: Registry,
    places: Vec<Place>,
    /// The places without a client.
    vacant: Vec<usize>,
    messages: usize,
    tally: Tally,
    buffer: Vec<u8>,
}

/// What became of all clients, from the first on.
#[derive(Debug, Default)]
struct Tally {
    tried: u64,
    failed: u64,
    in_a_row: u64,
    first: Option<Fault>,
}

/// A place for clients. The bytes that they send and must get are prepared once.
#[derive(Debug)]
struct Place {
    ring: Ring,
    cursor: Cursor,
    client: Option<Visitor>,
}

#[derive(Debug)]
struct Visitor {
    socket: TcpStream,
    since: Instant,
    stage: Stage,
}

/// What a client waits for.
#[derive(Debug)]
enum Stage {
    Connecting,
    /// The answer to its handshake, so much of which has come.
    Handshaking(Vec<u8>),
    /// The reply to a message, and then to so many more.
    Talking(usize),
    /// The server's close frame.
    Closing,
    /// The end of TCP.
    Ending,
}

impl Accept {
    /// Has one client come and go, to see that there is a server.
    pub(crate) fn open(work: &Workload, messages: usize, poll: &Poll) -> Result<Accept, Fault> {
        let mut opener = Opener::new(&work.target)?;
        let stream = opener.open().on(0)?;
        exchange(&stream, &mut ring(work), &mut Cursor::new()).on(0)?;
        opening::close(vec![stream], &work.target);
        let address = opener.address().ok_or_else(|| opener.not_connected(ErrorKind::NotFound.into()))?;
        let place = |_| Place { ring: ring(work), cursor: Cursor::new(), client: None };
        Ok(Accept {
            address,
            opener,
            registry: poll.registry().try_clone().map_err(Fault::system("watch sockets"))?,
            places: (0..work.connections).map(place).collect(),
            vacant: (0..work.connections).collect(),
            messages,
            tally: Tally::default(),
            buffer: vec![0; READ_SIZE],
        })
    }

    /// Has a client come to each vacant place.
    fn fill(&mut self) -> Result<(), Fault> {
        for index in std::mem::take(&mut self.vacant) {
            self.tally.tried += 1;
            match self.connect(index) {
                Ok(client) => self.places[index].client = Some(client),
                Err(fault) => self.fail(index, fault)?,
            }
        }
        Ok(())
    }

    fn connect(&self, index: usize) -> Result<Visitor, Fault> {
        let not_connected = |error| self.opener.not_connected(error);
        let mut socket = TcpStream::connect(self.address).map_err(not_connected)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut socket, Token(index), interest).map_err(Fault::system("watch a socket"))?;
        Ok(Visitor { socket, since: Instant::now(), stage: Stage::Connecting })
    }

    /// Counts a client that has failed, and makes its place as if none had been there.
    fn fail(&mut self, index: usize, fault: Fault) -> Result<(), Fault> {
        // What it was sent will not be answered to the next.
        self.places[index].forget();
        self.vacant.push(index);
        self.tally.failed += 1;
        self.tally.in_a_row += 1;
        self.tally.first.get_or_insert(fault);
        if self.tally.in_a_row > self.places.len() as u64 + PATIENCE { Err(self.tally.fault()) } else { Ok(()) }
    }
}

impl Load for Accept {
    fn start(&mut self) -> Result<(), Fault> {
        self.fill()
    }

    fn serve(&mut self, event: &Event, _then: AfterReply, measured: &mut Measured) -> Result<(), Fault> {
        let Token(index) = event.token();
        match self.places[index].go_on(&self.opener, self.messages, &mut self.buffer, measured) {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.places[index].client = None;
                self.vacant.push(index);
                self.tally.in_a_row = 0;
                measured.clients += 1;
                Ok(())
            }
            Err(fault @ Fault::Wrong(Mismatch::Close(_))) => self.fail(index, fault),
            Err(fault @ Fault::Wrong(_)) => Err(fault),
            Err(fault) => self.fail(index, fault),
        }
    }

    fn settle(&mut self, then: AfterReply) -> Result<(), Fault> {
        if then == AfterReply::Send { self.fill() } else { Ok(()) }
    }

    fn is_idle(&self) -> bool {
        self.places.iter().all(|place| place.client.is_none())
    }

    fn connections(&self) -> usize {
        self.places.len()
    }

    fn close(mut self, report: &mut Report) {
        if self.tally.failed > 0 {
            report.fail(self.tally.failed, self.tally.fault());
        }
    }
}

impl Tally {
    fn fault(&mut self) -> Fault {
        let first = self.first.take().unwrap_or(Fault::Ended);
        Fault::Clients { failed: self.failed, tried: self.tried, first: Box::new(first) }
    }
}

impl Place {
    fn forget(&mut self) {
        self.client = None;
        self.ring.forget();
        self.cursor = Cursor::new();
    }

    /// Does what a client can do without waiting; `true` says that it has come to its end.
    fn go_on(
        &mut self,
        opener: &Opener,
        messages: usize,
        buffer: &mut [u8],
        measured: &mut Measured,
    ) -> Result<bool, Fault> {
        let Place { ring, cursor, client: Some(client) } = self else { return Ok(false) };
        let Visitor { socket, since, stage } = client;
        loop {
            match stage {
                Stage::Connecting => {
                    if let Some(error) = socket.take_error().map_err(Fault::Broken)? {
                        return Err(opener.not_connected(error));
                    }
                    match socket.peer_addr() {
                        Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
                        other => other.map_err(|error| opener.not_connected(error))?,
                    };
                    socket.set_nodelay(true).map_err(Fault::Broken)?;
                    write_at_once(socket, opener.handshake().request())?;
                    *stage = Stage::Handshaking(Vec::new());
                }
                Stage::Handshaking(head) => {
                    let Some(len) = read(socket, buffer)? else { return Ok(false) };
                    head.extend_from_slice(&buffer[..len]);
                    match opener.handshake().check(head)? {
                        None => {}
                        Some(len) if len < head.len() => return Err(Mismatch::Unasked.into()),
                        Some(_) => {
                            *stage = Stage::Talking(messages - 1);
                            ring.stamp(1);
                            flush(socket, ring)?;
                        }
                    }
                }
                Stage::Talking(more) => {
                    flush(socket, ring)?;
                    let Some(len) = read(socket, buffer)? else { return Ok(false) };
                    if ring.replies().check(cursor, &buffer[..len])? == 0 {
                        continue;
                    }
                    measured.replies += 1;
                    if *more + 1 == messages {
                        measured.note_latency(since.elapsed());
                    }
                    if *more == 0 {
                        write_at_once(socket, &CLOSE)?;
                        *stage = Stage::Closing;
                    } else {
                        *more -= 1;
                        ring.stamp(1);
                    }
                }
                Stage::Closing => {
                    let Some(len) = read(socket, buffer)? else { return Ok(false) };
                    match ring.replies().check(cursor, &buffer[..len]) {
                        Err(Mismatch::Close(_)) => *stage = Stage::Ending,
                        other => drop(other?),
                    }
                }
                Stage::Ending => match read(socket, buffer) {
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(false),
                    // Both have said all: how TCP ends is the server's affair.
                    Err(_) => return Ok(true),
                },
            }
        }
    }
}

fn ring(work: &Workload) -> Ring {
    debug_assert_ne!(work.wire, Wire::Raw, "a bare stream has no handshake");
    Ring::new(1, work.size, work.wire, b"")
}

/// Writes a few bytes when nothing else waits to be written: a socket takes them, or something is wrong with it.
fn write_at_once(socket: &mut TcpStream, bytes: &[u8]) -> Result<(), Fault> {
    socket.write_all(bytes).map_err(Fault::Broken)
}
