//! The short way to a socket, for messages that are too large to copy.

use std::fmt;
use std::os::fd::RawFd;

/// The socket of the connection whose turn it is. Drop it at the end of that turn.
#[derive(Clone, Copy)]
pub struct ShortWay {
    socket: RawFd,
    offer: OfferFn,
}

/// Offers a header and a payload to a socket without waiting. Returns how many bytes the socket took, and 0 if it failed:
/// the next write to the socket reports that. It must also return 0 if the socket is gone: the descriptor's number may
/// belong to something else by then.
pub type OfferFn = fn(RawFd, &[u8], &[u8]) -> usize;

impl ShortWay {
    /// The short way to this socket, through this function.
    pub fn new(socket: RawFd, offer: OfferFn) -> ShortWay {
        ShortWay { socket, offer }
    }

    /// Offers `header` and `payload` to the socket. Returns how many bytes it took.
    pub fn offer(&self, header: &[u8], payload: &[u8]) -> usize {
        (self.offer)(self.socket, header, payload)
    }
}

impl fmt::Debug for ShortWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShortWay({})", self.socket)
    }
}
