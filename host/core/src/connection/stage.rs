//! How far the end of a connection has come.

/// The one state of a connection's end (RFC 6455 section 7.1).
///
/// Two more things are known of the end that cannot be read off this, since our own close frame has a way to go:
///
/// - [`Closing`](crate::client::Closing): a close frame of ours has been ordered. Any thread may do that, and from then on
///   nobody sends anything, so it is the client's and shared. An engine that closes leaves the stage at `Open`, where the
///   peer's close frame is still told to it.
/// - [`Batch::close_written`](crate::client::batch::Batch): that order has come to the write buffer. Only then does all that
///   is written end with a close frame, so that TCP may be shut behind it. The order may come there in any stage, also from
///   within a callback, which has the batch but not the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Messages go to the engine, until a close frame of ours is ordered; from then on only the peer's close frame does.
    Open,
    /// Nothing more goes to the engine. What is queued is written, the last of it a close frame.
    Flushing(Input),
    /// All is written, our side of TCP is shut, and the engine has its session back. What still comes is dropped:
    /// closing a socket with unread bytes would make the kernel reset the connection, and the peer could lose our close
    /// frame.
    Lingering,
    Over,
}

/// What may still come from the peer. Nothing of it is for the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Anything: the fault is not known to it, or it takes no notice.
    Anything,
    /// The end of TCP: it has sent a close frame, behind which it must send nothing (RFC 6455 section 5.5.1).
    End,
    /// Nothing: it has shut its side of TCP.
    Nothing,
}
