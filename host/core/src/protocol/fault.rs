//! The faults of a client, and the close code for each.
//!
//! The sentences are for the log. They contain nothing of a payload except a close code.

use super::close;

/// A breach of RFC 6455 or 7692, or of our limits, by the client. The connection is closed with [`Fault::close_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A frame without the mask that every client frame carries.
    #[error("a frame was not masked")]
    Unmasked,
    /// RSV1, RSV2 or RSV3 without an extension that defines it for this frame.
    #[error("a reserved bit was set that no extension defines for this frame")]
    ReservedBit,
    /// An opcode that RFC 6455 leaves undefined.
    #[error("the opcode {0:#x} is reserved")]
    ReservedOpcode(u8),
    /// A close, ping or pong without the FIN bit.
    #[error("a control frame was fragmented")]
    FragmentedControl,
    /// A close, ping or pong of more than 125 bytes.
    #[error("a control frame was longer than 125 bytes")]
    LongControl,
    /// A 64-bit payload length of 2^63 or more.
    #[error("a payload length had its top bit set")]
    LengthTopBit,
    /// A payload length in more bytes than necessary.
    #[error("a payload length was not in its shortest form")]
    LengthNotMinimal,
    /// A continuation frame outside a message.
    #[error("a continuation had no message to continue")]
    NothingToContinue,
    /// A text or binary frame before the message in progress was over.
    #[error("a new message began inside an unfinished one")]
    MessageUnfinished,
    /// A message longer than [`Limits::max_message`](super::Limits::max_message), which is given here in bytes.
    #[error("a message was longer than the limit of {0} bytes")]
    MessageTooBig(usize),
    /// A compressed message that is no deflate stream, or only a part of one.
    #[error("a compressed message could not be inflated")]
    NotDeflate,
    /// A text message that is not UTF-8.
    #[error("a text message was not valid UTF-8")]
    TextNotUtf8,
    /// A close frame whose payload is one byte, half a code.
    #[error("a close frame held half a code")]
    HalfCloseCode,
    /// A close code that must not appear on the wire.
    #[error("a close frame held the code {0}, which must not be sent")]
    CloseCode(u16),
    /// A close reason that is not UTF-8.
    #[error("a close reason was not valid UTF-8")]
    ReasonNotUtf8,
    /// A message or frame that was still unfinished at its assembly deadline.
    #[error("a message was not finished in time")]
    AssemblyTimeout,
}

impl Fault {
    /// The code of the close frame that answers this fault.
    pub fn close_code(&self) -> u16 {
        match self {
            Fault::Unmasked
            | Fault::ReservedBit
            | Fault::ReservedOpcode(_)
            | Fault::FragmentedControl
            | Fault::LongControl
            | Fault::LengthTopBit
            | Fault::LengthNotMinimal
            | Fault::NothingToContinue
            | Fault::MessageUnfinished
            | Fault::HalfCloseCode
            | Fault::CloseCode(_) => close::PROTOCOL,
            Fault::NotDeflate | Fault::TextNotUtf8 | Fault::ReasonNotUtf8 => close::INVALID_DATA,
            Fault::MessageTooBig(_) => close::TOO_BIG,
            Fault::AssemblyTimeout => close::POLICY,
        }
    }
}
