//! What a connection's bytes go over.

use crate::client::short_way::ShortWay;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream.
pub trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// Whether there is something to read, as the socket itself says: the runtime may not have been told yet. The end of
    /// the input is something to read, too.
    fn has_input(&self) -> bool {
        false
    }

    /// The raw socket, if bytes written there reach the peer unchanged.
    fn short_way(&self) -> Option<ShortWay> {
        None
    }
}
