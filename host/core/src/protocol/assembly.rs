//! Assembles a message that did not arrive in one piece.
//!
//! It allocates memory for bytes that have arrived, never for bytes that a header only announces.

use super::message::Received;
use super::utf8::PartialText;
use super::{Fault, Opcode};

/// The message in progress.
#[derive(Debug)]
pub(super) enum Assembly {
    Text(PartialText),
    Binary(Vec<u8>),
}

impl Assembly {
    /// Begins the message of a frame with this opcode, in the memory of `room`, which is empty.
    pub(super) fn new(opcode: Opcode, room: Vec<u8>) -> Assembly {
        match opcode {
            Opcode::Text => Assembly::Text(PartialText::new(room)),
            _ => Assembly::Binary(room),
        }
    }

    /// Releases its memory for another message.
    pub(super) fn into_room(self) -> Vec<u8> {
        let mut room = match self {
            Assembly::Text(text) => text.into_bytes(),
            Assembly::Binary(bytes) => bytes,
        };
        room.clear();
        room
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        match self {
            Assembly::Text(text) => text.len(),
            Assembly::Binary(bytes) => bytes.len(),
        }
    }

    /// Bytes of heap.
    pub(super) fn capacity(&self) -> usize {
        match self {
            Assembly::Text(text) => text.capacity(),
            Assembly::Binary(bytes) => bytes.capacity(),
        }
    }

    /// Appends unmasked payload. `most` is the most bytes that the message can have.
    pub(super) fn append(&mut self, part: &[u8], most: usize) -> Result<(), Fault> {
        match self {
            Assembly::Text(text) => text.append(part, most),
            Assembly::Binary(bytes) => {
                bytes.reserve_exact(growth(bytes.len(), bytes.capacity(), part.len(), most));
                bytes.extend_from_slice(part);
                Ok(())
            }
        }
    }

    /// Appends inflated payload, up to the message's limit.
    pub(super) fn append_inflated(&mut self, part: &[u8], max_message: usize) -> Result<(), Fault> {
        let room = max_message.saturating_sub(self.len());
        self.append(&part[..part.len().min(room)], max_message)?;
        if part.len() > room { Err(Fault::MessageTooBig(max_message)) } else { Ok(()) }
    }

    /// Declares the message complete.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        match self {
            Assembly::Text(text) => text.finish(),
            Assembly::Binary(_) => Ok(()),
        }
    }

    /// The complete message's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Assembly::Text(text) => text.as_str().as_bytes(),
            Assembly::Binary(bytes) => bytes,
        }
    }

    /// The complete message.
    pub(super) fn received(&self) -> Received<'_> {
        match self {
            Assembly::Text(text) => Received::Text(text.as_str()),
            Assembly::Binary(bytes) => Received::Binary(bytes),
        }
    }
}

/// By how much to grow a buffer of `len` bytes for `more` bytes: to twice the bytes that it will hold, so that many
/// small parts cost linear time, but not beyond `most` bytes.
pub(super) fn growth(len: usize, capacity: usize, more: usize, most: usize) -> usize {
    const LEAST: usize = 64;
    let needed = len + more;
    if needed <= capacity {
        return 0;
    }
    needed.saturating_mul(2).max(LEAST).min(most).max(needed) - len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_doubles_up_to_what_it_can_come_to() {
        assert_eq!(growth(0, 0, 0, 1 << 20), 0);
        assert_eq!(growth(0, 0, 1, 1 << 20), 64);
        assert_eq!(growth(0, 0, 1000, 1 << 20), 2000);
        assert_eq!(growth(1000, 1000, 1, 1 << 20), 1002);
        assert_eq!(growth(1000, 1000, 1, 1500), 500);
        assert_eq!(growth(1000, 2000, 1000, 1500), 0);
    }

    #[test]
    fn memory_is_bounded_by_bytes_received() {
        let mut message = Assembly::new(Opcode::Binary, Vec::new());
        let mut received = 0;
        for part in [1, 100, 3000, 16384, 16384, 16384] {
            message.append(&vec![0; part], 1 << 24).unwrap();
            received += part;
            assert!(message.capacity() <= (2 * received).max(64), "{} for {received}", message.capacity());
        }
    }
}
