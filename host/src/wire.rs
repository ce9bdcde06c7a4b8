//! What a connection's bytes go over, and the short way to its socket for messages that are too large to be copied.
#![allow(unsafe_code)] // one line: a callback must reach the socket, and its connection cannot lend that to a thread-local

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A byte stream.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// The raw socket, if bytes written here reach it unchanged.
    fn socket(&self) -> Option<BorrowedFd<'_>>;

    /// Whether there is something to read, as the socket itself says: the runtime may not have been told yet. The end of
    /// the input is something to read, too.
    fn has_input(&self) -> bool {
        let peek = |socket| recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        self.socket().is_some_and(|socket| !matches!(peek(socket), Err(Errno::WOULDBLOCK)))
    }
}

impl Wire for TcpStream {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl Wire for UnixStream {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

/// The socket of the connection whose turn it is.
#[derive(Debug)]
pub(crate) struct Socket(RawFd);

impl Socket {
    /// To be dropped at the end of the connection's turn.
    pub(crate) fn lend(wire: &impl Wire) -> Option<Socket> {
        wire.socket().map(|socket| Socket(socket.as_raw_fd()))
    }

    /// Offers `header` and `payload` to the socket. Returns how many bytes it took, none where it failed: who writes to
    /// it next is told of that.
    pub(crate) fn send(&self, header: &[u8], payload: &[u8]) -> usize {
        // SAFETY: a connection lends its socket for a turn of its own, in which it keeps its stream.
        let socket = unsafe { BorrowedFd::borrow_raw(self.0) };
        let parts = [IoSlice::new(header), IoSlice::new(payload)];
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags).unwrap_or(0)
    }
}
