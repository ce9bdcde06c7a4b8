//! Orders to a connection, from threads and callbacks other than its own.

use crate::protocol::{Opcode, encoded_length};
use bytes::Bytes;

/// An order to a connection.
#[derive(Debug)]
pub enum Order {
    /// Send these whole, encoded messages.
    Frames(Vec<u8>),
    /// Send this message, compressed if it is worth it.
    Message { opcode: Opcode, payload: Vec<u8> },
    /// Send this whole, encoded message, which many clients get.
    Shared(Bytes),
    /// Send a part of a message.
    Part(Part),
    /// Send a control frame ahead of data.
    Control { opcode: Opcode, payload: Vec<u8> },
    /// Send a close frame, behind the queued data or (`now`) in place of it.
    Close { code: u16, reason: String, now: bool },
    /// Drop the queued data.
    Discard,
}

/// A part of a message that is sent in fragments (RFC 6455 section 5.4).
#[derive(Debug)]
pub struct Part {
    /// Which message.
    pub message: u64,
    /// The opcode of the message.
    pub opcode: Opcode,
    pub last: bool,
    pub data: Vec<u8>,
}

impl Order {
    /// The cost of keeping an order, in bytes, besides its bytes on the wire.
    pub const ENTRY: usize = size_of::<Order>();

    /// The bytes that it puts on the wire, at most.
    pub fn size(&self) -> usize {
        match self {
            Order::Message { payload, .. } | Order::Control { payload, .. } => encoded_length(payload.len()),
            Order::Frames(frames) => frames.len(),
            Order::Shared(frames) => frames.len(),
            Order::Part(part) => encoded_length(part.data.len()),
            Order::Close { reason, .. } => encoded_length(2 + reason.len()),
            Order::Discard => 0,
        }
    }

    /// Whether it may be dropped when the engine discards queued data: only whole messages may.
    pub(crate) fn is_whole_message(&self) -> bool {
        matches!(self, Order::Frames(_) | Order::Message { .. } | Order::Shared(_))
    }
}
