//! A TCP stream that writes once for all that can be read at once.
//!
//! Where a library writes each frame by itself, a server that answers sixteen messages of one read makes sixteen system
//! calls, and that would be what is compared. Beneath such a library this stream keeps what is written until a read
//! finds nothing more, or until it is a lot.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// With more than this waiting, a write waits for the socket.
const MOST: usize = 256 << 10;

/// A stream that collects what is written.
#[derive(Debug)]
pub struct Coalesced {
    socket: TcpStream,
    unsent: Vec<u8>,
    /// So much of `unsent` has been sent.
    sent: usize,
}

impl Coalesced {
    /// Takes over a connected stream.
    pub fn new(socket: TcpStream) -> Coalesced {
        Coalesced { socket, unsent: Vec::new(), sent: 0 }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.unsent.len() {
            match ready!(Pin::new(&mut self.socket).poll_write(context, &self.unsent[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.sent += len,
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Coalesced {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.socket).poll_read(context, buffer) {
            // If the socket doesn't take it all, the task is woken when it takes more.
            Poll::Pending => match this.poll_send(context) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            },
            ready => ready,
        }
    }
}

impl AsyncWrite for Coalesced {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.unsent.len() - this.sent > MOST {
            ready!(this.poll_send(context))?;
        }
        this.unsent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.socket).poll_shutdown(context)
    }
}
