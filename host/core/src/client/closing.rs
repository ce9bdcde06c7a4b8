//! How far the end of a connection has come. Other threads may ask.

/// How far a connection's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Closing {
    /// Open.
    No,
    /// The peer has sent a close frame, and we have not.
    Begun,
    /// We have queued a close frame. Nothing may follow it (RFC 6455 section 5.5.1).
    Sent,
    /// The connection is gone.
    Gone,
}
