//! The frames of one connection, prepared once, and the replies they must cause. Knows no socket and no clock.
//!
//! A ring has one slot for each message in flight. Each slot holds a whole frame with a random mask of its own, ready
//! to be written, and beside it the frame that an echo server must answer with. Sending again from a slot, once its
//! reply has arrived, takes nothing but a new sequence number in both. Slots lie next to each other, so that messages
//! sent together are one slice, and replies received together are compared at once, whatever pieces they arrive in.
//!
//! RFC 6455 section 5.3 wants a fresh mask for each frame. Here a slot keeps its own for the whole run: drawing a new
//! one and masking again would be work for the generator alone; to the server it makes no difference.

use crate::Wire;
use thiserror::Error;

/// Leading payload bytes that carry the sequence number; a shorter payload carries as much of it as fits.
const SEQUENCE_LEN: usize = 8;
/// First byte of a whole message: FIN and the opcode, RFC 6455 section 5.2.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// One connection's frames and expected replies.
#[derive(Debug)]
pub struct Ring {
    slots: usize,
    size: usize,
    /// Whether control frames may stand between the replies; not in a bare TCP stream.
    control: bool,
    /// The number of the next message.
    sequence: u32,
    /// The slot it will be sent from.
    fill: usize,

    frames: Vec<u8>,
    frame_len: usize,
    /// What turns the sequence number in a reply into the one in the masked frame, by slot.
    sequence_masks: Vec<u64>,
    /// Where in `frames` the bytes start that are to be written next, and how many there are.
    unsent_at: usize,
    unsent_len: usize,

    replies: Vec<u8>,
    reply_len: usize,
    /// Where in `replies` the next byte received belongs, and how much of its slot has been received.
    reply_at: usize,
    reply_partial: usize,
    /// Bytes of reply that are still to come for what has been stamped.
    outstanding: usize,
    skip: Skip,
}

/// What is left to skip of a control frame that came between two replies.
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
        sequence: u32,
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
        sequence: u32,
        /// Position in the payload, from 0.
        at: usize,
    },
    /// The payload isn't the one that was sent.
    #[error("message {sequence}: payload byte {at} of the reply differs from what was sent")]
    Payload {
        /// The number of the message.
        sequence: u32,
        /// Position in the payload, from 0.
        at: usize,
    },
}

impl Ring {
    /// Prepares the frames of `slots` messages of `size` bytes, with random payload and random masks.
    ///
    /// # Panics
    /// If `slots` is 0.
    pub fn new(slots: usize, size: usize, wire: Wire) -> Ring {
        assert!(slots > 0, "at least one message must be in flight");
        let first = if wire == Wire::Binary { BINARY } else { TEXT };
        let payload: Vec<u8> = match wire {
            Wire::Text => (0..size).map(|_| fastrand::u8(b' '..=b'~')).collect(),
            Wire::Binary | Wire::Raw => (0..size).map(|_| fastrand::u8(..)).collect(),
        };
        let mut frames = Vec::new();
        let mut replies = Vec::new();
        let mut sequence_masks = Vec::with_capacity(slots);
        for _ in 0..slots {
            let key: [u8; 4] = fastrand::u32(..).to_le_bytes();
            header(&mut frames, first, size, Some(key));
            frames.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            if wire != Wire::Raw {
                header(&mut replies, first, size, None);
                replies.extend_from_slice(&payload);
            }
            let key = u64::from(u32::from_le_bytes(key));
            sequence_masks.push(key | key << 32);
        }
        if wire == Wire::Raw {
            replies.clone_from(&frames);
        }
        Ring {
            slots,
            size,
            control: wire != Wire::Raw,
            sequence: 0,
            fill: 0,
            frame_len: frames.len() / slots,
            frames,
            sequence_masks,
            unsent_at: 0,
            unsent_len: 0,
            reply_len: replies.len() / slots,
            replies,
            reply_at: 0,
            reply_partial: 0,
            outstanding: 0,
            skip: Skip::Nothing,
        }
    }

    /// Gives the next `count` messages their numbers, and thereby makes them [`unsent`](Self::unsent).
    ///
    /// The caller keeps no more than `slots` messages between here and [`check`](Self::check).
    pub fn stamp(&mut self, count: usize) {
        debug_assert!(
            self.outstanding + count * self.reply_len <= self.replies.len(),
            "a slot is stamped while in use"
        );
        let width = self.size.min(SEQUENCE_LEN);
        for _ in 0..count {
            let in_payload = digits(self.sequence);
            let on_wire = in_payload ^ self.sequence_masks[self.fill];
            // A raw reply is the frame again, mask and all.
            let in_reply = if self.control { in_payload } else { on_wire };
            let frame = (self.fill + 1) * self.frame_len - self.size;
            let reply = (self.fill + 1) * self.reply_len - self.size;
            if width == SEQUENCE_LEN {
                self.frames[frame..frame + SEQUENCE_LEN].copy_from_slice(&on_wire.to_le_bytes());
                self.replies[reply..reply + SEQUENCE_LEN].copy_from_slice(&in_reply.to_le_bytes());
            } else {
                self.frames[frame..frame + width].copy_from_slice(&on_wire.to_le_bytes()[..width]);
                self.replies[reply..reply + width].copy_from_slice(&in_reply.to_le_bytes()[..width]);
            }
            self.sequence = self.sequence.wrapping_add(1);
            self.fill = if self.fill + 1 == self.slots { 0 } else { self.fill + 1 };
        }
        self.unsent_len += count * self.frame_len;
        self.outstanding += count * self.reply_len;
    }

