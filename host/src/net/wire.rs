//! A connection's socket, as the core sees it.
#![allow(unsafe_code)] // one line: a callback reaches the socket of its own connection, which cannot lend it with a lifetime

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use wshost_core::client::short_way::ShortWay;
use wshost_core::connection::wire::Wire;

thread_local! {
    /// The descriptor of the [`Socket`] that was last asked for its short way on this thread, until that is dropped. So
    /// it is open. It has no destructor, so it works at every stage of a thread's life.
    static AT_HAND: Cell<Option<RawFd>> = const { Cell::new(None) };
}

/// A stream of the system, which keeps one descriptor until it is dropped.
pub(crate) trait Stream: AsyncRead + AsyncWrite + AsFd + Unpin {}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// A socket that passes bytes unchanged. It stays on its thread, where [`AT_HAND`] is.
#[derive(Debug)]
pub(crate) struct Socket<S: Stream> {
    stream: S,
    not_send: PhantomData<*const ()>,
}

impl<S: Stream> Socket<S> {
    pub(crate) fn new(stream: S) -> Self {
        Socket { stream, not_send: PhantomData }
    }

    fn descriptor(&self) -> RawFd {
        self.stream.as_fd().as_raw_fd()
    }
}

impl<S: Stream> Drop for Socket<S> {
    fn drop(&mut self) {
        if AT_HAND.get() == Some(self.descriptor()) {
            AT_HAND.set(None);
        }
    }
}

impl<S: Stream> Wire for Socket<S> {
    fn has_input(&self) -> bool {
        let peeked = recv(self.stream.as_fd(), &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peeked, Err(Errno::WOULDBLOCK))
    }

    fn short_way(&self) -> Option<ShortWay> {
        AT_HAND.set(Some(self.descriptor()));
        Some(ShortWay::new(self.descriptor(), offer))
    }
}

/// Takes nothing if the socket is no longer at hand.
fn offer(socket: RawFd, header: &[u8], payload: &[u8]) -> usize {
    if AT_HAND.get() != Some(socket) {
        return 0;
    }
    // SAFETY: it is at hand, so its `Socket` has not been dropped, which could only be on this thread; that keeps it open.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    let parts = [IoSlice::new(header), IoSlice::new(payload)];
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags).unwrap_or(0)
}

impl<S: Stream> AsyncRead for Socket<S> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Stream> AsyncWrite for Socket<S> {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[tokio::test]
    async fn a_socket_that_is_gone_takes_nothing() {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = Socket::new(UnixStream::from_std(ours).unwrap());
        let way = socket.short_way().unwrap();
        assert_eq!(way.offer(b"ab", b"c"), 3);
        let mut came = [0; 3];
        theirs.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"abc");
        let (other, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(socket);
        assert_eq!(way.offer(b"ab", b"c"), 0);
        // The next owner of the descriptor must not receive the bytes.
        let _next = other.try_clone().unwrap();
        assert_eq!(way.offer(b"ab", b"c"), 0);
    }
}
