//! The short way to a socket, for messages that are too large to be copied.

use std::fmt;
use std::os::fd::RawFd;

/// The socket of the connection whose turn it is. To be dropped at the end of that turn.
#[derive(Clone, Copy)]
pub struct ShortWay {
    socket: RawFd,
    offer: Offer,
}

/// Offers a header and a payload to a socket without waiting, unless that is gone: a number is no proof. Returns how many bytes
/// it took, none if it failed: the next write to the socket tells of that.
pub type Offer = fn(RawFd, &[u8], &[u8]) -> usize;

impl ShortWay {
    /// To this socket, by this function.
    pub fn new(socket: RawFd, offer: Offer) -> ShortWay {
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
