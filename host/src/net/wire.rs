//! A connection's socket, as the core sees it.
#![allow(unsafe_code)] // one line: a callback must reach the socket, and its connection cannot lend that to a thread-local

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wshost_core::client::short_way::ShortWay;
use wshost_core::connection::wire::Wire;

/// A socket over which bytes go as they are.
#[derive(Debug)]
pub(crate) struct Socket<S>(pub S);

impl<S: AsyncRead + AsyncWrite + AsFd + Unpin> Wire for Socket<S> {
    fn has_input(&self) -> bool {
        let peeked = recv(self.0.as_fd(), &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peeked, Err(Errno::WOULDBLOCK))
    }

    fn short_way(&self) -> Option<ShortWay> {
        Some(ShortWay::new(self.0.as_fd().as_raw_fd(), offer))
    }
}

fn offer(socket: RawFd, header: &[u8], payload: &[u8]) -> usize {
    // SAFETY: a connection lends its socket for a turn of its own, in which it keeps its stream.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    let parts = [IoSlice::new(header), IoSlice::new(payload)];
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags).unwrap_or(0)
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
