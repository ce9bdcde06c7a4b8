//! Before and after the load: connections opened and closed. All of it blocks; none of it is measured.

use crate::fault::Fault;
use crate::handshake::Handshake;
use crate::replies::{Cursor, Mismatch};
use crate::ring::Ring;
use crate::target::Target;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How long a server may take for a connection, for a handshake, or for a first message.
pub(crate) const OPENING_DEADLINE: Duration = Duration::from_secs(10);
/// How long all connections together may take to be closed by the server.
const CLOSING_DEADLINE: Duration = Duration::from_secs(2);
/// A close frame, RFC 6455 section 5.5.1, with status 1000, under an all-zero mask.
pub(crate) const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];

/// Opens connections to one server.
#[derive(Debug)]
pub(crate) struct Opener {
    target: Target,
    handshake: Handshake,
    /// All that the host's name stands for; from the first connection on only the one that answered.
    addresses: Vec<SocketAddr>,
}

impl Opener {
    /// Looks the server's address up.
    pub(crate) fn new(target: &Target) -> Result<Opener, Fault> {
        let found = (target.host(), target.port()).to_socket_addrs().map_err(|error| not_connected(target, error))?;
        Ok(Opener { target: target.clone(), handshake: Handshake::new(target), addresses: found.collect() })
    }

    /// Opens one connection and completes the handshake, if the server is one for WebSocket.
    pub(crate) fn open(&mut self) -> Result<TcpStream, Fault> {
        let stream = self.connect().map_err(|error| not_connected(&self.target, error))?;
        stream.set_nodelay(true).map_err(Fault::Broken)?;
        if !self.target.is_raw() {
            self.shake_hands(&stream)?;
        }
        Ok(stream)
    }

    /// The address of the connections opened so far.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// The handshake that all connections make.
    pub(crate) fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// What a connection that failed with `error` is reported as.
    pub(crate) fn not_connected(&self, error: io::Error) -> Fault {
        not_connected(&self.target, error)
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(ErrorKind::NotFound, "no address has this name");
        for address in &self.addresses {
            match TcpStream::connect_timeout(address, OPENING_DEADLINE) {
                Ok(stream) => {
                    self.addresses = vec![*address];
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn shake_hands(&self, mut stream: &TcpStream) -> Result<(), Fault> {
        stream.set_read_timeout(Some(OPENING_DEADLINE)).map_err(Fault::Broken)?;
        stream.write_all(self.handshake.request()).map_err(Fault::Broken)?;
        let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let len = read_blocking(stream, &mut buffer)?;
            head.extend_from_slice(&buffer[..len]);
            match self.handshake.check(&head)? {
                None => {}
                Some(len) if len == head.len() => return Ok(()),
                Some(_) => return Err(Mismatch::Unasked.into()),
            }
        }
    }
}

fn not_connected(target: &Target, error: io::Error) -> Fault {
    match Errno::from_io_error(&error) {
        // Not the server's doing: this process, or this machine, has no more files or ports.
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL) => Fault::System { what: "open another socket", error },
        _ => Fault::Connect { address: target.to_string(), error },
    }
}

/// Sends the ring's next message and waits for its reply, with a deadline.
pub(crate) fn exchange(mut stream: &TcpStream, ring: &mut Ring, cursor: &mut Cursor) -> Result<(), Fault> {
    ring.stamp(1);
    let (first, second) = ring.unsent();
    stream.write_all(first).and_then(|()| stream.write_all(second)).map_err(Fault::Broken)?;
    ring.sent(first.len() + second.len());
    stream.set_read_timeout(Some(OPENING_DEADLINE)).map_err(Fault::Broken)?;
    let mut buffer = [0; 4096];
    while !ring.replies().is_idle(cursor) {
        let len = read_blocking(stream, &mut buffer)?;
        ring.replies().check(cursor, &buffer[..len])?;
    }
    Ok(())
}

fn read_blocking(mut stream: &TcpStream, buffer: &mut [u8]) -> Result<usize, Fault> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Err(Fault::Ended),
            Ok(len) => return Ok(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(Fault::Silent(OPENING_DEADLINE)),
            Err(error) => return Err(Fault::Broken(error)),
        }
    }
}

/// Says good-bye on all connections, then waits for the server to close them, with a deadline.
pub(crate) fn close(streams: Vec<TcpStream>, target: &Target) {
    let _ = say_goodbye(&streams, target).and_then(|()| wait_for_the_end(streams));
}

/// A server that is gone already has nothing to be told, so that only a socket's settings can fail here.
fn say_goodbye(streams: &[TcpStream], target: &Target) -> io::Result<()> {
    for mut stream in streams {
        stream.set_nonblocking(false)?;
        if !target.is_raw() {
            let _ = stream.write_all(&CLOSE);
        }
        let _ = stream.shutdown(Shutdown::Write);
    }
    Ok(())
}

fn wait_for_the_end(streams: Vec<TcpStream>) -> io::Result<()> {
    let deadline = Instant::now() + CLOSING_DEADLINE;
    let mut rest = [0; 256];
    for mut stream in streams {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut rest) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
    }
    Ok(())
}

/// Lets the process open as many files as the system allows it, for many connections.
pub(crate) fn raise_file_limit() -> Result<(), Fault> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    raised.map_err(|error| Fault::system("raise the limit on open files")(error.into()))
}
