//! What a connection is told to send, by threads and callbacks other than its own.

use crate::protocol::{Opcode, encoded_length};
use bytes::Bytes;

/// Something that a connection is told to do.
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
    /// Send a close frame, behind what is queued or (`now`) in place of it.
    Close { code: u16, reason: String, now: bool },
    /// Drop what is queued.
    Discard,
}

/// A part of a message that is sent in fragments (RFC 6455 section 5.4).
#[derive(Debug)]
pub struct Part {
    /// Which message.
    pub message: u64,
    /// The message's.
    pub opcode: Opcode,
    pub last: bool,
    pub data: Vec<u8>,
}

impl Order {
    /// What it costs to keep an order, in bytes, beside what it puts on the wire.
    pub const ENTRY: usize = size_of::<Order>();

    /// What goes over the wire for it, in bytes, or what would at most.
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

    /// Whether this may be dropped when the engine wants what is queued dropped: whole messages only.
    pub fn is_whole_message(&self) -> bool {
        matches!(self, Order::Frames(_) | Order::Message { .. } | Order::Shared(_))
    }
}
