//! A byte stream in memory, with a peer that can do what peers do.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wshost_core::client::short_way::ShortWay;
use wshost_core::clock;
use wshost_core::connection::wire::Wire;

#[derive(Debug, Default)]
struct Pipe {
    /// What a read of the server's brings, at most one of them each.
    to_server: VecDeque<Vec<u8>>,
    from_server: Vec<u8>,
    /// How many bytes the peer's side still takes. `None`: as many as there are.
    window: Option<usize>,
    peer_shut: bool,
    reset: bool,
    server_shut: bool,
    server_gone: bool,
    /// The server's next read panics.
    faulty: bool,
    /// When the server last read something.
    read_at: Option<Instant>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The server's end.
#[derive(Debug)]
pub struct MemoryWire {
    pipe: Rc<RefCell<Pipe>>,
    /// What stands for a descriptor.
    number: RawFd,
}

/// The client's end. If it is dropped, nothing happens: peers vanish without a word.
#[derive(Clone, Debug)]
pub struct Peer(Rc<RefCell<Pipe>>);

thread_local! {
    /// The server's ends by number, for the short way to them.
    static WIRES: RefCell<BTreeMap<RawFd, Weak<RefCell<Pipe>>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The two ends of a byte stream.
pub(super) fn pair() -> (MemoryWire, Peer) {
    let pipe = Rc::<RefCell<Pipe>>::default();
    let number = WIRES.with_borrow_mut(|wires| {
        let next = wires.last_key_value().map_or(1, |(last, _)| last + 1);
        wires.insert(next, Rc::downgrade(&pipe));
        next
    });
    (MemoryWire { pipe: Rc::clone(&pipe), number }, Peer(pipe))
}

impl Pipe {
    /// Takes what the window has room for.
    fn take(&mut self, parts: &[&[u8]]) -> usize {
        let mut taken = 0;
        for part in parts {
            let count = part.len().min(self.window.unwrap_or(usize::MAX));
            self.from_server.extend_from_slice(&part[..count]);
            self.window = self.window.map(|window| window - count);
            taken += count;
            if count < part.len() {
                break;
            }
        }
        taken
    }

    fn write(&mut self, cx: &Context<'_>, parts: &[&[u8]]) -> Poll<io::Result<usize>> {
        if self.reset {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = self.take(parts);
        if taken == 0 && parts.iter().any(|part| !part.is_empty()) {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(taken))
    }
}

/// Offers bytes to a wire of this thread, as [`ShortWay::offer`] does.
fn offer(number: RawFd, header: &[u8], payload: &[u8]) -> usize {
    let pipe = WIRES.with_borrow(|wires| wires.get(&number).and_then(Weak::upgrade));
    pipe.map_or(0, |pipe| {
        let mut pipe = pipe.borrow_mut();
        if pipe.reset { 0 } else { pipe.take(&[header, payload]) }
    })
}

impl Wire for MemoryWire {
    fn has_input(&self) -> bool {
        let pipe = self.pipe.borrow();
        !pipe.to_server.is_empty() || pipe.peer_shut || pipe.reset
    }

    fn short_way(&self) -> Option<ShortWay> {
        Some(ShortWay::new(self.number, offer))
    }
}

impl AsyncRead for MemoryWire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.pipe.borrow_mut();
        assert!(!pipe.faulty, "a fault of wshost, as a test wants it");
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !pipe.to_server.is_empty() {
            pipe.read_at = Some(clock::now());
        }
        if let Some(bytes) = pipe.to_server.front_mut() {
            let count = bytes.len().min(buffer.remaining());
            buffer.put_slice(&bytes[..count]);
            bytes.drain(..count);
            if bytes.is_empty() {
                pipe.to_server.pop_front();
            }
            return Poll::Ready(Ok(()));
        }
        if pipe.peer_shut {
            return Poll::Ready(Ok(()));
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for MemoryWire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pipe.borrow_mut().write(cx, &[bytes])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        self.pipe.borrow_mut().write(cx, &parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.pipe.borrow_mut();
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        pipe.server_shut = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryWire {
    fn drop(&mut self) {
        self.pipe.borrow_mut().server_gone = true;
        let _ = WIRES.try_with(|wires| wires.borrow_mut().remove(&self.number));
    }
}

impl Peer {
    /// Sends bytes. One read of the server's brings these or a part of them, and nothing that was sent before or after.
    pub fn send(&self, bytes: impl Into<Vec<u8>>) {
        let (bytes, mut pipe) = (bytes.into(), self.0.borrow_mut());
        if !bytes.is_empty() && !pipe.server_gone {
            pipe.to_server.push_back(bytes);
        }
        wake(pipe.reader.take());
    }

    /// Sends bytes as they come together in a socket's buffer: a read brings them with what the server has not read.
    pub fn append(&self, bytes: &[u8]) {
        let mut pipe = self.0.borrow_mut();
        match pipe.to_server.back_mut() {
            Some(unread) => unread.extend_from_slice(bytes),
            None => {
                drop(pipe);
                self.send(bytes);
            }
        }
    }

    /// Takes what has come.
    pub fn received(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().from_server)
    }

    /// How many bytes more are taken from the server: all if it is `None`.
    pub fn set_window(&self, window: Option<usize>) {
        let mut pipe = self.0.borrow_mut();
        pipe.window = window;
        if window != Some(0) {
            wake(pipe.writer.take());
        }
    }

    /// Sends nothing more.
    pub fn shut(&self) {
        let mut pipe = self.0.borrow_mut();
        pipe.peer_shut = true;
        wake(pipe.reader.take());
    }

    /// Ends the connection in both directions. What the server has not read is lost.
    pub fn reset(&self) {
        let mut pipe = self.0.borrow_mut();
        pipe.reset = true;
        pipe.to_server.clear();
        wake(pipe.reader.take());
        wake(pipe.writer.take());
    }

    /// Has the connection's task panic at its next read, as by a fault of wshost.
    pub fn fail_task(&self) {
        let mut pipe = self.0.borrow_mut();
        pipe.faulty = true;
        wake(pipe.reader.take());
    }

    /// How many bytes the server has not read.
    pub fn unread(&self) -> usize {
        self.0.borrow().to_server.iter().map(Vec::len).sum()
    }

    /// When the server last read something, if it has.
    pub fn read_at(&self) -> Option<Instant> {
        self.0.borrow().read_at
    }

    /// Whether the server will send nothing more: it has shut its side, or let go of the connection.
    pub fn is_ended(&self) -> bool {
        let pipe = self.0.borrow();
        pipe.server_shut || pipe.server_gone
    }

    /// Whether the server has let go of the connection.
    pub fn is_gone(&self) -> bool {
        self.0.borrow().server_gone
    }
}

fn wake(waker: Option<Waker>) {
    waker.into_iter().for_each(Waker::wake);
}