    /// What is to be written next; the second part is empty unless the first reaches the end of the ring.
    pub fn unsent(&self) -> (&[u8], &[u8]) {
        let end = self.unsent_at + self.unsent_len;
        match end.checked_sub(self.frames.len()) {
            None => (&self.frames[self.unsent_at..end], &[]),
            Some(wrapped) => (&self.frames[self.unsent_at..], &self.frames[..wrapped]),
        }
    }

    /// Notes that `len` bytes of [`unsent`](Self::unsent) have been written.
    pub fn sent(&mut self, len: usize) {
        debug_assert!(len <= self.unsent_len, "more was written than there was");
        self.unsent_len -= len;
        self.unsent_at += len;
        if self.unsent_at >= self.frames.len() {
            self.unsent_at -= self.frames.len();
        }
    }

    /// Compares what was received, in whatever pieces, and returns how many replies it completed.
    ///
    /// Pings and pongs between replies are skipped; a ping isn't answered, so a run has to be shorter than a server's
    /// patience.
    pub fn check(&mut self, mut received: &[u8]) -> Result<usize, Mismatch> {
        let mut completed = 0;
        while !received.is_empty() {
            if self.skip != Skip::Nothing {
                received = self.skip_control(received);
                continue;
            }
            let len = received.len().min(self.outstanding).min(self.replies.len() - self.reply_at);
            let expected = &self.replies[self.reply_at..][..len];
            if len > 0 && received[..len] == *expected {
                completed += self.advance(len);
                received = &received[len..];
            } else {
                // Rare: a control frame, or a fault. What precedes it is as it should be.
                let same = expected.iter().zip(received).take_while(|(a, b)| a == b).count();
                completed += self.advance(same);
                received = &received[same..];
                self.begin_control(received[0]).map_err(|fault| fault.with_close_code(received))?;
                received = &received[1..];
            }
        }
        Ok(completed)
    }

    /// Whether all that was stamped has been answered.
    pub fn is_idle(&self) -> bool {
        self.outstanding == 0
    }

    fn advance(&mut self, len: usize) -> usize {
        self.outstanding -= len;
        self.reply_at += len;
        if self.reply_at == self.replies.len() {
            self.reply_at = 0;
        }
        let progress = self.reply_partial + len;
        self.reply_partial = progress % self.reply_len;
        progress / self.reply_len
    }

