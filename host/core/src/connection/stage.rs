//! How far the end of a connection has come.

/// The one state of a connection's end (RFC 6455 section 7.1).
///
/// Two more facts about the end cannot be read off this, since our own close frame has a way to go:
///
/// - [`Closing`](crate::client::Closing): a close frame of ours has been ordered. Any thread may order it, and from
///   then on nobody sends anything, so this fact is shared and belongs to the client. An engine that closes leaves the
///   stage at `Open`, in which the engine still learns of the peer's close frame.
/// - [`Batch::close_written`](crate::client::batch::Batch): that order has reached the write buffer. Only then do the
///   written bytes end with a close frame, so that TCP may be shut after them. The order may arrive there in any stage,
///   even from within a callback, which has the batch but not the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Messages go to the engine until a close frame of ours is ordered. From then on, only the peer's close frame
    /// does.
    Open,
    /// Nothing more goes to the engine. The queued data is written, and ends with a close frame.
    Flushing(Input),
    /// Everything is written, our side of TCP is shut, and the engine has its session back. Further input is dropped:
    /// closing a socket with unread bytes would make the kernel reset the connection, and the peer could lose our close
    /// frame.
    Lingering,
    Over,
}

/// The input that may still come from the peer. None of it is for the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Anything: the peer does not know of the fault, or ignores it.
    Anything,
    /// The end of TCP: the peer has sent a close frame, and must send nothing after it (RFC 6455 section 5.5.1).
    End,
    /// Nothing: the peer has shut its side of TCP.
    Nothing,
}
