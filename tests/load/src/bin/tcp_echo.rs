//! The yardstick for the generator: returns every byte as it came, one read and one write at a time, on one thread.
//!
//! It does nothing that a WebSocket server could leave out, so none can be faster; `wshost bench tcp://...` against it
//! shows how fast the generator could go.

use anyhow::{Context, Result};
use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

const READ_SIZE: usize = 128 << 10;
const LISTENER: Token = Token(0);

/// Echoes TCP streams byte by byte, for `wshost bench tcp://...`; ends by a signal.
#[derive(Debug, Parser)]
struct Cli {
    /// The address to listen on; port 0 picks a free one. One line on stdout names it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

struct Echo {
    socket: TcpStream,
    /// What the socket didn't take at once.
    unsent: Vec<u8>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(cli.listen).with_context(|| format!("listening on {}", cli.listen))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on tcp://{}/", listener.local_addr()?);

    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ_SIZE];
    let mut echoes = HashMap::new();
    let mut last = LISTENER.0;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Some((mut socket, _)) = ready(listener.accept())? {
                    last += 1;
                    socket.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut socket, Token(last), interest)?;
                    echoes.insert(Token(last), Echo { socket, unsent: Vec::new() });
                }
            } else if let Some(echo) = echoes.get_mut(&event.token()) {
                // The end of the stream and a broken one come to the same.
                if !echo.serve(&mut buffer, event.is_read_closed()).unwrap_or(false) {
                    echoes.remove(&event.token());
                }
            }
        }
    }
}

impl Echo {
    /// Writes and reads until either would block; `false` says that the stream has ended.
    fn serve(&mut self, buffer: &mut [u8], to_the_end: bool) -> std::io::Result<bool> {
        loop {
            while !self.unsent.is_empty() {
                let Some(len) = ready(self.socket.write(&self.unsent))? else { return Ok(true) };
                self.unsent.drain(..len);
            }
            let Some(read) = ready(self.socket.read(buffer))? else { return Ok(true) };
            if read == 0 {
                return Ok(false);
            }
            let written = ready(self.socket.write(&buffer[..read]))?.unwrap_or(0);
            self.unsent.extend_from_slice(&buffer[written..read]);
            if read < buffer.len() && self.unsent.is_empty() && !to_the_end {
                return Ok(true);
            }
        }
    }
}

fn ready<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
