//! The replies that a run must cause, and the comparison with what was received. This file knows no socket and no
//! clock.
//!
//! The replies of all slots of a ring lie next to each other, so that received bytes, in whatever pieces, are compared
//! with memory at once: opcode, length, payload and order. Each connection that must get the same replies has a
//! [`Cursor`] of its own: one for an echo, one for each client if a message goes to all.

use thiserror::Error;

/// Leading payload bytes that carry the sequence number; a shorter payload carries as much of it as fits.
pub(crate) const SEQUENCE_LEN: usize = 8;
/// First byte of a whole control frame: FIN and the opcode, RFC 6455 section 5.2.
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// What must come back for the messages sent.
#[derive(Debug)]
pub(crate) struct Replies {
    bytes: Vec<u8>,
    /// Of one reply, and of its payload.
    len: usize,
    size: usize,
    /// Whether control frames may stand between the replies; not in a bare TCP stream.
    control: bool,
    /// How many replies are to come, from the beginning.
    expected: u64,
}

/// How far one connection has got with its replies.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Whole replies received.
    completed: u64,
    /// Where the next byte received belongs, and how much of its reply has been received.
    at: usize,
    partial: usize,
    skip: Skip,
}

/// The rest of a control frame that came between two replies, which is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// The frame's first byte has come, its length has not.
    Length,
    Payload(usize),
}

/// Why what a server sent isn't the echo of what it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// More bytes than are owed.
    #[error("the server sent a reply that was not asked for")]
    Unasked,
    /// A close frame, with its status code if that was received along with it.
    #[error("the server closed the connection{}", .0.map_or(String::new(), |code| format!(" with status {code}")))]
    Close(Option<u16>),
    /// Not a whole message of the kind sent in an uncompressed frame, or its length isn't written as it should be.
    #[error("message {sequence}: header byte {at} of the reply is {got:#04x} and should be {expected:#04x}")]
    Header {
        /// The number of the message.
        sequence: u64,
        /// Position in the frame, from 0.
        at: usize,
        /// What came.
        got: u8,
        /// What should have come.
        expected: u8,
    },
    /// The sequence number is wrong: a reply is missing, repeated or out of its order.
    #[error("message {sequence}: sequence number differs in byte {at}: reply lost, repeated or out of order")]
    Order {
        /// The number of the message.
        sequence: u64,
        /// Position in the payload, from 0.
        at: usize,
    },
    /// The answer to the first message isn't that message with something behind it.
    #[error("the reply does not begin with the message that it answers")]
    NotRepeated,
    /// The payload isn't the one that was sent.
    #[error("message {sequence}: payload byte {at} of the reply differs from what was sent")]
    Payload {
        /// The number of the message.
        sequence: u64,
        /// Position in the payload, from 0.
        at: usize,
    },
}

impl Replies {
    /// Takes over `bytes`, the replies of all slots, each `len` bytes long with `size` bytes of payload at its end.
    pub(crate) fn new(bytes: Vec<u8>, len: usize, size: usize, control: bool) -> Replies {
        Replies { bytes, len, size, control, expected: 0 }
    }

    /// Writes the sequence number into the reply of a slot, which is expected from now on.
    pub(crate) fn expect(&mut self, slot: usize, sequence: &[u8]) {
        let payload = (slot + 1) * self.len - self.size;
        self.bytes[payload..][..sequence.len()].copy_from_slice(sequence);
        self.expected += 1;
    }

    /// Expects nothing, for a cursor that is new.
    pub(crate) fn forget(&mut self) {
        self.expected = 0;
    }

    /// Compares what was received, in whatever pieces, and returns how many replies it completed.
    ///
    /// Pings and pongs between replies are skipped; a ping isn't answered, so a run has to be shorter than a server's
    /// patience.
    pub(crate) fn check(&self, cursor: &mut Cursor, mut received: &[u8]) -> Result<usize, Mismatch> {
        let mut completed = 0;
        while !received.is_empty() {
            if cursor.skip != Skip::Nothing {
                received = cursor.skip_control(received);
                continue;
            }
            let len = received.len().min(self.outstanding(cursor)).min(self.bytes.len() - cursor.at);
            let expected = &self.bytes[cursor.at..][..len];
            if len > 0 && received[..len] == *expected {
                completed += self.advance(cursor, len);
                received = &received[len..];
            } else {
                // Rare: a control frame, or a fault. What precedes it is as it should be.
                let same = expected.iter().zip(received).take_while(|(a, b)| a == b).count();
                completed += self.advance(cursor, same);
                received = &received[same..];
                self.begin_control(cursor, received[0]).map_err(|fault| fault.with_close_code(received))?;
                received = &received[1..];
            }
        }
        Ok(completed)
    }

    /// Whether all that is expected has come.
    pub(crate) fn is_idle(&self, cursor: &Cursor) -> bool {
        cursor.completed == self.expected
    }

    /// Bytes that are still to come. No connection is more than the ring's slots behind, so that they are there.
    fn outstanding(&self, cursor: &Cursor) -> usize {
        let behind = usize::try_from(self.expected - cursor.completed).unwrap_or(usize::MAX);
        behind * self.len - cursor.partial
    }

    fn advance(&self, cursor: &mut Cursor, len: usize) -> usize {
        cursor.at += len;
        if cursor.at == self.bytes.len() {
            cursor.at = 0;
        }
        let progress = cursor.partial + len;
        cursor.partial = progress % self.len;
        cursor.completed += (progress / self.len) as u64;
        progress / self.len
    }

    /// The next byte isn't the one expected: either it begins a ping or a pong, or it is a fault.
    fn begin_control(&self, cursor: &mut Cursor, got: u8) -> Result<(), Mismatch> {
        let between = self.control && cursor.partial == 0;
        if between && (got == PING || got == PONG) {
            cursor.skip = Skip::Length;
            return Ok(());
        }
        if between && got == CLOSE {
            return Err(Mismatch::Close(None));
        }
        if self.is_idle(cursor) {
            return Err(Mismatch::Unasked);
        }
        let sequence = cursor.completed;
        let header = self.len - self.size;
        Err(match cursor.partial.checked_sub(header) {
            None => {
                let expected = self.bytes[cursor.at];
                Mismatch::Header { sequence, at: cursor.partial, got, expected }
            }
            Some(at) if at < SEQUENCE_LEN => Mismatch::Order { sequence, at },
            Some(at) => Mismatch::Payload { sequence, at },
        })
    }
}

impl Cursor {
    /// At the first reply.
    pub(crate) fn new() -> Cursor {
        Cursor { completed: 0, at: 0, partial: 0, skip: Skip::Nothing }
    }

    /// Passes over as much of a ping or pong as has been received, and returns what follows.
    fn skip_control<'a>(&mut self, received: &'a [u8]) -> &'a [u8] {
        let (len, left) = match self.skip {
            Skip::Nothing => (0, 0),
            // RFC 6455 section 5.5: a control frame has at most 125 bytes, so its length is in one byte.
            Skip::Length => (1, usize::from(received[0])),
            Skip::Payload(payload) => {
                let len = payload.min(received.len());
                (len, payload - len)
            }
        };
        self.skip = if left == 0 { Skip::Nothing } else { Skip::Payload(left) };
        &received[len..]
    }
}

impl Mismatch {
    /// Adds to a close its status code, if that is in what was received from its first byte on.
    fn with_close_code(self, received: &[u8]) -> Mismatch {
        match (self, received) {
            (Mismatch::Close(_), [_, _, high, low, ..]) => Mismatch::Close(Some(u16::from_be_bytes([*high, *low]))),
            (other, _) => other,
        }
    }
}
