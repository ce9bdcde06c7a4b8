//! Clients that flood.

use crate::connect::open;
use crate::kinds::{Bytes, Kind};
use anyhow::Result;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two small reads of a client that reads slowly.
const SLOW: Duration = Duration::from_millis(10);
/// Before a client comes again that was closed.
const AGAIN: Duration = Duration::from_millis(20);

/// Clients that flood until they are stopped.
pub(crate) struct Flood {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

impl Flood {
    /// Starts so many of them.
    pub(crate) fn start(address: &str, kind: Kind, compress: bool, clients: usize) -> Flood {
        let (over, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let bytes = Arc::new(kind.bytes());
        let client = |_| {
            let (address, bytes, over, sent) = (address.to_owned(), bytes.clone(), over.clone(), sent.clone());
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // A client that is refused or closed comes again.
                    let _ = flood(&address, kind, compress, &bytes, &over, &sent);
                    thread::sleep(AGAIN);
                }
            })
        };
        let clients = (0..clients).map(client).collect();
        Flood { over, sent, clients }
    }

    /// Ends it. Returns how many bytes, or connections, went out.
    pub(crate) fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| drop(client.join()));
        self.sent.load(Ordering::Relaxed)
    }
}

fn flood(
    address: &str,
    kind: Kind,
    compress: bool,
    bytes: &Bytes,
    over: &Arc<AtomicBool>,
    sent: &AtomicU64,
) -> Result<()> {
    match bytes {
        Bytes::Connections { each, keep } => {
            let mut kept = VecDeque::new();
            while !over.load(Ordering::Relaxed) {
                let mut stream = TcpStream::connect(address)?;
                // The server may have closed it.
                let _ = stream.write_all(each);
                sent.fetch_add(1, Ordering::Relaxed);
                kept.push_back(stream);
                if kept.len() > *keep {
                    kept.pop_front();
                }
            }
        }
        Bytes::Stream { once, again, reads_slowly } => {
            let mut stream = open(address, kind.path(), compress)?;
            stream.set_write_timeout(Some(Duration::from_millis(100)))?;
            let reader = read(stream.try_clone()?, *reads_slowly, Arc::clone(over));
            let written = write(&mut stream, once, over).and_then(|()| {
                std::iter::repeat(again).try_for_each(|again| {
                    sent.fetch_add(again.len() as u64, Ordering::Relaxed);
                    write(&mut stream, again, over)
                })
            });
            let _ = stream.shutdown(std::net::Shutdown::Both);
            let _ = reader.join();
            written?;
        }
    }
    Ok(())
}

/// Writes it all, unless it is over.
fn write(stream: &mut TcpStream, mut bytes: &[u8], over: &AtomicBool) -> std::io::Result<()> {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    while !bytes.is_empty() {
        if over.load(Ordering::Relaxed) {
            return Err(TimedOut.into());
        }
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes what comes back.
fn read(mut stream: TcpStream, slowly: bool, over: Arc<AtomicBool>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; if slowly { 1024 } else { 256 * 1024 }];
        while matches!(stream.read(&mut buffer), Ok(1..)) && !over.load(Ordering::Relaxed) {
            if slowly {
                thread::sleep(SLOW);
            }
        }
    })
}