    /// The next byte isn't the one expected: either it begins a ping or a pong, or it is a fault.
    fn begin_control(&mut self, got: u8) -> Result<(), Mismatch> {
        let between = self.control && self.reply_partial == 0;
        if between && (got == PING || got == PONG) {
            self.skip = Skip::Length;
            return Ok(());
        }
        if between && got == CLOSE {
            return Err(Mismatch::Close(None));
        }
        if self.outstanding == 0 {
            return Err(Mismatch::Unasked);
        }
        let pending = self.outstanding.div_ceil(self.reply_len);
        let sequence = self.sequence.wrapping_sub(u32::try_from(pending).unwrap_or(u32::MAX));
        let header = self.reply_len - self.size;
        Err(match self.reply_partial.checked_sub(header) {
            None => {
                let expected = self.replies[self.reply_at];
                Mismatch::Header { sequence, at: self.reply_partial, got, expected }
            }
            Some(at) if at < SEQUENCE_LEN => Mismatch::Order { sequence, at },
            Some(at) => Mismatch::Payload { sequence, at },
        })
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

/// Appends a frame header, RFC 6455 section 5.2.
fn header(out: &mut Vec<u8>, first: u8, size: usize, key: Option<[u8; 4]>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.push(first);
    match (u8::try_from(size), u16::try_from(size)) {
        (Ok(size @ 0..=125), _) => out.push(masked | size),
        (_, Ok(size)) => {
            out.push(masked | 126);
            out.extend_from_slice(&size.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    out.extend(key.into_iter().flatten());
}

/// The number as eight of the letters `@` to `O`, so that it may stand in text; the lowest digit first, so that a short
/// payload has those that change.
fn digits(number: u32) -> u64 {
    let mut spread = u64::from(number);
    spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF;
    spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF;
    spread = (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    spread | 0x4040_4040_4040_4040
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an independent echo server answers to the bytes in `ring.unsent()`: unmasked, same opcode.
    fn echo(mut wire: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        while !wire.is_empty() {
            let (len, at) = match wire[1] & 0x7F {
                126 => (usize::from(u16::from_be_bytes([wire[2], wire[3]])), 4),
                127 => (usize::try_from(u64::from_be_bytes(wire[2..10].try_into().unwrap())).unwrap(), 10),
                len => (usize::from(len), 2),
            };
            assert_eq!(wire[1] & 0x80, 0x80, "RFC 6455 section 5.3: a client MUST mask all frames");
            answer.push(wire[0]);
            answer.push(wire[1] & 0x7F);
            answer.extend_from_slice(&wire[2..at]);
            let key = &wire[at..at + 4];
            let payload = &wire[at + 4..at + 4 + len];
            answer.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            wire = &wire[at + 4 + len..];
        }
        answer
    }

    fn send_all(ring: &mut Ring) -> Vec<u8> {
        let (first, second) = ring.unsent();
        let wire = [first, second].concat();
        ring.sent(wire.len());
        wire
    }

    #[test]
    fn replies_are_accepted_in_any_pieces() {
        for size in [0, 1, 7, 8, 20, 125, 126, 65535, 65536] {
            for wire in [Wire::Text, Wire::Binary, Wire::Raw] {
                let mut ring = Ring::new(3, size, wire);
                let mut answered = 0;
                let mut owed = Vec::new();
                ring.stamp(3);
                for round in 0..20 {
                    let sent = send_all(&mut ring);
                    owed.extend(if wire == Wire::Raw { sent } else { echo(&sent) });
                    let piece = owed.len().min(1 + fastrand::usize(..owed.len()) + round % 2);
                    let completed = ring.check(&owed[..piece]).unwrap();
                    owed.drain(..piece);
                    answered += completed;
                    ring.stamp(completed);
                }
                let sent = send_all(&mut ring);
                owed.extend(if wire == Wire::Raw { sent } else { echo(&sent) });
                answered += ring.check(&owed).unwrap();
                assert!(ring.is_idle());
                assert_eq!(answered, usize::try_from(ring.sequence).unwrap());
            }
        }
    }

    #[test]
    fn each_message_is_new_and_text_is_ascii() {
        let mut ring = Ring::new(2, 8, Wire::Text);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            ring.stamp(2);
            let reply = echo(&send_all(&mut ring));
            assert!(reply[2..10].is_ascii());
            assert!(seen.insert(reply[2..10].to_vec()));
            assert_eq!(ring.check(&reply), Ok(2));
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let fault = |spoil: fn(&mut Vec<u8>)| {
            let mut ring = Ring::new(4, 20, Wire::Text);
            ring.stamp(4);
            let mut reply = echo(&send_all(&mut ring));
            spoil(&mut reply);
            ring.check(&reply)
        };
        assert_eq!(fault(|_| ()), Ok(4));
        assert_eq!(fault(|reply| reply[22 + 15] ^= 1), Err(Mismatch::Payload { sequence: 1, at: 13 }));
        // Lost.
        assert_eq!(fault(|reply| drop(reply.drain(22..44))), Err(Mismatch::Order { sequence: 1, at: 0 }));
        // Swapped.
        assert_eq!(fault(|reply| reply[22..66].rotate_left(22)), Err(Mismatch::Order { sequence: 1, at: 0 }));
        // Repeated, within what is owed and beyond it.
        assert_eq!(fault(|reply| reply.extend_from_within(..22)), Err(Mismatch::Unasked));
        assert_eq!(
            fault(|reply| {
                let again = reply[..22].to_vec();
                reply.splice(22..22, again);
            }),
            Err(Mismatch::Order { sequence: 1, at: 0 })
        );
        assert_eq!(
            fault(|reply| reply[22] = BINARY),
            Err(Mismatch::Header { sequence: 1, at: 0, got: BINARY, expected: TEXT })
        );
        assert_eq!(fault(|reply| reply[23] += 1), Err(Mismatch::Header { sequence: 1, at: 1, got: 21, expected: 20 }));
        assert_eq!(fault(|reply| drop(reply.splice(22.., [CLOSE, 2, 3, 0xF0]))), Err(Mismatch::Close(Some(1008))));
    }

    #[test]
    fn pings_and_pongs_are_skipped() {
        let mut ring = Ring::new(2, 20, Wire::Text);
        ring.stamp(2);
        let mut reply = echo(&send_all(&mut ring));
        reply.splice(22..22, [PING, 3, 1, 2, 3, PONG, 0]);
        reply.extend([PING, 0]);
        let completed: usize = reply.chunks(1).map(|byte| ring.check(byte).unwrap()).sum();
        assert_eq!(completed, 2);
        assert_eq!(ring.check(&[PONG, 1, b'x']), Ok(0));
        assert_eq!(ring.skip, Skip::Nothing);
    }

    #[test]
    fn a_late_repeat_is_not_taken_for_the_slots_next_reply() {
        let mut ring = Ring::new(1, 20, Wire::Binary);
        ring.stamp(1);
        let first = echo(&send_all(&mut ring));
        assert_eq!(ring.check(&first), Ok(1));
        ring.stamp(1);
        send_all(&mut ring);
        assert_eq!(ring.check(&first), Err(Mismatch::Order { sequence: 1, at: 0 }));
    }
}
