//! The byte stream under a connection.

use crate::client::short_way::ShortWay;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream.
pub trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// Whether there is something to read, as the socket itself says: the runtime may not know yet. The end of the
    /// input counts as something to read.
    fn has_input(&self) -> bool {
        false
    }

    /// The raw socket, if bytes written there reach the peer unchanged.
    fn short_way(&self) -> Option<ShortWay> {
        None
    }
}
